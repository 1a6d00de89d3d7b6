//! Members of several keys together: SINTER, SUNION, SDIFF, ZINTER, ZUNION, ZDIFF, what only counts them and what stores
//! them.

use bytes::{Bytes, BytesMut};

use super::home::Home;
use super::snapshot::Snapshot;
use super::swap::Write;
use super::{Context, Next, Read, WRONG_TYPE, Work, integer, unexpected};
use crate::command::{Args, Combine, Combining, Wanted};
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, encode};
use crate::transform::Transform;
use crate::transform::compute::sets::{Aggregate, Scored, by_score, combine};
use crate::transform::compute::{SYNTAX, number, score};

const NO_WEIGHT: &str = "ERR weight value is not a float";
const NEGATIVE_LIMIT: &str = "ERR LIMIT can't be negative";

pub(super) struct Combined {
    what: Combine,
    /// Each once, and in which order they are named.
    sources: Vec<Home>,
    mentions: Vec<usize>,
    /// Only if the result is stored.
    destination: Option<Home>,
    /// Redis complains of them after it has looked at the types of the keys.
    options: Result<Options, String>,
}

#[derive(Default)]
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0: none.
    limit: usize,
}

impl Combined {
    pub fn of(what: Combine, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let stores = what.wanted == Wanted::Stored;
        let destination = if stores { Some(Home::of(0, admitted, transform)?) } else { None };
        let sources = Home::all(usize::from(stores), admitted, transform)?;
        let args = admitted.request().args();
        let behind_keys = admitted.hits().last().map_or(args.len(), |hit| hit.position + 1);
        let options = Options::parse(what, args, behind_keys, sources.len());
        if !what.sorted
            && let Err(complaint) = options
        {
            // Of sets there is only LIMIT, and that comes first.
            return Err(Refusal::Redis(complaint));
        }
        let (sources, mentions) = Home::distinct(sources);
        Ok(Self { what, sources, mentions, destination, options })
    }

    /// The members of one key, opened.
    fn members(&self, source: &Home, found: &Snapshot, transform: &mut Transform) -> Result<Vec<Scored>, String> {
        if found.kind() == "zset" {
            return source.open_scored(found, transform);
        }
        found.items().map(|stored| Ok((source.open_member(stored, transform)?, 1.0))).collect()
    }

    fn answer(&self, members: &[Scored], options: &Options, proto: Proto) -> Bytes {
        if self.what.wanted == Wanted::Count {
            let most = if options.limit == 0 { usize::MAX } else { options.limit };
            return integer(members.len().min(most));
        }
        let mut out = BytesMut::new();
        let pairs = options.with_scores && proto == Proto::Resp3;
        match (self.what.sorted, options.with_scores && !pairs) {
            (false, _) => encode::set_header(&mut out, members.len(), proto),
            (true, flat) => encode::array_header(&mut out, members.len() * if flat { 2 } else { 1 }),
        }
        for (member, score) in members {
            if pairs {
                encode::array_header(&mut out, 2);
            }
            encode::bulk(&mut out, member);
            if options.with_scores {
                encode::double(&mut out, &score::text(*score), proto);
            }
        }
        out.freeze()
    }

    fn store(
        &self,
        destination: &Home,
        members: &[Scored],
        found: &[Snapshot],
        transform: &mut Transform,
    ) -> Result<Write, String> {
        let mut write = Write::new(Home::all_unchanged(&self.sources, found), integer(members.len()));
        write.run([&b"DEL"[..], &destination.key].map(Bytes::copy_from_slice));
        let mut parts = Vec::with_capacity(members.len());
        for (member, score) in members {
            if self.what.sorted {
                parts.push(score::stored(*score).into());
            }
            parts.push(destination.seal_member(member, transform)?);
        }
        let (word, group): (&[u8], usize) = if self.what.sorted { (b"ZADD", 2) } else { (b"SADD", 1) };
        write.run_all(&[word, &destination.key], group, &parts);
        Ok(write)
    }
}

impl Work for Combined {
    fn begin(&mut self) -> Read {
        Read::Snapshot(self.sources.iter().map(|source| source.key.clone()).collect())
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, self.sources.len()).ok_or_else(unexpected)?;
        let fits = |kind: &str| kind == "none" || kind == "set" || (self.what.sorted && kind == "zset");
        if !found.iter().all(|key| fits(key.kind())) {
            return Err(WRONG_TYPE.into());
        }
        let options = self.options.as_ref().map_err(Clone::clone)?;
        let mut sources = Vec::with_capacity(found.len());
        for (source, found) in self.sources.iter().zip(&found) {
            sources.push(self.members(source, found, at.transform)?);
        }
        let sources: Vec<&[Scored]> = self.mentions.iter().map(|number| &sources[*number][..]).collect();
        let mut members = combine(self.what.how, &sources, &options.weights, options.aggregate);
        if self.what.sorted {
            members.sort_by(by_score);
        }
        match &self.destination {
            Some(destination) => Ok(Next::Write(self.store(destination, &members, &found, at.transform)?)),
            None => Ok(Next::Answer(self.answer(&members, options, at.proto))),
        }
    }
}

impl Options {
    /// What stands behind the keys.
    fn parse(what: Combine, args: Args<'_>, from: usize, keys: usize) -> Result<Self, String> {
        let mut options = Self::default();
        let (counts, weighs) = (what.wanted == Wanted::Count, what.how != Combining::Difference);
        let mut at = from;
        while at < args.len() {
            let left = args.len() - at - 1;
            if what.sorted && !counts && weighs && args.is(at, "WEIGHTS") && left >= keys {
                let weights = (at + 1..=at + keys).map(|at| args.get(at).and_then(score::parse));
                options.weights = weights.collect::<Option<_>>().ok_or(NO_WEIGHT)?;
                at += keys;
            } else if what.sorted && !counts && weighs && args.is(at, "AGGREGATE") && left > 0 {
                at += 1;
                options.aggregate = match args {
                    _ if args.is(at, "SUM") => Aggregate::Sum,
                    _ if args.is(at, "MIN") => Aggregate::Min,
                    _ if args.is(at, "MAX") => Aggregate::Max,
                    _ => return Err(SYNTAX.into()),
                };
            } else if what.sorted && what.wanted == Wanted::Members && args.is(at, "WITHSCORES") {
                options.with_scores = true;
            } else if counts && args.is(at, "LIMIT") && left > 0 {
                at += 1;
                let limit = args.get(at).and_then(number::integer).ok_or(NEGATIVE_LIMIT)?;
                options.limit = usize::try_from(limit).map_err(|_| NEGATIVE_LIMIT)?;
            } else {
                return Err(SYNTAX.into());
            }
            at += 1;
        }
        Ok(options)
    }
}
