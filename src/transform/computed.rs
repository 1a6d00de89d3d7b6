//! A command that changes nothing and is worked out here: one read is sent in its place.
//!
//! In: the request, then the reply to the read. Out: the read and its plan, then the client's reply.
//! Must never: send an argument of the command that is no key and no field.

use bytes::{Bytes, BytesMut};

use super::Transform;
use super::compute::sets::Scored;
use super::compute::{Computing, Matching};
use super::open::{OpenFailure, Opened};
use super::plan::{Owned, ReplyPlan};
use crate::command::{Computed, Form, Scanned, Source, Spec, check_arity};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};

impl Transform {
    /// Appends the read to `out`.
    pub(super) fn ask(
        &mut self,
        spec: &'static Spec,
        computed: Computed,
        admitted: &Admitted<'_>,
        out: &mut BytesMut,
    ) -> Result<ReplyPlan, Refusal> {
        let args = admitted.request().args();
        if !check_arity(spec, args.len()) {
            return Err(Refusal::wrong_arity(spec.name));
        }
        let computing = Computing::parse(computed, args).map_err(|complaint| Refusal::Redis(complaint.into()))?;
        let (key, owned) = self.first_key(admitted)?;
        let mut field = None;
        match computed.source() {
            Source::Value => encode::command(out, &[b"GET", &key]),
            Source::Elements => encode::command(out, &[b"LRANGE", &key, b"0", b"-1"]),
            Source::Members => encode::command(out, &[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
            Source::Scan => {
                let asked = Matching::asked(args);
                encode::array_header(out, asked.len());
                asked.iter().filter_map(|at| args.get(*at)).for_each(|word| encode::bulk(out, word));
            }
            Source::Field => {
                field = args.get(2).map(Bytes::copy_from_slice);
                encode::array_header(out, 3);
                encode::bulk(out, b"HGET");
                (1..3).try_for_each(|index| self.write_arg(spec, &Form::default(), admitted, index, out))?;
            }
        }
        Ok(ReplyPlan::Computed(Box::new((owned, field, computing))))
    }

    /// Appends what the client gets.
    pub(super) fn work_out(
        &mut self,
        owned: &Owned,
        field: Option<&[u8]>,
        computing: &Computing,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        let answer = match computing {
            Computing::Value(reading) => {
                let value = match walk.next() {
                    Some(Token::Bulk(sealed)) => Some(self.open_value(&owned.value(field), sealed)?),
                    Some(Token::Null) => None,
                    _ => return Err(OpenFailure::Shape),
                };
                reading.answer(value.as_deref())
            }
            Computing::Elements(position) => {
                let Some(Token::Array(count)) = walk.next() else { return Err(OpenFailure::Shape) };
                let mut elements = Vec::new();
                for _ in 0..count {
                    let Some(Token::Bulk(sealed)) = walk.next() else { return Err(OpenFailure::Shape) };
                    elements.push(self.open_value(&owned.value(None), sealed)?);
                }
                position.answer(&elements)
            }
            Computing::Members(range) => range.answer(self.scored_members(owned, walk)?),
            Computing::Scan(matching) => return self.matching(owned, matching, walk, proto, out),
        };
        answer.write(proto, out);
        Ok(())
    }

    /// A cursor, and what matches.
    fn matching(
        &mut self,
        owned: &Owned,
        matching: &Matching,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        let (Some(Token::Array(2)), Some(Token::Bulk(cursor)), Some(Token::Array(count))) =
            (walk.next(), walk.next(), walk.next())
        else {
            return Err(OpenFailure::Shape);
        };
        let size = if matching.what == Scanned::Members || matching.only_names { 1 } else { 2 };
        if count % size != 0 {
            return Err(OpenFailure::Shape);
        }
        let (mut found, mut items) = (0, BytesMut::new());
        for _ in 0..count / size {
            let Some(Token::Bulk(sealed)) = walk.next() else { return Err(OpenFailure::Shape) };
            let name = match matching.what {
                Scanned::Fields if !owned.field_names => Bytes::copy_from_slice(sealed),
                Scanned::Fields => self.open_value(&owned.field_name(), sealed)?.freeze(),
                Scanned::Members | Scanned::MembersAndScores => self.open_value(&owned.member(), sealed)?.freeze(),
            };
            let beside = if size == 2 { walk.next() } else { None };
            let matches = matching.matches(&name);
            if matches {
                found += size;
                encode::bulk(&mut items, &name);
            }
            match beside {
                None if size == 1 => {}
                Some(Token::Bulk(value)) if matching.what == Scanned::Fields && owned.seals(&name) => {
                    let value = self.open_value(&owned.value(Some(&name)), value)?;
                    if matches {
                        encode::bulk(&mut items, &value);
                    }
                }
                Some(Token::Bulk(value)) if matches => encode::bulk(&mut items, value),
                Some(Token::Double(score)) if matches => encode::double(&mut items, score, proto),
                Some(Token::Bulk(_) | Token::Double(_)) => {}
                _ => return Err(OpenFailure::Shape),
            }
        }
        encode::array_header(out, 2);
        encode::bulk(out, cursor);
        encode::array_header(out, found);
        out.extend_from_slice(&items);
        Ok(())
    }

    /// Members and scores, in turn (RESP2) or in pairs (RESP3).
    fn scored_members(&mut self, owned: &Owned, walk: &mut Walker<'_>) -> Result<Vec<Scored>, OpenFailure> {
        let Some(Token::Array(count)) = walk.next() else { return Err(OpenFailure::Shape) };
        let in_pairs = matches!(walk.peek(), Some(Token::Array(2)));
        if !in_pairs && count % 2 != 0 {
            return Err(OpenFailure::Shape);
        }
        let mut members = Vec::new();
        for _ in 0..if in_pairs { count } else { count / 2 } {
            if in_pairs && walk.next() != Some(Token::Array(2)) {
                return Err(OpenFailure::Shape);
            }
            let Some(Token::Bulk(sealed)) = walk.next() else { return Err(OpenFailure::Shape) };
            let Some(Token::Bulk(score) | Token::Double(score)) = walk.next() else { return Err(OpenFailure::Shape) };
            let score = std::str::from_utf8(score).ok().and_then(|text| text.parse().ok());
            let member = self.open_value(&owned.member(), sealed)?;
            members.push((member.freeze(), score.ok_or(OpenFailure::Shape)?));
        }
        Ok(members)
    }
}
