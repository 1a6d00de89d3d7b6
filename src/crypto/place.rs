//! Where a value lives. An envelope opens in the place it was sealed for, and nowhere else.
//!
//! In: purpose, scope and field, borrowed from the caller's request. Out: their one canonical
//! encoding, used for key derivation and as associated data.
//! Must never: give two different places the same encoding, or show an id or a field in `Debug`.

use std::fmt;

/// What a plaintext is used as. Each purpose has derived keys of its own.
///
/// The number is part of the format: never reuse or renumber one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// A string, a list element, or the value of a hash or stream field (then `field` is set).
    Value = 1,
    /// A pub/sub payload. The scope's id is the channel, its tag, or the rule.
    Message = 2,
    /// A member of a set, a sorted set or a geo index.
    Member = 3,
    /// The name of a hash field.
    FieldName = 4,
    /// A DUMP payload (under a tag `field` is the rule's id).
    Payload = 5,
    /// A string leaf of a JSON document (`field` is its path).
    Document = 6,
    /// An element of a HyperLogLog. Never in an envelope: see [`super::Cipher::prf`].
    Element = 7,
}

impl Purpose {
    /// All purposes, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Value, Self::Message, Self::Member, Self::FieldName, Self::Payload, Self::Document, Self::Element];

    /// The name used in the specification, the vectors and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Message => "message",
            Self::Member => "member",
            Self::FieldName => "field-name",
            Self::Payload => "payload",
            Self::Document => "document",
            Self::Element => "element",
        }
    }

    /// The purpose of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// How many places share one derived key. The number is part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ScopeKind {
    /// One Redis key (or channel).
    Key = 1,
    /// All keys with the same `{tag}`.
    Tag = 2,
    /// All keys of a rule.
    Rule = 3,
}

impl ScopeKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Key, Self::Tag, Self::Rule];

    /// The name used in the configuration, the specification and the vectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Tag => "tag",
            Self::Rule => "rule",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Which derived key a value lives under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    pub kind: ScopeKind,
    /// The Redis key, the content of `{tag}`, or the rule's id. At most `u32::MAX` bytes.
    pub id: &'a [u8],
}

/// Where a value lives: what an envelope is bound to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub purpose: Purpose,
    pub scope: Scope<'a>,
    /// The plaintext name of the hash or stream field, the JSON path, or a payload's rule. `None` and `Some(b"")`
    /// are different places. At most `u32::MAX` bytes.
    pub field: Option<&'a [u8]>,
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("purpose", &self.purpose)
            .field("scope", &self.scope)
            .field("has_field", &self.field.is_some())
            .finish_non_exhaustive()
    }
}

/// A part longer than a length prefix can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The length prefix: 4 bytes, big-endian.
pub(super) fn prefix(part: &[u8]) -> Result<[u8; 4], TooLarge> {
    u32::try_from(part.len()).map(u32::to_be_bytes).map_err(|_| TooLarge)
}

/// Writes the associated data of an envelope with this head into `out`, replacing what was there.
///
/// `lp(head) lp(purpose) lp(scope kind) lp(scope id)`, then `lp(00)` without a field, or
/// `lp(01) lp(field)`. The nonce is not in it: the AEAD authenticates its nonce anyway, and a
/// deterministic nonce is computed from these bytes.
pub(super) fn associated_data(head: &[u8; 8], place: &Place<'_>, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    out.clear();
    let mut push = |part: &[u8]| -> Result<(), TooLarge> {
        out.extend_from_slice(&prefix(part)?);
        out.extend_from_slice(part);
        Ok(())
    };
    push(head)?;
    push(&[place.purpose as u8])?;
    push(&[place.scope.kind as u8])?;
    push(place.scope.id)?;
    match place.field {
        None => push(&[0]),
        Some(field) => {
            push(&[1])?;
            push(field)
        }
    }
}
