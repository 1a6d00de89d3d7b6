//! `waxseal health`: does a running sidecar answer?
//!
//! Inputs: the first listen address of the configuration, or of `--listen` alone, which spares a container's
//! probe the rest of the configuration. Output: a sentence, and exit code 0 or 1.
//! Must never: depend on the upstream. PING is answered by the sidecar itself, so that an outage of the
//! database does not get the sidecar restarted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{HealthArgs, complain, exit, load, tell};
use crate::config::ListenAddress;

/// What a client sends; RESP and not inline, as clients do.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
/// The answer is one short line; what is longer is no answer to PING.
const MAX_LINE: usize = 512;

pub(super) fn execute(args: HealthArgs) -> ExitCode {
    let given = args.common.listen.first().and_then(|text| parse(text));
    let address = match given {
        Some(address) => address,
        None => match load(args.common) {
            Ok(config) => match easiest(config.listen.redis) {
                Some(address) => address,
                None => {
                    complain(&"the sidecar listens nowhere; set redis in [listen]");
                    return ExitCode::from(exit::CONFIG);
                }
            },
            Err(code) => return code,
        },
    };
    let limit = Duration::from_secs(args.timeout);
    match ask(&address, limit) {
        Ok(line) => match verdict(&line) {
            Ok(()) => {
                tell(format!("alive: the sidecar on {address} answers\n").as_bytes());
                ExitCode::SUCCESS
            }
            Err(why) => unhealthy(&format!("the sidecar on {address} {why}")),
        },
        Err(error) => unhealthy(&explain(&address, limit, &error)),
    }
}

/// One that speaks without TLS, if there is one.
fn easiest(addresses: Vec<ListenAddress>) -> Option<ListenAddress> {
    let is_plain = |address: &ListenAddress| !matches!(address, ListenAddress::Tls(_));
    let at = addresses.iter().position(is_plain).unwrap_or(0);
    addresses.into_iter().nth(at)
}

fn unhealthy(text: &str) -> ExitCode {
    complain(&text);
    ExitCode::from(exit::FAILED)
}

/// `None` leaves it to the configuration, which tells what is wrong with it.
fn parse(text: &str) -> Option<ListenAddress> {
    match text.strip_prefix("unix:") {
        Some(path) => Some(ListenAddress::Unix(PathBuf::from(path))),
        None => {
            let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
            text.parse().ok().map(ListenAddress::Tcp)
        }
    }
}

fn ask(address: &ListenAddress, limit: Duration) -> io::Result<Vec<u8>> {
    let end = Instant::now() + limit;
    match address {
        ListenAddress::Tcp(address) => {
            let mut stream = TcpStream::connect_timeout(&reachable(*address), limit)?;
            stream.set_write_timeout(Some(limit))?;
            stream.write_all(PING)?;
            first_line(end, |left, buffer| {
                stream.set_read_timeout(Some(left))?;
                stream.read(buffer)
            })
        }
        // Without a client's certificate there is no more to be learnt than that it is accepted.
        ListenAddress::Tls(address) => {
            TcpStream::connect_timeout(&reachable(*address), limit).map(|_| b"+PONG".to_vec())
        }
        ListenAddress::Unix(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_write_timeout(Some(limit))?;
            stream.write_all(PING)?;
            first_line(end, |left, buffer| {
                stream.set_read_timeout(Some(left))?;
                stream.read(buffer)
            })
        }
    }
}

/// A socket that listens everywhere is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn first_line(end: Instant, mut read: impl FnMut(Duration, &mut [u8]) -> io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut piece = [0; MAX_LINE];
    loop {
        if let Some(length) = line.iter().position(|byte| *byte == b'\r') {
            line.truncate(length);
            return Ok(line);
        }
        if line.len() >= MAX_LINE {
            return Err(ErrorKind::InvalidData.into());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match read(left, &mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => line.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A sidecar that asks for a password is as alive as one that does not.
fn verdict(line: &[u8]) -> Result<(), &'static str> {
    if line == b"+PONG" || line.starts_with(b"-NOAUTH ") {
        Ok(())
    } else if line.starts_with(b"-ERR max number of clients") {
        Err("is full: it has as many clients as limits.max_clients allows")
    } else if line.starts_with(b"-") {
        Err("answers PING with an error")
    } else {
        Err("does not answer PING as Redis does: something else listens there")
    }
}

fn explain(address: &ListenAddress, limit: Duration, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
            format!("nothing listens on {address}: the sidecar does not run, or listens elsewhere")
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("the sidecar on {address} did not answer within {} s", limit.as_secs())
        }
        ErrorKind::PermissionDenied => {
            format!("this user may not use {address}: run as the sidecar's user, or set listen.unix_mode")
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("the sidecar on {address} closed the connection without an answer: it is stopping")
        }
        ErrorKind::InvalidData => format!("what listens on {address} does not answer PING as Redis does"),
        _ => format!("the sidecar on {address} cannot be asked: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Serves one connection with `answer`, and says what was found.
    fn against(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ListenAddress::Tcp(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; PING.len()];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked, PING);
            for byte in answer {
                stream.write_all(&[*byte]).unwrap();
            }
        });
        let line = ask(&address, Duration::from_secs(5)).map_err(|error| format!("{:?}", error.kind()))?;
        server.join().unwrap();
        verdict(&line).map_err(str::to_owned)
    }

    #[test]
    fn alive_is_whoever_answers_a_ping() {
        assert_eq!(against(b"+PONG\r\n"), Ok(()));
        assert_eq!(against(b"-NOAUTH Authentication required.\r\n"), Ok(()));
        assert!(against(b"-ERR max number of clients reached\r\n").unwrap_err().contains("max_clients"));
        assert!(against(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err().contains("something else"));
        assert_eq!(against(b"").unwrap_err(), "UnexpectedEof");
    }

    #[test]
    fn a_silent_server_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ListenAddress::Tcp(listener.local_addr().unwrap());
        let start = Instant::now();
        let limit = Duration::from_millis(200);
        let error = ask(&address, limit).unwrap_err();
        assert!(explain(&address, limit, &error).contains("did not answer"), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn addresses_of_flags() {
        assert_eq!(parse("unix:/a"), Some(ListenAddress::Unix("/a".into())));
        assert_eq!(parse("127.0.0.1:1"), Some(ListenAddress::Tcp("127.0.0.1:1".parse().unwrap())));
        assert_eq!(parse("localhost:1"), parse("127.0.0.1:1"));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(reachable("0.0.0.0:5".parse().unwrap()), "127.0.0.1:5".parse().unwrap());
    }
}
