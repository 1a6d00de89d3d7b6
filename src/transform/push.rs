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
    /// `invalidate` or `tracking-redir-broken`.
    Invalidation,
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

/// Where RESP2 clients get what CLIENT TRACKING tells.
const INVALIDATIONS: &[u8] = b"__redis__:invalidate";

/// What CLIENT TRACKING tells. Keys are in clear, so there is nothing to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation {
    /// Keys that were changed, or all of them. In RESP3.
    Keys,
    /// The same for a RESP2 client that another one has redirected it to, as a message.
    Redirected,
    /// The client that it was redirected to is gone. In RESP3.
    Broken,
}

impl Invalidation {
    /// Only in exactly the form that a server gives it.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut walk = Walker::new(frame);
        let header = walk.next()?;
        let Token::Bulk(kind) = walk.next()? else { return None };
        match (header, kind) {
            (Token::Push(2), b"invalidate") => names_keys(&mut walk).then_some(Self::Keys),
            (Token::Push(2), b"tracking-redir-broken") => {
                matches!(walk.next()?, Token::Integer(_)).then_some(Self::Broken)
            }
            (Token::Array(3), b"message") => {
                (walk.next()? == Token::Bulk(INVALIDATIONS) && names_keys(&mut walk)).then_some(Self::Redirected)
            }
            _ => None,
        }
    }
}

/// Null, or an array of bulk strings.
fn names_keys(walk: &mut Walker<'_>) -> bool {
    match walk.next() {
        Some(Token::Null) => true,
        Some(Token::Array(keys)) => (0..keys).all(|_| matches!(walk.next(), Some(Token::Bulk(_)))),
        _ => false,
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
        b"invalidate" | b"tracking-redir-broken" => PushKind::Invalidation,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalidation_is_taken_in_its_own_form_only() {
        use Invalidation::{Broken, Keys, Redirected};
        for (frame, expected) in [
            (&b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"[..], Some(Keys)),
            (b">2\r\n$10\r\ninvalidate\r\n_\r\n", Some(Keys)),
            (b">2\r\n$21\r\ntracking-redir-broken\r\n:7\r\n", Some(Broken)),
            (b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n", Some(Redirected)),
            (b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n", Some(Redirected)),
            (b">3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*0\r\n", None),
            // A message that somebody published there is a message.
            (b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$1\r\na\r\n", None),
            (b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n$1\r\na\r\n", None),
            (b">2\r\n$10\r\ninvalidate\r\n$1\r\na\r\n", None),
            (b">2\r\n$10\r\ninvalidate\r\n*1\r\n*1\r\n$1\r\na\r\n", None),
            (b">3\r\n$10\r\ninvalidate\r\n*0\r\n*0\r\n", None),
            (b">2\r\n$6\r\nMOVING\r\n:7\r\n", None),
        ] {
            assert_eq!(Invalidation::parse(frame), expected, "{}", String::from_utf8_lossy(frame));
        }
    }
}
