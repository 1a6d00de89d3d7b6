//! One blocking connection to the upstream, opened step by step.
//!
//! Inputs: a name, addresses, TLS settings, commands. Outputs: whole reply frames, or the error of the step.
//! Must never: wait without a bound, or keep the bytes of a login.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zeroize::Zeroize;

use crate::resp::{ReplyScanner, Token, Walker, encode};

/// INFO is a few thousand bytes; what is longer answers nothing that is asked here.
const MAX_REPLY: usize = 256 * 1024;
/// How much is read at once.
const PIECE: usize = 8 * 1024;

/// Resolves in a thread of its own, because the system's resolver has no bound that a caller could set.
pub(super) fn resolve(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let (sender, found) = mpsc::channel();
    let host = host.to_owned();
    std::thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    });
    let addresses = found.recv_timeout(limit).map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    if addresses.is_empty() { Err(ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

/// Tries the addresses in their order; the error is that of the last.
pub(super) fn connect(addresses: &[SocketAddr], limit: Duration) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok((stream, *address));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

pub(super) struct Connection {
    stream: Stream,
    buffer: BytesMut,
    scanner: ReplyScanner,
}

impl Connection {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::over(Stream::Plain(stream))
    }

    fn over(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new(), scanner: ReplyScanner::new() }
    }

    /// Shakes hands, and says which version and cipher suite came out.
    pub(super) fn tls(
        mut tcp: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        limit: Duration,
    ) -> io::Result<(Self, String)> {
        tcp.set_read_timeout(Some(limit))?;
        tcp.set_write_timeout(Some(limit))?;
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, tcp)));
        Ok((Self::over(stream), version.to_owned()))
    }

    /// How long one read or write may take from now on.
    pub(super) fn patience(&self, limit: Duration) -> io::Result<()> {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        };
        tcp.set_read_timeout(Some(limit))?;
        tcp.set_write_timeout(Some(limit))
    }

    /// Sends one command and reads its reply.
    pub(super) fn call(&mut self, args: &[&[u8]]) -> io::Result<Reply> {
        let mut request = BytesMut::new();
        encode::command(&mut request, args);
        let sent = self.stream.write_all(&request).and_then(|()| self.stream.flush());
        // It may have held a password.
        request.as_mut().zeroize();
        sent?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(length) = self.scanner.scan(&self.buffer).map_err(|_| ErrorKind::InvalidData)? {
                self.scanner.reset();
                return Ok(Reply(self.buffer.split_to(length)));
            }
            if self.buffer.len() > MAX_REPLY {
                return Err(ErrorKind::InvalidData.into());
            }
            let mut piece = [0; PIECE];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// One whole reply frame.
pub(super) struct Reply(BytesMut);

impl Reply {
    /// The error, code first, as the server wrote it.
    pub(super) fn error(&self) -> Option<String> {
        match Walker::new(&self.0).next() {
            Some(Token::Error(text) | Token::BlobError(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The bytes of a string of any kind.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match Walker::new(&self.0).next()? {
            Token::Simple(text) | Token::Bulk(text) => Some(text),
            // Three bytes of format and a colon precede it.
            Token::Verbatim(text) => text.get(4..),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(answer);
            // Reads to the end, so that closing does not reset what is on its way.
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        let (stream, _) = connect(&[address], Duration::from_secs(5)).unwrap();
        let connection = Connection::plain(stream);
        connection.patience(Duration::from_millis(500)).unwrap();
        connection
    }

    #[test]
    fn replies_of_every_kind_of_string() {
        let mut one = answering(b"+OK\r\n$2\r\nab\r\n=6\r\ntxt:cd\r\n-ERR no\r\n$-1\r\n");
        assert_eq!(one.call(&[b"A"]).unwrap().text(), Some(b"OK".as_slice()));
        assert_eq!(one.call(&[b"A"]).unwrap().text(), Some(b"ab".as_slice()));
        assert_eq!(one.call(&[b"A"]).unwrap().text(), Some(b"cd".as_slice()));
        let error = one.call(&[b"A"]).unwrap();
        assert_eq!((error.error().as_deref(), error.text()), (Some("ERR no"), None));
        let null = one.call(&[b"A"]).unwrap();
        assert_eq!((null.error(), null.text()), (None, None));
    }

    #[test]
    fn what_is_no_redis_or_silent_is_an_error_in_time() {
        let kind = |answer| answering(answer).call(&[b"PING"]).err().map(|error| error.kind());
        assert_eq!(kind(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Some(ErrorKind::InvalidData));
        assert!(matches!(kind(b""), Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)));
        assert!(resolve("name.invalid", 1, Duration::from_secs(10)).is_err());
    }
}
