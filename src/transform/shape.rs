//! Opens a reply by the shape that the table gives for it.
//!
//! Depth is that of the shape, which is a constant of the table, never that of the reply.

use bytes::{Bytes, BytesMut};

use super::Transform;
use super::open::{OpenFailure, Opened, pass};
use super::plan::Owned;
use crate::command::Shape;
use crate::resp::{Proto, Token, Walker, encode};

/// How two things in turn are laid out.
enum Layout {
    Flat,
    Nested,
}

impl Transform {
    /// Opens the next value of the walk, which belongs where `at` says.
    pub(super) fn shape(
        &mut self,
        shape: &Shape,
        at: Where<'_>,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        if walk.at_null() || walk.at_error() {
            return pass(walk, out);
        }
        match (shape, at.scope) {
            (Shape::Raw, _) => pass(walk, out),
            (Shape::Keyed(rest), _) => self.keyed(rest, at.keys, walk, proto, out),
            (Shape::PerKey(rest), _) => self.per_key(rest, at.keys, walk, proto, out),
            // Everything else belongs to the key that the request names.
            (_, None) => pass(walk, out),
            (Shape::Value, Some(scope)) => self.value(walk, &scope.value(None), proto, out),
            (Shape::Member, Some(scope)) => self.value(walk, &scope.member(), proto, out),
            (Shape::FieldName, Some(scope)) if scope.field_names => self.value(walk, &scope.field_name(), proto, out),
            (Shape::FieldName, _) => pass(walk, out),
            (Shape::Each(one), _) => self.each(one, at, walk, proto, out),
            (Shape::Tuple(parts), _) => {
                array(walk, Some(parts.len()), out)?;
                parts.iter().try_for_each(|part| self.shape(part, at, walk, proto, out))
            }
            (Shape::TupleOrShorter(parts), _) => {
                let items = array(walk, None, out)?;
                if items > parts.len() || items + 1 < parts.len() {
                    return Err(OpenFailure::Shape);
                }
                parts[..items].iter().try_for_each(|part| self.shape(part, at, walk, proto, out))
            }
            (Shape::OneOrEach(one), _) => match walk.peek() {
                Some(Token::Bulk(_)) => self.shape(one, at, walk, proto, out),
                _ => self.each(one, at, walk, proto, out),
            },
            (Shape::Named(parts), _) => self.named(parts, at, walk, proto, out),
            (Shape::IfArray(one), _) => match walk.peek() {
                Some(Token::Array(_)) => self.shape(one, at, walk, proto, out),
                _ => pass(walk, out),
            },
            (Shape::Head(one), _) => self.head(one, at, walk, proto, out),
            (Shape::Pairs(first, second), _) => {
                let (pairs, layout) = pairs(walk, out)?;
                for _ in 0..pairs {
                    layout.begin(walk, out)?;
                    self.shape(first, at, walk, proto, out)?;
                    self.shape(second, at, walk, proto, out)?;
                }
                Ok(())
            }
            (Shape::Fields | Shape::Entry, Some(scope)) => {
                let sealed_name = scope.field_names && matches!(shape, Shape::Fields);
                let (pairs, layout) = pairs(walk, out)?;
                for _ in 0..pairs {
                    layout.begin(walk, out)?;
                    self.field_and_value(walk, scope, sealed_name, false, out)?;
                }
                Ok(())
            }
        }
    }

    fn named(
        &mut self,
        parts: &[(&str, Shape)],
        at: Where<'_>,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        let (pairs, layout) = pairs(walk, out)?;
        for _ in 0..pairs {
            layout.begin(walk, out)?;
            let (Some(Token::Bulk(name)), Some(next)) = (walk.next(), walk.peek()) else {
                return Err(OpenFailure::Shape);
            };
            encode::bulk(out, name);
            match parts.iter().find(|(known, _)| known.as_bytes() == name) {
                Some((_, part)) => self.shape(part, at, walk, proto, out)?,
                // A newer server's part that could hold values is not guessed at.
                None if next.is_aggregate() => return Err(OpenFailure::Shape),
                None => pass(walk, out)?,
            }
        }
        Ok(())
    }

    fn each(&mut self, one: &Shape, at: Where<'_>, walk: &mut Walker<'_>, proto: Proto, out: &mut BytesMut) -> Opened {
        let items = array(walk, None, out)?;
        for _ in 0..items {
            self.shape(one, at, walk, proto, out)?;
        }
        Ok(())
    }

    fn head(&mut self, one: &Shape, at: Where<'_>, walk: &mut Walker<'_>, proto: Proto, out: &mut BytesMut) -> Opened {
        if matches!(walk.peek(), Some(Token::Bulk(_))) {
            return self.shape(one, at, walk, proto, out);
        }
        let items = array(walk, None, out)?;
        if items == 0 {
            return Err(OpenFailure::Shape);
        }
        self.shape(one, at, walk, proto, out)?;
        (1..items).try_for_each(|_| pass(walk, out))
    }

    /// A key, then what belongs to it.
    fn keyed(
        &mut self,
        rest: &[Shape],
        keys: &[Key],
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        array(walk, Some(rest.len() + 1), out)?;
        let at = Where::of(key(keys, walk, out)?);
        rest.iter().try_for_each(|part| self.shape(part, at, walk, proto, out))
    }

    fn per_key(
        &mut self,
        rest: &Shape,
        keys: &[Key],
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        let (pairs, layout) = pairs(walk, out)?;
        for _ in 0..pairs {
            layout.begin(walk, out)?;
            let at = Where::of(key(keys, walk, out)?);
            self.shape(rest, at, walk, proto, out)?;
        }
        Ok(())
    }
}

/// A key of the request, and its scope if a rule covers it.
type Key = (Bytes, Option<Owned>);

/// To which key the next value belongs.
#[derive(Clone, Copy)]
pub(super) struct Where<'a> {
    /// `None`: to one without a rule.
    scope: Option<&'a Owned>,
    /// The keys that the reply may name, sorted.
    keys: &'a [Key],
}

impl<'a> Where<'a> {
    pub(super) fn of(scope: Option<&'a Owned>) -> Self {
        Self { scope, keys: &[] }
    }

    pub(super) fn among(keys: &'a [Key]) -> Self {
        Self { scope: None, keys }
    }
}

/// A key passes, and decides under which scope the rest is. It must be one that was asked for: the
/// database does not choose under which key something opens, or that it need not be sealed.
fn key<'a>(keys: &'a [Key], walk: &mut Walker<'_>, out: &mut BytesMut) -> Result<Option<&'a Owned>, OpenFailure> {
    let Some(Token::Bulk(name)) = walk.next() else { return Err(OpenFailure::Shape) };
    let found = keys.binary_search_by(|(asked, _)| asked[..].cmp(name)).map_err(|_| OpenFailure::Shape)?;
    let (_, scope) = &keys[found];
    encode::bulk(out, name);
    Ok(scope.as_ref())
}

impl Layout {
    /// What comes before each pair.
    fn begin(&self, walk: &mut Walker<'_>, out: &mut BytesMut) -> Opened {
        match self {
            Self::Flat => Ok(()),
            Self::Nested => array(walk, Some(2), out).map(drop),
        }
    }
}

/// The header of an array or set, of a given length if one is given.
fn array(walk: &mut Walker<'_>, wanted: Option<usize>, out: &mut BytesMut) -> Result<usize, OpenFailure> {
    let items = match walk.next() {
        Some(Token::Array(items)) => {
            encode::array_header(out, items);
            items
        }
        Some(Token::Set(items)) => {
            encode::set_header(out, items, Proto::Resp3);
            items
        }
        _ => return Err(OpenFailure::Shape),
    };
    if wanted.is_some_and(|wanted| wanted != items) { Err(OpenFailure::Shape) } else { Ok(items) }
}

/// The header of things that come in pairs: a map, an array of pairs, or a flat array.
fn pairs(walk: &mut Walker<'_>, out: &mut BytesMut) -> Result<(usize, Layout), OpenFailure> {
    if let Some(Token::Map(pairs)) = walk.peek() {
        walk.next();
        encode::map_header(out, pairs, Proto::Resp3);
        return Ok((pairs, Layout::Flat));
    }
    let items = array(walk, None, out)?;
    match walk.peek() {
        Some(Token::Array(2)) => Ok((items, Layout::Nested)),
        _ if items % 2 == 0 => Ok((items / 2, Layout::Flat)),
        _ => Err(OpenFailure::Shape),
    }
}
