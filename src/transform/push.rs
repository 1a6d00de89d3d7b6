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
    /// Anything else, such as RESP2's `pong` or RESP3's `invalidate`.
    Other,
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
    /// Appends what the client gets for an out-of-band frame.
    ///
    /// A message that does not open is dropped and logged: RESP has no error in this place, and
    /// anybody with access to the database may publish.
    pub fn open_push(&mut self, frame: &[u8], proto: Proto, out: &mut BytesMut) {
        if push_kind(frame) != PushKind::Message {
            return out.extend_from_slice(frame);
        }
        let before = out.len();
        match self.open_message(frame, proto, out) {
            Some(true) => {}
            Some(false) => out.extend_from_slice(frame),
            None => {
                out.truncate(before);
                tracing::warn!(
                    target: "waxseal::open",
                    "a message on an encrypted channel did not open and was dropped: it was published around the sidecar or with another key"
                );
            }
        }
    }

    /// `Some(false)`: no rule covers the channel. `None`: the message does not open.
    fn open_message(&mut self, frame: &[u8], proto: Proto, out: &mut BytesMut) -> Option<bool> {
        let mut walk = Walker::new(frame);
        let items = match walk.next()? {
            Token::Array(n) | Token::Push(n) if n == 3 || n == 4 => n,
            _ => return None,
        };
        let mut parts = [&b""[..]; 4];
        for part in parts.iter_mut().take(items) {
            let Token::Bulk(bytes) = walk.next()? else { return None };
            *part = bytes;
        }
        let (channel, payload) = (parts[items - 2], parts[items - 1]);
        let policy = self.policy.clone();
        let Some(rule) = policy.message_rule(channel) else { return Some(false) };
        let place = Place { purpose: Purpose::Message, scope: scope(rule, channel), field: None };
        encode::push_header(out, items, proto);
        for part in &parts[..items - 1] {
            encode::bulk(out, part);
        }
        encode::bulk_header(out, payload.len().checked_sub(OVERHEAD)?);
        self.cipher.as_mut()?.open(&place, payload, out).ok()?;
        out.extend_from_slice(b"\r\n");
        Some(true)
    }
}
