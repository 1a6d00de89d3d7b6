//! An asynchronous client connection that believes nothing: a strict reader of frames, and a record of the last ones.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use crate::support::Frame;

/// A reply that takes longer never comes.
const SILENCE: Duration = Duration::from_secs(20);
const REMEMBERED: usize = 50;
const SHOWN: usize = 90;
/// No frame of these tests has more items or is deeper.
const MAX_ITEMS: usize = 1 << 20;
const MAX_DEPTH: usize = 8;

#[derive(Debug)]
pub enum Fault {
    /// The peer closed or reset the connection.
    Closed,
    /// What must never happen.
    Wrong(String),
}

pub fn wrong<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(what.into()))
}

/// A frame, and which protocol it can belong to.
#[derive(Debug)]
pub struct Reply {
    pub frame: Frame,
    only_resp2: bool,
    only_resp3: bool,
}

impl Reply {
    pub fn fits(&self, resp3: bool) -> bool {
        if resp3 { !self.only_resp2 } else { !self.only_resp3 }
    }
}

/// The last frames both ways.
#[derive(Default)]
pub struct Transcript(VecDeque<String>);

impl Transcript {
    pub fn note(&mut self, mark: char, text: impl std::fmt::Display) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(format!("{mark} {text}"));
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("    {line}\n")).collect()
    }
}

pub fn short(frame: &Frame) -> String {
    let text = match frame {
        Frame::Bulk(bytes) => format!("${} {}", bytes.len(), String::from_utf8_lossy(bytes)),
        other => format!("{other:?}"),
    };
    text.chars().take(SHOWN).collect()
}

pub struct Wire {
    stream: TcpStream,
    input: Input,
}

#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    taken: usize,
}

impl Wire {
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the sidecar accepts");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, input: Input::default() }
    }

    /// Sends; that the peer has hung up is found when reading.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(SILENCE, self.stream.write_all(bytes)).await;
    }

    pub async fn read(&mut self) -> Result<Reply, Fault> {
        let (mut half, _) = self.stream.split();
        self.input.reply(&mut half).await
    }

    /// What comes within `quiet`; `None` at the end of the connection.
    pub async fn some(&mut self, quiet: Duration) -> Option<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.input.bytes).split_off(self.input.taken);
        self.input.taken = 0;
        if bytes.is_empty() {
            bytes.reserve(64 * 1024);
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(quiet, self.stream.read_buf(&mut bytes)).await {
                return None;
            }
        }
        Some(bytes)
    }

    pub async fn close_sending_side(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Leaves without a word, as a killed process (`reset`) or a plain close.
    pub fn leave(self, reset: bool) {
        if reset {
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Sends `bytes` while `read` takes replies: neither side may block the other.
    pub async fn exchange<T>(
        &mut self,
        bytes: &[u8],
        read: impl AsyncFnOnce(&mut Input, &mut ReadHalf<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (mut from, mut to) = self.stream.split();
        let mut writing = pin!(to.write_all(bytes));
        let mut reading = pin!(read(&mut self.input, &mut from));
        let mut written = false;
        loop {
            tokio::select! {
                outcome = &mut reading => return outcome,
                _ = &mut writing, if !written => written = true,
            }
        }
    }
}

impl Input {
    pub async fn reply(&mut self, from: &mut ReadHalf<'_>) -> Result<Reply, Fault> {
        loop {
            let mut parser = Parser { bytes: &self.bytes[self.taken..], at: 0, only_resp2: false, only_resp3: false };
            match parser.frame(0) {
                Ok(Some(frame)) => {
                    let reply = Reply { frame, only_resp2: parser.only_resp2, only_resp3: parser.only_resp3 };
                    self.taken += parser.at;
                    if self.taken == self.bytes.len() {
                        self.bytes.clear();
                        self.taken = 0;
                    }
                    return Ok(reply);
                }
                Ok(None) => {}
                Err(what) => return wrong(format!("not the Redis protocol: {what}")),
            }
            self.bytes.drain(..self.taken);
            self.taken = 0;
            self.bytes.reserve(64 * 1024);
            match tokio::time::timeout(SILENCE, from.read_buf(&mut self.bytes)).await {
                Err(_) => return wrong(format!("no reply within {SILENCE:?}, and the connection stays open")),
                Ok(Ok(0) | Err(_)) => return Err(Fault::Closed),
                Ok(Ok(_)) => {}
            }
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    only_resp2: bool,
    only_resp3: bool,
}

impl Parser<'_> {
    /// `None`: more bytes are needed.
    fn frame(&mut self, depth: usize) -> Result<Option<Frame>, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deep".into());
        }
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, rest) = line.split_at(1);
        if !"+-:$*".contains(kind) {
            self.only_resp3 = true;
        }
        Ok(Some(match kind {
            "+" => Frame::Simple(rest.into()),
            "-" => Frame::Error(rest.into()),
            ":" => Frame::Integer(rest.parse().map_err(|_| format!("an integer: {rest:?}"))?),
            "_" if rest.is_empty() => Frame::Null,
            "#" if rest == "t" || rest == "f" => Frame::Bool(rest == "t"),
            "," => Frame::Double(rest.into()),
            "$" | "*" if rest == "-1" => {
                self.only_resp2 = true;
                Frame::Null
            }
            "$" => match self.body(length(rest)?)? {
                Some(bytes) => Frame::Bulk(bytes),
                None => return Ok(None),
            },
            "=" => match self.body(length(rest)?)? {
                Some(bytes) if bytes.len() >= 4 => Frame::Bulk(bytes[4..].to_vec()),
                Some(_) => return Err("a verbatim string without its kind".into()),
                None => return Ok(None),
            },
            "*" | "~" | ">" => {
                let Some(items) = self.items(length(rest)?, depth)? else { return Ok(None) };
                match kind {
                    "*" => Frame::Array(items),
                    "~" => Frame::Set(items),
                    _ => Frame::Push(items),
                }
            }
            "%" => {
                let Some(items) = self.items(2 * length(rest)?, depth)? else { return Ok(None) };
                let mut items = items.into_iter();
                let mut pairs = Vec::new();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Frame::Map(pairs)
            }
            _ => return Err(format!("{:?}", line.chars().take(SHOWN).collect::<String>())),
        }))
    }

    fn items(&mut self, count: usize, depth: usize) -> Result<Option<Vec<Frame>>, String> {
        if count > MAX_ITEMS {
            return Err(format!("{count} items"));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            let Some(item) = self.frame(depth + 1)? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(items))
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        if end < 2 || rest[end - 1] != b'\r' {
            return Err("a line that is empty or does not end in CR LF".into());
        }
        let line = std::str::from_utf8(&rest[..end - 1]).map_err(|_| "bytes that are no text in a header line")?;
        if !line.is_char_boundary(1) {
            return Err("bytes that are no text in a header line".into());
        }
        self.at += end + 1;
        Ok(Some(line.into()))
    }

    fn body(&mut self, length: usize) -> Result<Option<Vec<u8>>, String> {
        let rest = &self.bytes[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        if &rest[length..length + 2] != b"\r\n" {
            return Err("a bulk string of another length than it says".into());
        }
        self.at += length + 2;
        Ok(Some(rest[..length].to_vec()))
    }
}

fn length(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("a length: {text:?}"))
}
