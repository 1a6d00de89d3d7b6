//! The options of SORT and SORT_RO.
//!
//! Job: read one option after the other.
//! In: the arguments. Out: what each is, by the positions of its operands.
//! Must never: pass a word that is not known; a newer server may look keys up for it.

use super::Args;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOption {
    Ascending,
    Descending,
    Alpha,
    /// Two numbers, the first of which stands here.
    Limit(usize),
    By(usize),
    Get(usize),
    Store(usize),
}

/// A word that is no option, or one without its operands: Redis's `syntax error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOption;

/// The options behind the key. STORE is one if `store`.
pub fn sort_options(args: Args<'_>, store: bool) -> impl Iterator<Item = Result<SortOption, NoOption>> {
    let mut at = 2;
    std::iter::from_fn(move || {
        if at >= args.len() {
            return None;
        }
        let (option, operands) = match args {
            _ if args.is(at, "ASC") => (SortOption::Ascending, 0),
            _ if args.is(at, "DESC") => (SortOption::Descending, 0),
            _ if args.is(at, "ALPHA") => (SortOption::Alpha, 0),
            _ if args.is(at, "LIMIT") => (SortOption::Limit(at + 1), 2),
            _ if args.is(at, "BY") => (SortOption::By(at + 1), 1),
            _ if args.is(at, "GET") => (SortOption::Get(at + 1), 1),
            _ if store && args.is(at, "STORE") => (SortOption::Store(at + 1), 1),
            _ => {
                at = args.len();
                return Some(Err(NoOption));
            }
        };
        at += 1 + operands;
        Some(if at > args.len() { Err(NoOption) } else { Ok(option) })
    })
}
