//! What looks for an element of a list whose elements are sealed at random: LREM, LINSERT.

use bytes::Bytes;

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::command::{Args, Search};
use crate::policy::{Admitted, Refusal};
use crate::transform::Transform;
use crate::transform::compute::{NOT_AN_INTEGER, SYNTAX, number};

pub(super) struct List {
    list: Home,
    searching: Searching,
}

/// What is looked for, and why.
enum Searching {
    Remove { count: i64, element: Bytes },
    Insert { after: bool, pivot: Bytes, element: Bytes },
}

impl List {
    pub fn of(search: Search, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let list = Home::of(0, admitted, transform)?;
        let searching = Searching::parse(search, admitted.request().args()).map_err(Refusal::Redis)?;
        Ok(Self { list, searching })
    }
}

impl Searching {
    fn parse(search: Search, args: Args<'_>) -> Result<Self, String> {
        let copy = |at: usize| Bytes::copy_from_slice(args.get(at).unwrap_or_default());
        Ok(match search {
            Search::Remove => {
                let count = args.get(2).and_then(number::integer).ok_or(NOT_AN_INTEGER)?;
                Self::Remove { count, element: copy(3) }
            }
            Search::Insert => {
                let after = match args.get(2).unwrap_or_default() {
                    word if word.eq_ignore_ascii_case(b"before") => false,
                    word if word.eq_ignore_ascii_case(b"after") => true,
                    _ => return Err(SYNTAX.into()),
                };
                Self::Insert { after, pivot: copy(3), element: copy(4) }
            }
        })
    }
}

impl Work for List {
    fn begin(&mut self) -> Read {
        Read::Snapshot(vec![self.list.key.clone()])
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, 1).ok_or_else(unexpected)?.remove(0);
        match found.kind() {
            "none" => return Ok(Next::Answer(integer(0))),
            "list" => {}
            _ => return Err(WRONG_TYPE.into()),
        }
        let mut elements = Vec::with_capacity(found.items().len());
        for sealed in found.items() {
            elements.push(self.list.open_value(sealed, at.transform)?);
        }
        let unchanged = vec![self.list.unchanged(&found)];
        match &self.searching {
            Searching::Remove { count, element } => {
                let mut places: Vec<usize> = (0..elements.len()).filter(|at| elements[*at] == element).collect();
                let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                if *count < 0 {
                    places.reverse();
                }
                if *count != 0 {
                    places.truncate(wanted);
                }
                if places.is_empty() {
                    return Ok(Next::Answer(integer(0)));
                }
                let mut write = Write::new(unchanged, integer(places.len()));
                // Marked first, so that no place changes before its turn; one pass takes all of them out.
                let mark = self.list.seal_value(&Bytes::new(), at.transform)?;
                for place in &places {
                    write.run(
                        [&b"LSET"[..], &self.list.key, place.to_string().as_bytes(), &mark].map(Bytes::copy_from_slice),
                    );
                }
                write.run([&b"LREM"[..], &self.list.key, b"0", &mark].map(Bytes::copy_from_slice));
                Ok(Next::Write(write))
            }
            Searching::Insert { after, pivot, element } => {
                let Some(place_of) = elements.iter().position(|one| one == pivot) else {
                    return Ok(Next::Answer(integer(-1)));
                };
                let pivot = found.items().nth(place_of).ok_or_else(unexpected)?;
                let element = self.list.seal_element(element, at.transform)?;
                let mut write = Write::new(unchanged, integer(elements.len() + 1));
                let side: &[u8] = if *after { b"AFTER" } else { b"BEFORE" };
                write.run([&b"LINSERT"[..], &self.list.key, side, pivot, &element].map(Bytes::copy_from_slice));
                Ok(Next::Write(write))
            }
        }
    }
}
