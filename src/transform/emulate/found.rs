//! What a search in a geo index finds goes to another key: GEOSEARCHSTORE, GEORADIUS and GEORADIUSBYMEMBER with STORE or
//! STOREDIST.
//!
//! The database searches, as it knows places and distances: once so that it is known here whom it finds, and once more
//! where it stores, so that scores are its own to the last bit. Then each member is given the name that it has under the
//! other key.

use bytes::Bytes;

use super::home::Home;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, Work, integer, unexpected};
use crate::command::{Args, Around, Grammar};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Token, Walker};
use crate::transform::Transform;
use crate::transform::compute::SYNTAX;

pub(super) struct Found {
    from: Home,
    to: Home,
    /// The search, as it is asked.
    search: Vec<Bytes>,
    /// The same, and where to store what is found.
    stored: Vec<Bytes>,
}

impl Found {
    pub fn of(around: Around, admitted: &Admitted<'_>, transform: &mut Transform) -> Result<Self, Refusal> {
        let args = admitted.request().args();
        let last = admitted.hits().len().saturating_sub(1);
        let (from, to) = if around == Around::Search { (1, 0) } else { (0, last) };
        let (from, to) = (Home::of(from, admitted, transform)?, Home::of(to, admitted, transform)?);
        let mut stored: Vec<Bytes> = args.from(0).map(Bytes::copy_from_slice).collect();
        if let Some(at) = member_at(around, args)? {
            stored[at] = from.seal_member(&stored[at], transform).map_err(Refusal::Redis)?;
        }
        let options = options(around, args);
        if options.iter().any(|at| ["WITHCOORD", "WITHDIST", "WITHHASH"].iter().any(|word| args.is(*at, word))) {
            return Err(Refusal::Redis(format!(
                "ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                if around == Around::Search { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" }
            )));
        }
        let search = match around {
            Around::Search => {
                let distances = |at: &usize| options.contains(at) && args.is(*at, "STOREDIST");
                let rest = (2..args.len()).filter(|at| !distances(at)).map(|at| stored[at].clone());
                [Bytes::from_static(b"GEOSEARCH")].into_iter().chain(rest).collect()
            }
            Around::Position | Around::Member => {
                let mut words = stored.clone();
                for hit in admitted.hits().iter().skip(1).rev() {
                    // The option and its key.
                    words.drain(hit.position - 1..=hit.position);
                }
                words
            }
        };
        Ok(Self { from, to, search, stored })
    }
}

/// Where the words are that are options, and not their operands, which may read like one.
fn options(around: Around, args: Args<'_>) -> Vec<usize> {
    let (mut at, searches) = match around {
        Around::Search => (3, true),
        Around::Position => (6, false),
        Around::Member => (5, false),
    };
    let mut found = Vec::new();
    while at < args.len() {
        found.push(at);
        at += match () {
            () if args.is(at, "COUNT") || args.is(at, "FROMMEMBER") || args.is(at, "STORE") => 2,
            () if args.is(at, "STOREDIST") && !searches => 2,
            () if args.is(at, "FROMLONLAT") || args.is(at, "BYRADIUS") => 3,
            () if args.is(at, "BYBOX") => 4,
            () => 1,
        };
    }
    found
}

/// Where the one argument is that is a member.
fn member_at(around: Around, args: Args<'_>) -> Result<Option<usize>, Refusal> {
    match around {
        Around::Position => Ok(None),
        Around::Member => Ok(Some(2)),
        Around::Search => {
            let form = Grammar::GeoSearch { from: 3 }.check(args).map_err(|_| Refusal::Redis(SYNTAX.into()))?;
            Ok((form.start != 0).then_some(form.start))
        }
    }
}

impl Work for Found {
    fn begin(&mut self) -> Read {
        Read::Command(self.search.clone())
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let mut walk = Walker::new(reply);
        let Some(Token::Array(count)) = walk.next() else { return Err(unexpected()) };
        let (mut names, mut found) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let Some(Token::Bulk(stored)) = walk.next() else { return Err(unexpected()) };
            let stored = Bytes::copy_from_slice(stored);
            let member = self.from.open_member(&stored, at.transform)?;
            names.extend([stored.clone(), self.to.seal_member(&member, at.transform)?]);
            found.push(stored);
        }
        let guard = Guard::Reply { key: self.from.key.clone(), question: self.search.clone(), reply: found };
        let mut write = Write::new(vec![guard], integer(count));
        write.run(self.stored.clone());
        if count > 0 {
            write.run([&b"SCORES"[..], &self.to.key].map(Bytes::copy_from_slice));
        }
        write.run_all(&[b"SCORED", &self.to.key], 2, &names);
        Ok(Next::Write(write))
    }
}
