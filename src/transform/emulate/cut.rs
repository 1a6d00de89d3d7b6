//! Members between two others are taken out of a sorted set: ZREMRANGEBYLEX.

use std::collections::HashMap;

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::command::Lex;
use crate::policy::{Admitted, Refusal};
use crate::transform::Transform;
use crate::transform::compute::lex::LexRange;

pub(super) struct Cut {
    set: Home,
    range: LexRange,
}

impl Cut {
    pub fn of(admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let range = LexRange::parse(Lex::Forward, admitted.request().args());
        let range = range.map_err(|complaint| Refusal::Redis(complaint.into()))?;
        Ok(Self { set: Home::of(0, admitted, transform)?, range })
    }
}

impl Work for Cut {
    fn begin(&mut self) -> Read {
        Read::Snapshot(vec![self.set.key.clone()])
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, 1).ok_or_else(unexpected)?.remove(0);
        if !["none", "zset"].contains(&found.kind()) {
            return Err(WRONG_TYPE.into());
        }
        let members = self.set.open_scored(&found, at.transform)?;
        // By what is stored, for a member may have been sealed under a key that seals no longer.
        let stored: HashMap<Bytes, &Bytes> =
            members.iter().map(|(member, _)| member.clone()).zip(found.pairs().map(|(stored, _)| stored)).collect();
        let chosen = self.range.choose(members);
        if chosen.is_empty() {
            return Ok(Next::Answer(integer(0)));
        }
        let parts: Vec<Bytes> =
            chosen.iter().filter_map(|(member, _)| stored.get(member)).map(|stored| (*stored).clone()).collect();
        let mut write = Write::new(vec![self.set.unchanged(&found)], integer(chosen.len()));
        write.run_all(&[b"ZREM", &self.set.key], 1, &parts);
        Ok(Next::Write(write))
    }
}
