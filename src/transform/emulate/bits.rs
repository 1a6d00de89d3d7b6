//! Strings of bits of several keys become one under another key: BITOP.

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::policy::{Admitted, Refusal};
use crate::transform::Transform;
use crate::transform::compute::bitwise::Bitwise;

pub(super) struct Bits {
    how: Bitwise,
    destination: Home,
    /// Each once, and in which order they are named.
    sources: Vec<Home>,
    mentions: Vec<usize>,
    /// The request with few sources, if the server may not know the operation.
    tried: Option<Vec<Bytes>>,
}

impl Bits {
    pub fn of(admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let args = admitted.request().args();
        let (destination, sources) = (Home::of(0, admitted, transform)?, Home::all(1, admitted, transform)?);
        let how = Bitwise::parse(args.get(1).unwrap_or_default(), sources.len());
        let how = how.map_err(|complaint| Refusal::Redis(complaint.into()))?;
        // Two sources are enough for that.
        let tried = (!how.is_everywhere()).then(|| args.from(0).take(5).map(Bytes::copy_from_slice).collect());
        let (sources, mentions) = Home::distinct(sources);
        Ok(Self { how, destination, sources, mentions, tried })
    }
}

impl Work for Bits {
    fn begin(&mut self) -> Read {
        Read::Snapshot(self.sources.iter().map(|source| source.key.clone()).collect())
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, self.sources.len()).ok_or_else(unexpected)?;
        if !found.iter().all(Snapshot::is_string_or_none) {
            return Err(WRONG_TYPE.into());
        }
        let strings = Home::open_strings(&self.sources, &found, at.transform)?;
        let strings: Vec<Bytes> = self.mentions.iter().map(|number| strings[*number].clone()).collect();
        let result = self.how.of(&strings);
        let mut write = Write::new(Home::all_unchanged(&self.sources, &found), integer(result.len()));
        if let Some(request) = &self.tried {
            // On ciphertext, and overwritten at once: a server that does not know it says so before anything is written.
            write.run(request.clone());
        }
        let key = self.destination.key.clone();
        if result.is_empty() {
            write.run([Bytes::from_static(b"DEL"), key]);
        } else {
            let sealed = self.destination.seal_value(&result.into(), at.transform)?;
            write.run([Bytes::from_static(b"SET"), key, sealed]);
        }
        Ok(Next::Write(write))
    }
}
