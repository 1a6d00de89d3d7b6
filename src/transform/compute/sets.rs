//! Unions, intersections and differences of sets and sorted sets, as Redis works them out.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::command::Combining;

/// A member and its score; of a set it is 1.
pub(in crate::transform) type Scored = (Bytes, f64);

/// How the scores of one member become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::transform) enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn add(self, to: f64, score: f64) -> f64 {
        match self {
            // Infinities of both signs make 0.
            Self::Sum => number(to + score),
            Self::Min if score < to => score,
            Self::Max if score > to => score,
            Self::Min | Self::Max => to,
        }
    }
}

fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What the members of these keys have in common, or all together, or the first alone. A difference knows neither weights
/// nor aggregates.
pub(in crate::transform) fn combine(
    how: Combining,
    sources: &[&[Scored]],
    weights: &[f64],
    aggregate: Aggregate,
) -> Vec<Scored> {
    let weight = |at: usize| weights.get(at).copied().unwrap_or(1.0);
    // Redis begins with the smallest, which counts where sums are rounded.
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|at| sources[*at].len());
    match how {
        Combining::Difference => {
            let others: HashSet<&Bytes> = sources.iter().skip(1).copied().flatten().map(|(member, _)| member).collect();
            let first = sources.first().into_iter().copied().flatten();
            first.filter(|(member, _)| !others.contains(member)).cloned().collect()
        }
        Combining::Union => {
            let mut places: HashMap<&Bytes, usize> = HashMap::new();
            let mut all: Vec<Scored> = Vec::new();
            for at in order {
                for (member, score) in sources[at] {
                    let score = number(score * weight(at));
                    match places.get(member) {
                        Some(place) => all[*place].1 = aggregate.add(all[*place].1, score),
                        None => {
                            places.insert(member, all.len());
                            all.push((member.clone(), score));
                        }
                    }
                }
            }
            all
        }
        Combining::Intersection => {
            let Some((smallest, others)) = order.split_first() else { return Vec::new() };
            let others: Vec<(usize, HashMap<&Bytes, f64>)> = others
                .iter()
                .map(|at| (*at, sources[*at].iter().map(|(member, score)| (member, *score)).collect()))
                .collect();
            let in_all = |(member, score): &Scored| {
                let mut sum = number(score * weight(*smallest));
                for (at, scores) in &others {
                    sum = aggregate.add(sum, scores.get(member)? * weight(*at));
                }
                Some((member.clone(), sum))
            };
            sources[*smallest].iter().filter_map(in_all).collect()
        }
    }
}

/// The order of a sorted set: by score, then by member.
pub(in crate::transform) fn by_score(one: &Scored, other: &Scored) -> Ordering {
    one.1.partial_cmp(&other.1).unwrap_or(Ordering::Equal).then_with(|| one.0.cmp(&other.0))
}
