//! What SNAPSHOT tells of a key.
//!
//! In: its reply. Out: one [`Snapshot`] per key.
//! Must never: take a reply of another shape for one.

use bytes::Bytes;

use crate::resp::{Token, Walker};

/// A key's type and all that it holds, as it is stored.
pub(super) struct Snapshot {
    kind: String,
    digest: Bytes,
    items: Vec<Bytes>,
}

impl Snapshot {
    /// As TYPE says it; "none" for a key that is not there.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn is_string_or_none(&self) -> bool {
        self.kind == "string" || self.kind == "none"
    }

    /// By which SWAP tells whether it has changed.
    pub fn digest(&self) -> &Bytes {
        &self.digest
    }

    /// The string; the elements; the members; members and scores, or fields and values, in turn.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.items.iter()
    }

    /// The same, two by two.
    pub fn pairs(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.items.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    /// One snapshot per key, or `None` if the reply is of another shape.
    pub fn parse(reply: &[u8], keys: usize) -> Option<Vec<Self>> {
        let mut walk = Walker::new(reply);
        if walk.next() != Some(Token::Array(keys)) {
            return None;
        }
        (0..keys).map(|_| Self::next(&mut walk)).collect()
    }

    fn next(walk: &mut Walker<'_>) -> Option<Self> {
        if walk.next() != Some(Token::Array(3)) {
            return None;
        }
        let kind = String::from_utf8(bulk(walk)?.to_vec()).ok()?;
        let digest = bulk(walk)?;
        let Some(Token::Array(count)) = walk.next() else { return None };
        let items = (0..count).map(|_| bulk(walk)).collect::<Option<_>>()?;
        Some(Self { kind, digest, items })
    }
}

fn bulk(walk: &mut Walker<'_>) -> Option<Bytes> {
    match walk.next() {
        Some(Token::Bulk(bytes)) => Some(Bytes::copy_from_slice(bytes)),
        _ => None,
    }
}
