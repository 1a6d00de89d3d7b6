//! A request whose command has been looked up.
//!
//! Job: from the arguments of one request to its row in THE TABLE, without allocation.
//! In: the bytes and ranges that the scanner found. Out: [`Request`].
//! Must never: show an argument in `Debug`, or take part of a name for the whole.

use std::fmt;
use std::ops::Range;

use super::{Spec, table};

/// The arguments of one request, the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    ranges: &'a [Range<usize>],
}

impl<'a> Args<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8], ranges: &'a [Range<usize>]) -> Self {
        Self { bytes, ranges }
    }

    #[must_use]
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    #[must_use]
    pub fn get(self, at: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.ranges.get(at)?.clone())
    }

    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.from(0)
    }

    /// The arguments from position `at` on.
    pub fn from(self, at: usize) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.tail(at).ranges.iter().map(move |range| bytes.get(range.clone()).unwrap_or_default())
    }

    /// Where in the bytes each argument is.
    #[must_use]
    pub fn ranges(self) -> &'a [Range<usize>] {
        self.ranges
    }

    /// The same request without its first `at` arguments.
    pub(crate) fn tail(self, at: usize) -> Self {
        Self { bytes: self.bytes, ranges: self.ranges.get(at..).unwrap_or_default() }
    }

    /// Whether argument `at` is the option `word`, in any case.
    pub fn is(self, at: usize, word: &str) -> bool {
        self.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({} arguments)", self.len())
    }
}

/// A request and the row of its command, if there is one.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    args: Args<'a>,
    bytes: &'a [u8],
    spec: Option<&'static Spec>,
    container: Option<&'static Spec>,
}

impl<'a> Request<'a> {
    /// Looks the command up. `bytes` is the whole request as it came, `ranges` its arguments.
    #[must_use]
    pub fn parse(bytes: &'a [u8], ranges: &'a [Range<usize>]) -> Self {
        let args = Args::new(bytes, ranges);
        let (spec, container) = look_up(args);
        Self { args, bytes, spec, container }
    }

    /// The row of the command or subcommand. A container with nothing after it is its own row.
    #[must_use]
    pub fn spec(&self) -> Option<&'static Spec> {
        self.spec
    }

    /// The container, if the command has subcommands; with no [`Self::spec`] the subcommand is unknown.
    #[must_use]
    pub fn container(&self) -> Option<&'static Spec> {
        self.container
    }

    #[must_use]
    pub fn args(&self) -> Args<'a> {
        self.args
    }

    /// The request as it came.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.spec.or(self.container).map_or("?", |spec| spec.name);
        write!(f, "Request({name}, {} arguments)", self.args.len())
    }
}

/// The row of a request, and that of its container.
pub(crate) fn look_up(args: Args<'_>) -> (Option<&'static Spec>, Option<&'static Spec>) {
    let Some(name) = args.get(0) else {
        return (None, None);
    };
    match table::command(name) {
        Some(found) if found.is_container() => {
            let spec = args.get(1).map_or(Some(found), |sub| table::subcommand(name, sub));
            (spec, Some(found))
        }
        found => (found, None),
    }
}
