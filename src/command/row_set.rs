//! Sets of rows, and the words by which a configuration names some.
//!
//! Job: hold for each row whether it is in the set, so that the question costs one load. In: names of commands and
//! categories. Out: [`RowSet`].
//! Must never: take a name that no row has for one that is simply not asked for.

use super::{Categories, Spec, find, table};

const WORDS: usize = 10;

/// Some rows of THE TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSet([u64; WORDS]);

/// Several rows by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `@all`
    All,
    /// `@read`
    Category(Categories),
    /// `get`, `client|setname`, or `client` with all its subcommands.
    Command(&'static str),
}

impl Selector {
    /// Reads one in any case; none if there is no such command or category.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('@') {
            Some(name) if name.eq_ignore_ascii_case("all") => Some(Self::All),
            Some(name) => Categories::named(name).map(Self::Category),
            None => find(text).map(|spec| Self::Command(spec.name)),
        }
    }

    fn selects(self, spec: &Spec) -> bool {
        match self {
            Self::All => true,
            Self::Category(category) => spec.categories.has(category),
            Self::Command(name) => {
                spec.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
            }
        }
    }
}

impl RowSet {
    #[must_use]
    pub const fn none() -> Self {
        Self([0; WORDS])
    }

    /// Every row of which `is` is true.
    #[must_use]
    pub fn of(is: impl Fn(&Spec) -> bool) -> Self {
        let mut set = Self::none();
        table().iter().filter(|spec| is(spec)).for_each(|spec| set.insert(spec));
        set
    }

    /// Every row that one of these names.
    #[must_use]
    pub fn selected(selectors: &[Selector]) -> Self {
        Self::of(|spec| selectors.iter().any(|selector| selector.selects(spec)))
    }

    pub fn insert(&mut self, spec: &Spec) {
        self.0[usize::from(spec.number) / 64] |= 1 << (spec.number % 64);
    }

    #[must_use]
    #[inline]
    pub fn contains(&self, spec: &Spec) -> bool {
        self.0[usize::from(spec.number) / 64] & 1 << (spec.number % 64) != 0
    }

    /// The rows that are in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours &= theirs);
        both
    }

    /// The rows of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours &= !theirs);
        rest
    }

    /// Whether every row of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(ours, theirs)| theirs & !ours == 0)
    }

    /// The first row of this set that is not in `other`.
    pub fn first_outside(&self, other: &Self) -> Option<&'static Spec> {
        table().iter().find(|spec| self.contains(spec) && !other.contains(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_own_place() {
        assert!(table().len() <= WORDS * 64, "RowSet needs another word");
        for spec in table() {
            let only = RowSet::of(|other| other.name == spec.name);
            assert_eq!(table().iter().filter(|other| only.contains(other)).count(), 1, "{}", spec.name);
        }
    }

    #[test]
    fn words_select_what_redis_means_by_them() {
        let all =
            |words: &[&str]| RowSet::selected(&words.iter().map(|w| Selector::parse(w).unwrap()).collect::<Vec<_>>());
        let has = |set: &RowSet, name: &str| set.contains(find(name).unwrap());
        let reads = all(&["@read", "client|setname"]);
        assert!(has(&reads, "get") && has(&reads, "client|setname"));
        assert!(!has(&reads, "set") && !has(&reads, "client|id") && !has(&reads, "eval_ro"));
        let clients = all(&["CLIENT"]);
        assert!(has(&clients, "client") && has(&clients, "client|id") && !has(&clients, "cluster"));
        assert!(has(&all(&["@all"]), "flushall"));
        assert!(all(&["@all"]).covers(&reads) && !reads.covers(&all(&["@all"])));
        assert_eq!(all(&["get", "set"]).first_outside(&reads).map(|spec| spec.name), Some("set"));
        for unknown in ["@nosuch", "nosuch", "client|nosuch", "", "@", "set|x"] {
            assert_eq!(Selector::parse(unknown), None, "{unknown}");
        }
    }
}
