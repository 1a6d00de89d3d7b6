//! A blocking client of a few lines: sends bytes as given, reads one frame at a time, knows nothing of commands.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Bool(bool),
    Double(String),
    Array(Vec<Frame>),
    Map(Vec<(Frame, Frame)>),
    Set(Vec<Frame>),
    Push(Vec<Frame>),
}

impl Frame {
    pub fn ok() -> Self {
        Self::Simple("OK".into())
    }

    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// Whether this is an error whose text begins with `code`, for example "WAXSEAL COMMAND_REFUSED".
    pub fn is_error(&self, code: &str) -> bool {
        matches!(self, Self::Error(text) if text.starts_with(code))
    }

    /// The items of an array, set or push; a map's keys and values in turn.
    pub fn items(self) -> Vec<Frame> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => items,
            Self::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [key, value]).collect(),
            other => panic!("expected an aggregate, got {other:?}"),
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bulk(bytes) => bytes,
            Self::Simple(text) => text.into_bytes(),
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    pub fn integer(self) -> i64 {
        match self {
            Self::Integer(number) => number,
            other => panic!("expected an integer, got {other:?}"),
        }
    }
}

trait Stream: Read + Write + Send {
    fn set_timeout(&self, limit: Duration);
}

impl Stream for TcpStream {
    fn set_timeout(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).expect("read timeout");
        self.set_write_timeout(Some(limit)).expect("write timeout");
    }
}

impl Stream for UnixStream {
    fn set_timeout(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).expect("read timeout");
        self.set_write_timeout(Some(limit)).expect("write timeout");
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn set_timeout(&self, limit: Duration) {
        self.sock.set_timeout(limit);
    }
}

pub struct Raw {
    stream: Box<dyn Stream>,
    /// Received and not yet taken as a frame, from `taken` on.
    received: Vec<u8>,
    taken: usize,
}

impl Raw {
    pub fn tcp(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Self::over(Box::new(stream))
    }

    /// From another address of this machine's: all of 127.0.0.0/8 is.
    pub fn tcp_from(source: Ipv4Addr, port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("bind");
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("connect");
        socket.set_tcp_nodelay(true).expect("nodelay");
        Self::over(Box::new(TcpStream::from(socket)))
    }

    pub fn unix(path: &Path) -> Self {
        Self::over(Box::new(UnixStream::connect(path).expect("connect")))
    }

    pub fn tls(stream: StreamOwned<ClientConnection, TcpStream>) -> Self {
        Self::over(Box::new(stream))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        stream.set_timeout(PATIENCE);
        Self { stream, received: Vec::new(), taken: 0 }
    }

    pub fn set_timeout(&self, limit: Duration) {
        self.stream.set_timeout(limit);
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    /// Sends what the peer will take and does not mind when it has hung up.
    pub fn send_lossy(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// One command and its reply. Arguments in a line, separated by blanks.
    pub fn run(&mut self, line: &str) -> Frame {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.command(&args)
    }

    pub fn command(&mut self, args: &[&[u8]]) -> Frame {
        self.send(&encode(args));
        self.read()
    }

    /// The next frame; panics at the end of the connection or after the timeout.
    pub fn read(&mut self) -> Frame {
        self.read_with_bytes().0
    }

    /// The next frame and the very bytes it came in.
    pub fn read_with_bytes(&mut self) -> (Frame, Vec<u8>) {
        let start = self.taken;
        let frame = self.parse().unwrap_or_else(|end| panic!("a reply was awaited, and the connection is {end:?}"));
        let bytes = self.received[start..self.taken].to_vec();
        self.forget_taken();
        (frame, bytes)
    }

    /// The next frame, or why none comes; for tests that cut connections.
    pub fn try_read(&mut self) -> Result<Frame, End> {
        let frame = self.parse();
        self.forget_taken();
        frame
    }

    /// All bytes until the peer closes, or until it has been silent for `quiet`; and whether it closed.
    pub fn drain(&mut self, quiet: Duration) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            let (bytes, closed) = self.some(quiet);
            all.extend_from_slice(&bytes);
            if closed || bytes.is_empty() {
                return (all, closed);
            }
        }
    }

    /// What is there already or comes within `quiet`, as bytes, perhaps none; and whether the peer closed.
    pub fn some(&mut self, quiet: Duration) -> (Vec<u8>, bool) {
        let mut bytes = self.received.split_off(self.taken);
        self.received.clear();
        self.taken = 0;
        if !bytes.is_empty() {
            return (bytes, false);
        }
        self.stream.set_timeout(quiet);
        bytes.resize(64 * 1024, 0);
        let read = self.stream.read(&mut bytes);
        self.stream.set_timeout(PATIENCE);
        let closed = match &read {
            Ok(count) => *count == 0,
            Err(error) => !is_timeout(error),
        };
        bytes.truncate(read.unwrap_or(0));
        (bytes, closed)
    }

    fn forget_taken(&mut self) {
        const KEEP: usize = 1 << 20;
        if self.taken == self.received.len() || self.taken > KEEP {
            self.received.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn fill(&mut self) -> Result<(), End> {
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(End::Closed),
            Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            Err(error) if is_timeout(&error) => return Err(End::Silent),
            Err(_) => return Err(End::Closed),
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, End> {
        let mut searched = self.taken;
        loop {
            if let Some(at) = self.received[searched..].windows(2).position(|pair| pair == b"\r\n") {
                let end = searched + at;
                let line = String::from_utf8_lossy(&self.received[self.taken..end]).into_owned();
                self.taken = end + 2;
                return Ok(line);
            }
            searched = self.received.len().saturating_sub(1).max(self.taken);
            self.fill()?;
        }
    }

    fn body(&mut self, length: usize) -> Result<Vec<u8>, End> {
        while self.received.len() < self.taken + length + 2 {
            self.fill()?;
        }
        let body = self.received[self.taken..self.taken + length].to_vec();
        self.taken += length + 2;
        Ok(body)
    }

    fn parse(&mut self) -> Result<Frame, End> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).unwrap_or_else(|| panic!("an empty line where a reply should be"));
        let count = || rest.parse::<i64>().unwrap_or_else(|_| panic!("not a length in a reply header: {line:?}"));
        let length = || usize::try_from(count()).ok();
        Ok(match kind {
            "+" => Frame::Simple(rest.into()),
            "-" => Frame::Error(rest.into()),
            ":" => Frame::Integer(count()),
            "_" => Frame::Null,
            "#" => Frame::Bool(rest == "t"),
            "," | "(" => Frame::Double(rest.into()),
            "$" => match length() {
                Some(length) => Frame::Bulk(self.body(length)?),
                None => Frame::Null,
            },
            "!" => Frame::Error(String::from_utf8_lossy(&self.body(length().expect("length"))?).into_owned()),
            "=" => Frame::Bulk(self.body(length().expect("length"))?.split_off(4)),
            "*" => match length() {
                Some(length) => Frame::Array(self.many(length)?),
                None => Frame::Null,
            },
            "~" => Frame::Set(self.many(length().expect("length"))?),
            ">" => Frame::Push(self.many(length().expect("length"))?),
            "%" => Frame::Map(
                (0..length().expect("length"))
                    .map(|_| Ok((self.parse()?, self.parse()?)))
                    .collect::<Result<_, End>>()?,
            ),
            _ => panic!("not a reply: {line:?}"),
        })
    }

    fn many(&mut self, count: usize) -> Result<Vec<Frame>, End> {
        (0..count).map(|_| self.parse()).collect()
    }
}

/// Why no more frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    /// Nothing within the timeout.
    Silent,
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The bytes of a command as clients send it.
pub fn encode(args: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
