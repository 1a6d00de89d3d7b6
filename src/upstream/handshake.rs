//! The first exchange on a new connection: protocol, login, database, in one flight.

use redis_protocol::resp3::types::Resp3Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use bytes::BytesMut;

use super::dial::Endpoint;
use super::lane::LaneKey;
use super::stream::Stream;
use super::unavailable::{Fault, Unavailable};
use crate::resp::codec::{self, BytesFrame};
use crate::resp::{Proto, ReplyScanner, Token, Walker};
use crate::transform::{Control, Wire};

/// A HELLO reply is some 150 bytes; an upstream that sends more than this is no Redis.
const MAX_REPLY: usize = 64 * 1024;
/// So much of a server's error text is shown.
const MAX_QUOTE: usize = 200;

/// What the server calls itself: clients choose by it what they send.
#[derive(Debug, PartialEq, Eq)]
pub struct Product {
    pub name: String,
    pub version: String,
}

/// What the handshake learned.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    pub product: Option<Product>,
    /// The server's number of this connection, for CLIENT UNBLOCK.
    pub id: Option<u64>,
}

pub(super) async fn shake(stream: &mut Stream, endpoint: &Endpoint, key: LaneKey) -> Result<Greeting, Unavailable> {
    let mut wire = Wire::default();
    let auth = endpoint.login.as_ref().map(|l| (l.user.as_str(), l.password.as_str()));
    wire.control(Control::Hello { proto: key.proto, auth });
    if key.db != 0 {
        wire.control(Control::Select(key.db));
    }
    let sent = async {
        stream.write_all(wire.bytes()).await?;
        stream.flush().await
    };
    sent.await.map_err(|e| cut(endpoint, &e))?;

    let mut replies = Replies { buffer: BytesMut::new(), scanner: ReplyScanner::new() };
    let hello = replies.next(stream, endpoint).await?;
    if let Some(error) = error_text(&hello) {
        return Err(login_refused(endpoint, &error));
    }
    let greeting = Greeting { product: product_of(&hello, key.proto), id: id_of(&hello, key.proto) };
    if key.db != 0 {
        let select = replies.next(stream, endpoint).await?;
        if let Some(error) = error_text(&select) {
            return Err(Unavailable::new(Fault::Lane, said(&error)));
        }
    }
    if !replies.buffer.is_empty() {
        return Err(Unavailable::new(
            Fault::Protocol,
            format!("{} sent more than it was asked for", endpoint.address()),
        ));
    }
    Ok(greeting)
}

struct Replies {
    buffer: BytesMut,
    scanner: ReplyScanner,
}

impl Replies {
    async fn next(&mut self, stream: &mut Stream, endpoint: &Endpoint) -> Result<BytesMut, Unavailable> {
        let garbage =
            || Unavailable::new(Fault::Protocol, format!("{} answered HELLO with something else", endpoint.address()));
        loop {
            match self.scanner.scan(&self.buffer) {
                Err(_) => return Err(garbage()),
                Ok(Some(len)) => {
                    self.scanner.reset();
                    return Ok(self.buffer.split_to(len));
                }
                Ok(None) if self.buffer.len() > MAX_REPLY => return Err(garbage()),
                Ok(None) => {}
            }
            match stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(cut(endpoint, &std::io::ErrorKind::ConnectionReset.into())),
                Ok(_) => {}
                Err(e) => return Err(cut(endpoint, &e)),
            }
        }
    }
}

fn cut(endpoint: &Endpoint, error: &std::io::Error) -> Unavailable {
    // TLS 1.3 reports a refused certificate of ours, or ours of it, only after the handshake.
    let fault = match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(_) => Fault::Tls,
        None => Fault::Network,
    };
    Unavailable::new(fault, format!("{} (connection cut while logging in: {error})", endpoint.address()))
}

fn error_text(frame: &[u8]) -> Option<String> {
    match Walker::new(frame).next() {
        Some(Token::Error(text) | Token::BlobError(text)) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// What the server said, without the arguments that some servers repeat: one of them is the password.
fn said(error: &str) -> String {
    let words = error.split(", with args").next().unwrap_or_default();
    words.chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect()
}

fn login_refused(endpoint: &Endpoint, error: &str) -> Unavailable {
    let code = error.split(' ').next().unwrap_or_default();
    let mut said = said(error);
    if endpoint.login.as_ref().is_some_and(|l| said.contains(l.password.as_str())) {
        said = code.to_owned();
    }
    let fault = match code {
        "WRONGPASS" | "NOAUTH" | "NOPERM" => Fault::Auth,
        "LOADING" | "MASTERDOWN" | "READONLY" | "BUSY" => Fault::Network,
        _ if said.contains("max") && (said.contains("exceeded") || said.contains("clients")) => Fault::Network,
        _ if said.contains("unknown command") => {
            said = "it does not know HELLO, so it is older than Redis 6".into();
            Fault::Protocol
        }
        _ if said.contains("AUTH") => Fault::Auth,
        _ => Fault::Protocol,
    };
    Unavailable::new(fault, format!("{} said: {said}", endpoint.address()))
}

fn product_of(hello: &[u8], proto: Proto) -> Option<Product> {
    let text = |name| std::str::from_utf8(field(hello, proto, name)?.as_bytes()?).ok().map(str::to_owned);
    Some(Product { name: text(b"server")?, version: text(b"version")? })
}

fn id_of(hello: &[u8], proto: Proto) -> Option<u64> {
    match field(hello, proto, b"id")? {
        BytesFrame::Number { data, .. } => u64::try_from(data).ok(),
        _ => None,
    }
}

/// HELLO answers with a map; RESP2 has it flat.
fn field(hello: &[u8], proto: Proto, wanted: &[u8]) -> Option<BytesFrame> {
    let is_wanted = |name: &BytesFrame| name.as_bytes() == Some(wanted);
    match codec::decode(hello, proto)? {
        BytesFrame::Map { data, .. } => data.into_iter().find(|(name, _)| is_wanted(name)).map(|(_, value)| value),
        BytesFrame::Array { data, .. } => data.chunks_exact(2).find(|pair| is_wanted(&pair[0])).map(|p| p[1].clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::upstream::Login;

    fn endpoint() -> Endpoint {
        Endpoint {
            host: "db.example".into(),
            port: 6379,
            tls: None,
            login: Some(Login { user: "default".into(), password: Zeroizing::new("hunter22".into()) }),
            connect_timeout: Duration::from_secs(1),
            reached: AtomicU64::new(0),
        }
    }

    #[test]
    fn a_server_that_repeats_the_password_is_not_quoted() {
        for text in [
            "ERR unknown command 'HELLO', with args beginning with: '2' 'AUTH' 'default' 'hunter22' ",
            "ERR I do not like hunter22",
            "WRONGPASS hunter22 is wrong",
        ] {
            let shown = login_refused(&endpoint(), text).to_string();
            assert!(!shown.contains("hunter22"), "{text}");
        }
    }

    #[test]
    fn product_and_id_are_found_in_both_protocols() {
        let pairs = b"$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:17\r\n$7\r\nmodules\r\n*0\r\n";
        for (header, proto) in [(&b"*10\r\n"[..], Proto::Resp2), (b"%5\r\n", Proto::Resp3)] {
            let hello = [header, &pairs[..]].concat();
            let product = Product { name: "valkey".into(), version: "7.0.15".into() };
            assert_eq!(product_of(&hello, proto), Some(product));
            assert_eq!(id_of(&hello, proto), Some(17));
        }
    }

    #[test]
    fn the_fault_tells_what_a_client_should_do() {
        for (text, fault) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", Fault::Auth),
            ("NOAUTH HELLO must be called with the client already authenticated", Fault::Auth),
            ("LOADING Redis is loading the dataset in memory", Fault::Network),
            ("ERR max number of clients reached", Fault::Network),
            ("ERR max concurrent connections exceeded", Fault::Network),
            ("ERR unknown command `HELLO`, with args beginning with: `3`, ", Fault::Protocol),
        ] {
            assert_eq!(login_refused(&endpoint(), text).fault, fault, "{text}");
        }
    }
}
