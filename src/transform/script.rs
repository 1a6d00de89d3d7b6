//! The scripts of [`pack`](crate::policy::script::pack): their arguments are sealed by their rows.

use bytes::{Bytes, BytesMut};

use super::plan::{Owned, ReplyPlan};
use super::{Transform, Wire};
use crate::command::{Args, Shape};
use crate::crypto::{OVERHEAD, Place};
use crate::policy::script::pack::{Arg, Script};
use crate::policy::{Admitted, FIRST_KEY, KeyHit, Refusal};
use crate::resp::{Token, Walker, encode};

impl Transform {
    /// Asks for what a listed script will compare its argument with.
    pub fn ask_for_stored(admitted: &Admitted<'_>, wire: &mut Wire) {
        let args = admitted.request().args();
        encode::array_header(wire.buffer(), admitted.hits().len() + 1);
        encode::bulk(wire.buffer(), b"MGET");
        for hit in admitted.hits() {
            encode::bulk(wire.buffer(), args.get(hit.position).unwrap_or_default());
        }
    }

    /// As [`Self::seal`], for a script with what MGET says of its keys.
    pub fn seal_comparing(
        &mut self,
        admitted: &Admitted<'_>,
        stored: &[u8],
        wire: &mut Wire,
    ) -> Result<ReplyPlan, Refusal> {
        let before = wire.len();
        let sealed = self.seal_script(admitted, Some(stored), wire.buffer());
        if sealed.is_err() {
            wire.buffer().truncate(before);
        }
        sealed
    }

    pub(super) fn seal_script(
        &mut self,
        admitted: &Admitted<'_>,
        stored: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> Result<ReplyPlan, Refusal> {
        let args = admitted.request().args();
        let unclear = || Refusal::Unclear { command: admitted.request().spec().map_or("eval", |spec| spec.name) };
        let (script, hit) = admitted.listed_script().ok_or_else(unclear)?;
        let owned = self.owned(args, hit).ok_or_else(unclear)?;
        // Admission has counted the keys, all of which are among the hits.
        let first_arg = FIRST_KEY + admitted.hits().len();
        out.reserve(admitted.request().bytes().len() + OVERHEAD);
        encode::array_header(out, args.len());
        for (index, arg) in args.iter().enumerate() {
            let place = (index + 1).checked_sub(first_arg).filter(|place| *place > 0);
            match place.and_then(|place| script.arg(place)) {
                None => encode::bulk(out, arg),
                Some(Arg::Value) => self.write_place(&owned.value(None), arg, out)?,
                Some(Arg::Token) => match self.envelope_of(arg, &owned.value(None), stored) {
                    Some(envelope) => encode::bulk(out, envelope),
                    // Made anew, it equals nothing that is stored: the script finds another's token.
                    None => self.write_place(&owned.value(None), arg, out)?,
                },
            }
        }
        Ok(plan(script, owned))
    }

    /// A bulk string: the envelope of a value.
    fn write_place(&mut self, place: &Place<'_>, value: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        if value.len() + OVERHEAD > self.max_bulk {
            return Err(Refusal::TooLarge);
        }
        let cipher = self.cipher.as_mut().ok_or_else(|| Refusal::Seal("there is no keyring".into()))?;
        encode::bulk_header(out, value.len() + OVERHEAD);
        cipher.seal(place, value, out).map_err(|e| Refusal::Seal(e.to_string()))?;
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn owned(&self, args: Args<'_>, hit: &KeyHit) -> Option<Owned> {
        Some(Owned::of(self.policy.rules.rules().get(hit.rule?)?, args.get(hit.position)?))
    }

    /// What is stored under one of the keys, if it is an envelope of this very token.
    fn envelope_of<'s>(&mut self, token: &[u8], place: &Place<'_>, stored: Option<&'s [u8]>) -> Option<&'s [u8]> {
        let mut walk = Walker::new(stored?);
        let Some(Token::Array(count)) = walk.next() else { return None };
        let cipher = self.cipher.as_mut()?;
        let mut opened = BytesMut::new();
        (0..count).find_map(|_| {
            let Some(Token::Bulk(envelope)) = walk.next() else { return None };
            opened.clear();
            (cipher.open(place, envelope, &mut opened).is_ok() && opened == token).then_some(envelope)
        })
    }
}

fn plan(script: &'static Script, owned: Owned) -> ReplyPlan {
    match &script.reply {
        Shape::Raw => ReplyPlan::Raw,
        shape => ReplyPlan::Shaped(Some(owned), shape),
    }
}

/// The reply to what [`Transform::ask_for_stored`] asked, or the server's error.
pub fn stored_values(frame: &[u8]) -> Result<Bytes, String> {
    match Walker::new(frame).next() {
        Some(Token::Array(_)) => Ok(Bytes::copy_from_slice(frame)),
        Some(Token::Error(text)) => Err(String::from_utf8_lossy(text).into_owned()),
        _ => Err("WAXSEAL UNEXPECTED_REPLY the server did not say what the keys of this script hold".into()),
    }
}
