//! Frames that come without being asked for: pub/sub messages, confirmations, invalidations.

use bytes::BytesMut;

use super::Transform;
use super::plan::scope;
use crate::crypto::{OVERHEAD, Place, Purpose};
use crate::resp::{Proto, Token, Walker, encode};

/// What an out-of-band frame is, by its first element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// `message`, `pmessage` or `smessage`: nobody's reply.
    Message,
    /// Answers one channel of a SUBSCRIBE or UNSUBSCRIBE of some kind.
    Confirmation(Confirmation),
    /// RESP2's answer to the PING of a subscriber.
    Pong,
    /// Anything else. Nothing of the kind was asked for, so nobody gets it.
    Other,
}

/// A message, in the one form that the protocol gives it.
pub struct Message<'a> {
    /// Of a `pmessage`.
    pub pattern: Option<&'a [u8]>,
    pub channel: &'a [u8],
    pub sharded: bool,
    payload: &'a [u8],
    kind: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut walk = Walker::new(frame);
        let items = match walk.next()? {
            Token::Array(n) | Token::Push(n) => n,
            _ => return None,
        };
        let mut bulk = || match walk.next() {
            Some(Token::Bulk(bytes)) => Some(bytes),
            _ => None,
        };
        let kind = bulk()?;
        let pattern = match (kind, items) {
            (b"message" | b"smessage", 3) => None,
            (b"pmessage", 4) => Some(bulk()?),
            _ => return None,
        };
        Some(Self { pattern, channel: bulk()?, sharded: kind == b"smessage", payload: bulk()?, kind })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    Subscribe,
    Unsubscribe,
    PSubscribe,
    PUnsubscribe,
    SSubscribe,
    SUnsubscribe,
}

/// Looks at the first element of an array or push frame.
pub fn push_kind(frame: &[u8]) -> PushKind {
    let mut walk = Walker::new(frame);
    let (Some(Token::Array(_) | Token::Push(_)), Some(Token::Bulk(kind))) = (walk.next(), walk.next()) else {
        return PushKind::Other;
    };
    match kind {
        b"message" | b"pmessage" | b"smessage" => PushKind::Message,
        b"pong" => PushKind::Pong,
        b"subscribe" => PushKind::Confirmation(Confirmation::Subscribe),
        b"unsubscribe" => PushKind::Confirmation(Confirmation::Unsubscribe),
        b"psubscribe" => PushKind::Confirmation(Confirmation::PSubscribe),
        b"punsubscribe" => PushKind::Confirmation(Confirmation::PUnsubscribe),
        b"ssubscribe" => PushKind::Confirmation(Confirmation::SSubscribe),
        b"sunsubscribe" => PushKind::Confirmation(Confirmation::SUnsubscribe),
        _ => PushKind::Other,
    }
}

/// The channel that a confirmation is about, and how many subscriptions are left of its kind.
pub fn confirmed_channel(frame: &[u8]) -> Option<&[u8]> {
    let mut walk = Walker::new(frame);
    walk.next()?;
    walk.next()?;
    match walk.next()? {
        Token::Bulk(channel) => Some(channel),
        _ => None,
    }
}

impl Transform {
    /// Appends what the client gets for a message that it has subscribed to.
    ///
    /// One that does not open is dropped and logged: RESP has no error in this place, and anybody
    /// with access to the database may publish.
    pub fn open_message(&mut self, message: &Message<'_>, proto: Proto, out: &mut BytesMut) {
        let before = out.len();
        if self.write_message(message, proto, out).is_none() {
            out.truncate(before);
            tracing::warn!(
                target: "waxseal::open",
                "a message on an encrypted channel did not open and was dropped: it was published around the sidecar or with another key"
            );
        }
    }

    fn write_message(&mut self, message: &Message<'_>, proto: Proto, out: &mut BytesMut) -> Option<()> {
        encode::push_header(out, if message.pattern.is_some() { 4 } else { 3 }, proto);
        encode::bulk(out, message.kind);
        if let Some(pattern) = message.pattern {
            encode::bulk(out, pattern);
        }
        encode::bulk(out, message.channel);
        let policy = self.policy.clone();
        let Some(rule) = policy.message_rule(message.channel) else {
            encode::bulk(out, message.payload);
            return Some(());
        };
        let place = Place { purpose: Purpose::Message, scope: scope(rule, message.channel), field: None };
        encode::bulk_header(out, message.payload.len().checked_sub(OVERHEAD)?);
        self.cipher.as_mut()?.open(&place, message.payload, out).ok()?;
        out.extend_from_slice(b"\r\n");
        Some(())
    }
}
