//! The words and the quoting compared with a running redis-server. Skipped where there is none.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::*;

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// `None` without redis-server, or with another version than the one whose words are ours.
    fn start(options: &[&str]) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains("v=7.0.") {
            return None;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    /// Sends `data` on a connection of its own and reads until the server closes it.
    fn answer(&self, data: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.write_all(data).expect("takes the bytes");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("closes");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn protocol_errors_are_those_of_redis() {
    let open = RequestLimits::authenticated(MAX_BULK);
    let closed = RequestLimits::unauthenticated();
    let long = |prefix: &str| [prefix.as_bytes(), &vec![b'1'; MAX_INLINE + 1]].concat();
    let malformed: &[&[u8]] = &[
        b"*x\r\n",
        b"*\r\n",
        b"*01\r\n",
        b"*-0\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999\r\n",
        &long("*"),
        b"*1\r\nx4\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n\n\r\n",
        b"*1\r\n\xff4\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$01\r\n",
        b"*1\r\n$536870913\r\n",
        &long("*1\r\n$"),
        &long("*1\r\n"),
        &long("E"),
        b"PING \"a\r\n",
        b"PING 'a'b\r\n",
        b"POST / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"*1\r\n$4\r\npost\r\n",
    ];
    let unauthenticated: &[&[u8]] = &[b"*11\r\n", b"*10\r\n$16385\r\n", b"*2147483648\r\n", b"*1\r\n$536870913\r\n"];
    for (options, limits, requests) in
        [(&[][..], open, malformed), (&["--requirepass", "x"][..], closed, unauthenticated)]
    {
        let Some(server) = Server::start(options) else {
            eprintln!("skipped: no redis-server 7.0 on PATH");
            return;
        };
        for request in requests {
            let error = RequestScanner::new().scan(request, &limits).expect_err("malformed");
            let ours = error.reply().map(|text| [b"-", &text[..], b"\r\n"].concat()).unwrap_or_default();
            assert_eq!(server.answer(request), ours, "{error}");
        }
    }
}

#[test]
fn inline_words_are_those_of_redis() {
    let Some(server) = Server::start(&[]) else {
        eprintln!("skipped: no redis-server 7.0 on PATH");
        return;
    };
    let limits = RequestLimits::authenticated(MAX_BULK);
    let alphabet = b"ab0fxn\\\\\\\"\"''  \t\x0b\x0c\r\xff";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("small")
    };
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..600 {
        let words: Vec<u8> = (0..draw(12)).map(|_| alphabet[draw(alphabet.len())]).collect();
        // The script answers with the words it was given.
        let line = [b"EVAL 'return ARGV' 0 ", &words[..], b"\n"].concat();
        let theirs = server.answer(&[&line[..], b"QUIT\r\n"].concat());
        let mut scanner = RequestScanner::new();
        let ours = match scanner.scan(&line, &limits) {
            Ok(len) => {
                assert_eq!(len, Some(line.len()));
                taken += 1;
                let request = scanner.request(&line);
                let rest = &request.bytes[request.args[2].end + 2..];
                let count = request.args.len() - 3;
                [format!("*{count}\r\n").as_bytes(), rest, b"+OK\r\n"].concat()
            }
            Err(error) => {
                refused += 1;
                [b"-", &error.reply().expect("a reply")[..], b"\r\n"].concat()
            }
        };
        assert_eq!(theirs.escape_ascii().to_string(), ours.escape_ascii().to_string(), "{}", line.escape_ascii());
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
}

#[test]
fn every_type_that_redis_sends_is_scanned() {
    let Some(server) = Server::start(&["--enable-debug-command", "yes"]) else {
        eprintln!("skipped: no redis-server 7.0 on PATH");
        return;
    };
    for hello in ["HELLO 2", "HELLO 3"] {
        let requests = [
            hello,
            "DEBUG PROTOCOL STRING",
            "DEBUG PROTOCOL INTEGER",
            "DEBUG PROTOCOL DOUBLE",
            "DEBUG PROTOCOL NULL",
            "DEBUG PROTOCOL ARRAY",
            "DEBUG PROTOCOL SET",
            "DEBUG PROTOCOL MAP",
            "DEBUG PROTOCOL ATTRIB",
            "DEBUG PROTOCOL BIGNUM",
            "DEBUG PROTOCOL VERBATIM",
            "DEBUG PROTOCOL TRUE",
            "DEBUG PROTOCOL FALSE",
            "COMMAND",
            "COMMAND DOCS",
            "INFO",
            "LOLWUT",
            "CLIENT LIST",
            "ZADD z 1.5 a -inf b inf c 1e300 d",
            "ZRANGE z 0 -1 WITHSCORES",
            "ZPOPMIN nothing",
            "MULTI",
            "GET nothing",
            "INCR z",
            "EXEC",
            "LPOP nothing 1",
            "EVAL 'return {1, {2, {3, {err=\"no\"}}}, false}' 0",
            "NO SUCH",
            "QUIT",
        ];
        let answer = server.answer(format!("{}\r\n", requests.join("\r\n")).as_bytes());
        let mut rest = &answer[..];
        for request in requests {
            let len = ReplyScanner::new().scan(rest);
            let Ok(Some(len)) = len else { panic!("{request}: {len:?}") };
            assert_eq!(Walker::new(&rest[..len]).skip_value(), Some(&rest[..len]));
            if request.starts_with("HELLO") {
                let proto = if request.ends_with('3') { Proto::Resp3 } else { Proto::Resp2 };
                assert!(codec::decode(&rest[..len], proto).is_some());
            }
            rest = &rest[len..];
        }
        assert!(rest.is_empty(), "{} bytes too many", rest.len());
    }
}
