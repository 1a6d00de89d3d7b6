//! A member of a set goes to another set: SMOVE.

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Token, Walker};
use crate::transform::Transform;

pub(super) struct Member {
    from: Home,
    to: Home,
    /// As it is stored under either key.
    old: Bytes,
    new: Bytes,
    /// The first set does not have it; what either key holds is asked for.
    absent: bool,
}

impl Member {
    pub fn of(admitted: &Admitted<'_>, transform: &mut Transform) -> Result<Self, Refusal> {
        let (from, to) = (Home::of(0, admitted, transform)?, Home::of(1, admitted, transform)?);
        let member = Bytes::copy_from_slice(admitted.request().args().get(3).unwrap_or_default());
        let old = from.seal_member(&member, transform).map_err(Refusal::Redis)?;
        let new = to.seal_member(&member, transform).map_err(Refusal::Redis)?;
        Ok(Self { from, to, old, new, absent: false })
    }
}

impl Work for Member {
    fn begin(&mut self) -> Read {
        self.absent = false;
        Read::Command([&b"SISMEMBER"[..], &self.from.key, &self.old].map(Bytes::copy_from_slice).into())
    }

    fn take(&mut self, reply: &[u8], _: &mut Context<'_>) -> Result<Next, String> {
        if self.absent {
            let found = Snapshot::parse(reply, 2).ok_or_else(unexpected)?;
            // Where nothing is to be moved, Redis does not look at the other key.
            let wrong = found[0].kind() != "none" && found.iter().any(|key| !["none", "set"].contains(&key.kind()));
            return if wrong { Err(WRONG_TYPE.into()) } else { Ok(Next::Answer(integer(0))) };
        }
        match Walker::new(reply).next() {
            Some(Token::Integer(1)) => {
                let mut write = Write::new(vec![Guard::Member(self.from.key.clone(), self.old.clone())], integer(1));
                // This one first: it fails if the other key holds no set, and then nothing was taken.
                write.run([&b"SADD"[..], &self.to.key, &self.new].map(Bytes::copy_from_slice));
                write.run([&b"SREM"[..], &self.from.key, &self.old].map(Bytes::copy_from_slice));
                Ok(Next::Write(write))
            }
            Some(Token::Integer(0)) => {
                self.absent = true;
                Ok(Next::Read(Read::Types(vec![self.from.key.clone(), self.to.key.clone()])))
            }
            _ => Err(unexpected()),
        }
    }
}
