//! A key in the server's own form: what DUMP gives and RESTORE takes.
//!
//! Job: seal it as a whole on its way to the client, and open it on its way back.
//! In: the server's payload; the client's. Out: the other of the two.
//! Must never: give the server a payload that was not sealed for the key's own place.
//!
//! What is sealed in it is sealed for the key's scope, so it opens wherever that is the same. What is in clear in it, as
//! names of fields are, is so by the rule; of several rules that share a `{tag}` another one may want more. So there the
//! rule is part of the place.

use bytes::{Bytes, BytesMut};

use super::Transform;
use super::open::{OpenFailure, Opened};
use super::plan::{Owned, place_of_payload};
use crate::policy::rules::{Rule, Scope};
use crate::resp::{Proto, Token, Walker, encode};

/// Where a payload belongs.
pub struct Payload {
    scope: Owned,
    rule: Option<Bytes>,
}

impl Payload {
    pub fn of(rule: &Rule, key: &[u8]) -> Self {
        let shared = rule.scope == Scope::Tag;
        Self { scope: Owned::of(rule, key), rule: shared.then(|| Bytes::copy_from_slice(rule.id.as_bytes())) }
    }
}

impl Transform {
    /// Appends what the client gets for the server's reply to DUMP.
    pub(super) fn dumped(
        &mut self,
        walk: &mut Walker<'_>,
        payload: &Payload,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        match walk.next() {
            Some(Token::Null) => encode::null(out, proto),
            Some(Token::Bulk(plain)) => {
                let place = place_of_payload(&payload.scope, payload.rule.as_deref());
                encode::bulk(
                    out,
                    &self.seal_value(&place, plain).map_err(|refusal| OpenFailure::Seal(refusal.to_string()))?,
                );
            }
            _ => return Err(OpenFailure::Shape),
        }
        Ok(())
    }

    /// Appends the payload that the server is to restore. One that does not open here is replaced by none, and the server
    /// says that it is wrong when its turn comes to be looked at.
    pub(super) fn restored(&mut self, payload: &Payload, sealed: &[u8], out: &mut BytesMut) {
        let place = place_of_payload(&payload.scope, payload.rule.as_deref());
        let plain = self.open_value(&place, sealed).unwrap_or_default();
        encode::bulk(out, &plain);
    }
}
