//! Paths into JSON documents: those of a rule, and those of requests.
//!
//! Job: read the part of JSONPath of which it can be told where it leads, and say of a path whether it leads to
//! what a rule encrypts.
//! In: text. Out: [`JsonPath`], [`SealedPaths`], [`Spot`].
//! Must never: take a path for less than a server might reach with it. What is not understood is an error.

use std::fmt::Write;

/// One step down from a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.name`, `['name']`: that member of an object.
    Name(Box<[u8]>),
    /// `[*]`, `.*`: every element or member.
    Any,
    /// `[3]`, `[-1]`, `[1:4]`: elements of an array, by position.
    Element,
}

/// A path that a request gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// Whether it begins with `$`: the reply is then a list of matches, else the first match alone.
    pub lists: bool,
    steps: Vec<Step>,
}

/// Why a path is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathFault;

impl JsonPath {
    /// The whole document, as servers take a path that is left out.
    #[must_use]
    pub fn root() -> Self {
        Self { lists: false, steps: Vec::new() }
    }

    /// Reads `$`, `.name`, `['name']`, `["name"]`, `[*]`, `.*`, `[n]`, `[n:m]`, and the older form without `$`.
    ///
    /// # Errors
    /// [`PathFault`] for all else: `..`, filters, lists of names, escapes, blanks.
    pub fn parse(text: &[u8]) -> Result<Self, PathFault> {
        let (lists, mut rest) = match text {
            b"$" => return Ok(Self { lists: true, steps: Vec::new() }),
            b"." => return Ok(Self::root()),
            [b'$', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut steps = Vec::new();
        // The older form may begin with a name.
        if !lists && !matches!(rest, [b'.' | b'[', ..]) {
            steps.push(dotted(&mut rest)?);
        }
        while let [kind, tail @ ..] = rest {
            rest = tail;
            steps.push(match kind {
                b'.' => dotted(&mut rest)?,
                b'[' => bracketed(&mut rest)?,
                _ => return Err(PathFault),
            });
        }
        if steps.is_empty() { Err(PathFault) } else { Ok(Self { lists, steps }) }
    }

    /// As RFC 9535 normalises paths, with `[*]` for every element or member. It is what values are bound to.
    fn normal(&self) -> String {
        self.steps.iter().fold(String::from("$"), |mut text, step| {
            // Writing to a String does not fail.
            let _ = match step {
                Step::Name(name) => write!(text, "['{}']", String::from_utf8_lossy(name).replace('\'', "\\'")),
                Step::Any | Step::Element => write!(text, "[*]"),
            };
            text
        })
    }
}

/// `*` or a plain name, up to the next step.
fn dotted(rest: &mut &[u8]) -> Result<Step, PathFault> {
    if let [b'*', tail @ ..] = rest {
        *rest = tail;
        return Ok(Step::Any);
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let end = rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    *rest = tail;
    if name.is_empty() { Err(PathFault) } else { Ok(Step::Name(name.into())) }
}

/// What stands in brackets, of which the first is passed already.
fn bracketed(rest: &mut &[u8]) -> Result<Step, PathFault> {
    let quote = rest.first().copied().ok_or(PathFault)?;
    let (inside, tail) = if matches!(quote, b'\'' | b'"') {
        let end = rest[1..].iter().position(|byte| *byte == quote).ok_or(PathFault)? + 2;
        (&rest[..end], rest[end..].strip_prefix(b"]").ok_or(PathFault)?)
    } else {
        let end = rest.iter().position(|byte| *byte == b']').ok_or(PathFault)?;
        (&rest[..end], &rest[end + 1..])
    };
    *rest = tail;
    match inside {
        b"*" => Ok(Step::Any),
        // An escape could spell a name that is written otherwise here.
        [b'\'' | b'"', name @ .., _] if !name.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) => {
            Ok(Step::Name(name.into()))
        }
        numbers if is_index(numbers) => Ok(Step::Element),
        _ => Err(PathFault),
    }
}

/// `n`, or up to three of them with colons between, which may be left out then.
fn is_index(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    let number = |part: &[u8]| {
        let digits = part.strip_prefix(b"-").unwrap_or(part);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    match parts.as_slice() {
        [one] => number(one),
        parts => parts.len() <= 3 && parts.iter().all(|part| part.is_empty() || number(part)),
    }
}

/// The paths of a rule: what stands there is encrypted. No place belongs to two of them, and none leads
/// into what another one encrypts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPaths {
    paths: Vec<(Vec<Step>, Box<str>)>,
}

/// Paths of one rule: every member of a document is compared with those that are still possible.
const MAX_PATHS: usize = 64;
/// Steps of one path: so deep the walk through a document recurses.
const MAX_STEPS: usize = 32;

impl SealedPaths {
    /// # Errors
    /// The number of the path from 0, what is wrong with it and how to mend it.
    pub fn new(texts: &[String]) -> Result<Self, (usize, &'static str, &'static str)> {
        let mut paths: Vec<(Vec<Step>, Box<str>)> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let fault = |cause, mend| Err((number, cause, mend));
            let Ok(path) = JsonPath::parse(text.as_bytes()) else {
                return fault("is not a path that is understood", "use $, .name, ['name'], [*] and .*");
            };
            if !path.lists {
                return fault("does not begin at the document", "begin it with $");
            }
            if path.steps.contains(&Step::Element) {
                return fault("names one element, and elements change their places", "use [*] for all of them");
            }
            if path.steps.len() > MAX_STEPS {
                return fault("has more than 32 steps", "encrypt what lies above as a whole");
            }
            if number >= MAX_PATHS {
                return fault("is one too many", "use at most 64 paths; a path encrypts all that lies below it");
            }
            if paths.iter().any(|(other, _)| meet(other, &path.steps)) {
                return fault("covers a place that an earlier path covers", "remove one of the two");
            }
            let normal = path.normal().into();
            paths.push((path.steps, normal));
        }
        Ok(Self { paths })
    }

    /// Each path, normalised.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|(_, text)| &**text)
    }

    /// The document itself.
    #[must_use]
    pub fn root(&self) -> Spot {
        self.spot(0, 0..self.paths.len())
    }

    /// The member `name` of an object at `spot`.
    #[must_use]
    pub fn member(&self, spot: &Spot, name: &[u8]) -> Spot {
        self.below(spot, |step| match step {
            Step::Name(wanted) => **wanted == *name,
            _ => true,
        })
    }

    /// Any element of an array at `spot`.
    #[must_use]
    pub fn element(&self, spot: &Spot) -> Spot {
        self.below(spot, |step| !matches!(step, Step::Name(_)))
    }

    /// The path whose place this is: what stands here is encrypted as a whole.
    #[must_use]
    pub fn sealed(&self, spot: &Spot) -> Option<&str> {
        let ends = |at: &&usize| self.paths[**at].0.len() == spot.depth;
        spot.alive.iter().find(ends).map(|at| &*self.paths[*at].1)
    }

    /// Where a request's path leads.
    ///
    /// # Errors
    /// [`Nowhere`] if it cannot be told, or leads into an encrypted value.
    pub fn locate(&self, path: &JsonPath) -> Result<Spot, Nowhere> {
        path.steps.iter().try_fold(self.root(), |spot, step| {
            if self.sealed(&spot).is_some() {
                return Err(Nowhere::Inside);
            }
            match step {
                Step::Name(name) => Ok(self.member(&spot, name)),
                Step::Element => Ok(self.element(&spot)),
                // Members of different names would lead to different places.
                Step::Any if self.names_at(&spot) => Err(Nowhere::Several),
                Step::Any => Ok(self.element(&spot)),
            }
        })
    }

    fn names_at(&self, spot: &Spot) -> bool {
        spot.alive.iter().any(|at| matches!(self.paths[*at].0.get(spot.depth), Some(Step::Name(_))))
    }

    fn below(&self, spot: &Spot, takes: impl Fn(&Step) -> bool) -> Spot {
        let alive = spot.alive.iter().copied().filter(|at| self.paths[*at].0.get(spot.depth).is_some_and(&takes));
        self.spot(spot.depth + 1, alive)
    }

    #[allow(clippy::unused_self)] // Only a set of paths makes spots.
    fn spot(&self, depth: usize, alive: impl Iterator<Item = usize>) -> Spot {
        Spot { depth, alive: alive.collect() }
    }
}

/// Whether some place belongs to both paths, or is inside the other's.
fn meet(one: &[Step], other: &[Step]) -> bool {
    one.iter().zip(other).all(|steps| match steps {
        (Step::Name(one), Step::Name(other)) => one == other,
        _ => true,
    })
}

/// A place in a document, as far as the paths of a rule tell places apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    depth: usize,
    /// The paths that lead here, or on from here.
    alive: Vec<usize>,
}

impl Spot {
    /// Nothing here or below is encrypted.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.alive.is_empty()
    }
}

/// Why it cannot be said where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// To encrypted places and to others.
    Several,
    /// Into a value that is encrypted as a whole.
    Inside,
}

#[cfg(test)]
#[path = "json_path_tests.rs"]
mod tests;
