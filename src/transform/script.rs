//! The scripts of [`pack`](crate::policy::script::pack): their arguments are sealed by their rows.

use bytes::{Bytes, BytesMut};

use super::open::{Opened, pass};
use super::plan::{Owned, ReplyPlan};
use super::seal::MAX_SEALED_ARGS;
use super::{Transform, Wire};
use crate::command::Shape;
use crate::crypto::{OVERHEAD, Place};
use crate::policy::script::msgpack::{self, Element};
use crate::policy::script::pack::{Arg, Reply, Script};
use crate::policy::{Admitted, FIRST_KEY, KeyHit, Refusal};

use crate::resp::{Proto, Token, Walker, encode};

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
        if args.len() > MAX_SEALED_ARGS {
            return Err(Refusal::TooManyValues);
        }
        let rule = self.policy.rules.rules().get(hit.rule.unwrap_or(usize::MAX)).ok_or_else(unclear)?;
        let owned = Owned::of(rule, args.get(hit.position).ok_or_else(unclear)?);
        // Admission has counted the keys, all of which are among the hits.
        let first_arg = FIRST_KEY + admitted.hits().len();
        out.reserve(admitted.request().bytes().len() + OVERHEAD);
        encode::array_header(out, args.len());
        for (index, arg) in args.iter().enumerate() {
            let field = args.get(index.saturating_sub(1)).unwrap_or_default();
            let place = (index + 1).checked_sub(first_arg).filter(|place| *place > 0);
            match place.and_then(|place| script.arg(place)) {
                None | Some(Arg::Progress) => encode::bulk(out, arg),
                Some(Arg::Value) => self.write_place(&owned.value(None), arg, out)?,
                Some(Arg::Member) => self.write_place(&owned.member(), arg, out)?,
                Some(Arg::Pairs) if owned.seals(field) => self.write_place(&owned.value(Some(field)), arg, out)?,
                Some(Arg::Pairs) => encode::bulk(out, arg),
                Some(Arg::Token) => match self.envelope_of(arg, &owned.value(None), stored) {
                    Some(envelope) => encode::bulk(out, envelope),
                    // Made anew, it equals nothing that is stored: the script finds another's token.
                    None => self.write_place(&owned.value(None), arg, out)?,
                },
                Some(Arg::Field(field)) => self.write_field(&owned, field.as_bytes(), arg, out)?,
                Some(Arg::FieldNamedBy(place)) => {
                    let field = args.get(first_arg + place - 1).ok_or_else(unclear)?;
                    self.write_field(&owned, field, arg, out)?;
                }
                Some(Arg::PackedFields) if arg.is_empty() => encode::bulk(out, arg),
                Some(Arg::PackedFields) => encode::bulk(out, &self.packed_fields(&owned, arg)?.ok_or_else(unclear)?),
                Some(Arg::Log) => match admitted.hits().get(1) {
                    // In the scope of its own key, which is that of the others, as admission has seen.
                    Some(KeyHit { rule: Some(_), .. }) => self.write_place(&owned.value(None), arg, out)?,
                    _ => encode::bulk(out, arg),
                },
            }
        }
        Ok(plan(script, owned))
    }

    /// The value of a field, if the rule encrypts it.
    fn write_field(&mut self, owned: &Owned, field: &[u8], value: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        if owned.seals(field) {
            return self.write_place(&owned.value(Some(field)), value, out);
        }
        encode::bulk(out, value);
        Ok(())
    }

    /// A msgpack array of fields and values in turn; `None` if it is anything else.
    fn packed_fields(&mut self, owned: &Owned, packed: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(elements) = msgpack::array(packed).filter(|elements| elements.len() % 2 == 0) else { return Ok(None) };
        let mut sealed = Vec::with_capacity(elements.len());
        for pair in elements.chunks_exact(2) {
            let Element::Text(field) = pair[0] else { return Ok(None) };
            sealed.push(match pair[1] {
                _ if !owned.seals(field) => None,
                Element::Text(value) => Some(self.seal_value(&owned.value(Some(field)), value)?),
                // A number would lie there in clear.
                Element::Scalar(_) => return Ok(None),
            });
        }
        let elements: Vec<Element<'_>> = elements
            .chunks_exact(2)
            .zip(&sealed)
            .flat_map(|(pair, sealed)| [pair[0], sealed.as_ref().map_or(pair[1], |envelope| Element::Text(envelope))])
            .collect();
        Ok(msgpack::write_array(&elements))
    }

    /// A bulk string: the envelope of a value.
    fn write_place(&mut self, place: &Place<'_>, value: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        encode::bulk(out, &self.seal_value(place, value)?);
        Ok(())
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

impl Transform {
    /// A number, or how a job ended and the field that says with what.
    pub(super) fn outcome(&mut self, walk: &mut Walker<'_>, owned: &Owned, proto: Proto, out: &mut BytesMut) -> Opened {
        let mut ahead = walk.clone();
        let (Some(Token::Array(2)), Some(Token::Integer(how))) = (ahead.next(), ahead.next()) else {
            return pass(walk, out);
        };
        let field: &[u8] = match how {
            1 => b"returnvalue",
            2 => b"failedReason",
            _ => return pass(walk, out),
        };
        if !owned.seals(field) {
            return pass(walk, out);
        }
        encode::array_header(out, 2);
        encode::int(out, how);
        *walk = ahead;
        self.value(walk, &owned.value(Some(field)), proto, out)
    }
}

fn plan(script: &'static Script, owned: Owned) -> ReplyPlan {
    match &script.reply {
        Reply::Shaped(Shape::Raw) => ReplyPlan::Raw,
        Reply::Shaped(shape) => ReplyPlan::Shaped(Some(owned), shape),
        Reply::Outcome => ReplyPlan::Outcome(owned),
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
