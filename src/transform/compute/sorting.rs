//! The order in which SORT gives elements, as Redis has it.
//!
//! In: the options; the elements, and what they are sorted by. Out: which of the elements, in which order.
//! Must never: depend on the order of ciphertexts.

use std::cmp::Ordering;

use bytes::Bytes;

use super::{Complaint, NOT_AN_INTEGER, SYNTAX, float, number};
use crate::command::{Args, SortOption, sort_options};

const NOT_A_SCORE: Complaint = "ERR One or more scores can't be converted into double";

/// What was asked for.
#[derive(Debug)]
pub struct Sorting {
    descending: bool,
    alpha: bool,
    offset: i64,
    /// Negative: all.
    limit: i64,
    by: By,
    /// What the client gets of each element; empty: the element itself.
    pub gets: Vec<Pattern>,
    stores: bool,
}

/// What elements are sorted by.
#[derive(Debug)]
pub enum By {
    Themselves,
    Pattern(Pattern),
    /// They stay as they are.
    Nothing,
}

/// What stands behind BY or GET.
#[derive(Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `#`
    Element,
    /// Without an asterisk it names no key.
    Nothing,
    /// A string, or the field of a hash.
    Of { before: Bytes, after: Bytes, field: Option<Bytes> },
}

impl Pattern {
    /// Redis looks for its marks up to a NUL byte.
    fn parse(text: &[u8]) -> Self {
        let looked_at = text.split(|byte| *byte == 0).next().unwrap_or_default();
        if looked_at == b"#" {
            return Self::Element;
        }
        let Some(star) = looked_at.iter().position(|byte| *byte == b'*') else { return Self::Nothing };
        let behind = star + 1;
        let arrow = looked_at[behind..].windows(2).position(|pair| pair == b"->").map(|at| behind + at);
        let arrow = arrow.filter(|arrow| arrow + 2 < looked_at.len());
        Self::Of {
            before: Bytes::copy_from_slice(&text[..star]),
            after: Bytes::copy_from_slice(&text[behind..arrow.unwrap_or(text.len())]),
            field: arrow.map(|arrow| Bytes::copy_from_slice(&text[arrow + 2..])),
        }
    }
}

impl Sorting {
    /// Complaints in Redis's order.
    pub fn parse(args: Args<'_>, store: bool) -> Result<Self, Complaint> {
        let mut sorting = Self {
            descending: false,
            alpha: false,
            offset: 0,
            limit: -1,
            by: By::Themselves,
            gets: Vec::new(),
            stores: false,
        };
        let operand = |at: usize| args.get(at).unwrap_or_default();
        for option in sort_options(args, store) {
            match option.map_err(|_| SYNTAX)? {
                SortOption::Ascending => sorting.descending = false,
                SortOption::Descending => sorting.descending = true,
                SortOption::Alpha => sorting.alpha = true,
                SortOption::Limit(at) => {
                    let number = |at| number::integer(operand(at)).ok_or(NOT_AN_INTEGER);
                    (sorting.offset, sorting.limit) = (number(at)?, number(at + 1)?);
                }
                SortOption::By(at) => match (&sorting.by, Pattern::parse(operand(at))) {
                    // One that names no key counts, even if another follows.
                    (By::Nothing, _) | (_, Pattern::Element | Pattern::Nothing) => sorting.by = By::Nothing,
                    (_, pattern) => sorting.by = By::Pattern(pattern),
                },
                SortOption::Get(at) => sorting.gets.push(Pattern::parse(operand(at))),
                SortOption::Store(_) => sorting.stores = true,
            }
        }
        Ok(sorting)
    }

    /// Does it give the elements themselves?
    pub fn gives_elements(&self) -> bool {
        self.gets.is_empty() || self.gets.contains(&Pattern::Element)
    }

    /// By what keys hold of which the elements are part of the name.
    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.by {
            By::Pattern(pattern) => Some(pattern),
            By::Themselves | By::Nothing => None,
        }
    }

    /// Which elements are wanted, in their order. `weights` is what was found for each, if it is sorted by that.
    pub fn order(&self, set: bool, elements: &[Bytes], weights: &[Option<Bytes>]) -> Result<Vec<usize>, Complaint> {
        let mut order: Vec<usize> = (0..elements.len()).collect();
        // Members of a set are in no order, so that what is stored of them is always put in one.
        let forced = set && self.stores;
        match self.by {
            By::Nothing if !forced && self.descending && !set => order.reverse(),
            By::Nothing if !forced => {}
            By::Pattern(_) if self.alpha => {
                let text = |at: usize| weights[at].as_ref().map(|weight| self.text(weight));
                self.sort(&mut order, |one, other| text(one).cmp(&text(other)));
            }
            By::Themselves | By::Nothing if self.alpha || matches!(self.by, By::Nothing) => {
                self.sort(&mut order, |one, other| self.text(&elements[one]).cmp(self.text(&elements[other])));
            }
            _ => {
                let weighed = matches!(self.by, By::Pattern(_));
                let score = |at: usize| match weighed {
                    true => weights[at].as_ref().map_or(Some(0.0), |weight| score(weight)),
                    false => score(&elements[at]),
                };
                let scores = order.iter().map(|at| score(*at)).collect::<Option<Vec<f64>>>().ok_or(NOT_A_SCORE)?;
                self.sort(&mut order, |one, other| {
                    let by_score = scores[one].partial_cmp(&scores[other]).unwrap_or(Ordering::Equal);
                    by_score.then_with(|| elements[one].cmp(&elements[other]))
                });
            }
        }
        let start = usize::try_from(self.offset.max(0)).unwrap_or(usize::MAX);
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX);
        Ok(order.into_iter().skip(start).take(count).collect())
    }

    /// Equal ones keep their order, also in the other direction, as with C's `qsort` on Linux.
    fn sort(&self, order: &mut [usize], compare: impl Fn(usize, usize) -> Ordering) {
        order.sort_by(|one, other| {
            let ordering = compare(*one, *other);
            if self.descending { ordering.reverse() } else { ordering }
        });
    }

    /// What is compared of a text: for a reply C's `strcoll` does it, which stops at a NUL byte (and asks the
    /// server's locale, which is that of C if nobody has said otherwise).
    fn text<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if self.stores { text } else { text.split(|byte| *byte == 0).next().unwrap_or_default() }
    }
}

/// A number as C's `strtod` reads it up to a NUL byte; of no text it is 0.
fn score(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let digits = match text.iter().position(|byte| !b" \t\n\x0b\x0c\r".contains(byte)) {
        Some(start) => &text[start..],
        None => text,
    };
    if digits.is_empty() { Some(0.0) } else { float::whole_double(digits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(before: &'static str, after: &'static str, field: Option<&'static str>) -> Pattern {
        let field = field.map(|field| Bytes::from_static(field.as_bytes()));
        Pattern::Of { before: before.into(), after: after.into(), field }
    }

    #[test]
    fn patterns_are_read_as_redis_reads_them() {
        for (text, wanted) in [
            ("#", Pattern::Element),
            ("#\0*", Pattern::Element),
            ("w", Pattern::Nothing),
            ("w\0*", Pattern::Nothing),
            ("w_*", pattern("w_", "", None)),
            ("#*", pattern("#", "", None)),
            ("a*b*->c", pattern("a", "b*", Some("c"))),
            ("a*b->c->d", pattern("a", "b", Some("c->d"))),
            ("a->b*", pattern("a->b", "", None)),
            ("a*->", pattern("a", "->", None)),
            ("a*\0->f", pattern("a", "\0->f", None)),
            ("a*->\0f", pattern("a", "->\0f", None)),
            ("a*->f\0g", pattern("a", "", Some("f\0g"))),
        ] {
            assert_eq!(Pattern::parse(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_those_that_redis_takes() {
        for (text, wanted) in [
            ("", Some(0.0)),
            (" 1", Some(1.0)),
            ("\t\n2", Some(2.0)),
            ("1 ", None),
            (" ", None),
            ("1\0abc", Some(1.0)),
            ("0x10", Some(16.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("nan", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e-310", None),
            ("1e-308", None),
            ("4.9406564584124654e-324", None),
            ("0x1p-1074", Some(5e-324)),
            ("2.2250738585072014e-308", Some(2.2250738585072014e-308)),
            ("0e999999", Some(0.0)),
        ] {
            assert_eq!(score(text.as_bytes()), wanted, "{text:?}");
        }
    }
}
