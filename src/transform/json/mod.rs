//! JSON documents: what stands at the paths of the rule is sealed, the rest is left to the database.
//!
//! Job: replace the values at those paths by strings that hold envelopes, and back.
//! In: admitted JSON commands; replies by their plan. Out: bytes for a wire, bytes for a client.
//! Must never: send a value at a path in clear, null excepted; open a string anywhere else; change a byte of the rest.
//!
//! A value is sealed whole, whatever its type, as the JSON text that it is: numbers and objects come back as they
//! were. Null stays null, because to write it is to remove (JSON.MERGE) and to read it is to find nothing.

mod open;
mod request;
mod scan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use super::plan::{Owned, ReplyPlan};
use crate::command::{SealedPaths, Spot};
use crate::crypto::OVERHEAD;

/// One document, which belongs to a key under a rule with paths.
#[derive(Clone)]
pub struct Source {
    owned: Owned,
    paths: Arc<SealedPaths>,
}

/// How the JSON texts of a reply lie.
pub enum DocumentPlan {
    /// One text, or null: JSON.GET.
    Text(Source, Layout),
    /// A text or null for each key, if a rule covers it: JSON.MGET.
    PerKey(Vec<Option<(Source, Layout)>>),
    /// One text or null, or an array of them: JSON.ARRPOP.
    OneOrEach(Source, Layout),
}

/// What one JSON text is.
#[derive(Clone)]
pub enum Layout {
    /// The value at a spot.
    Value(Spot),
    /// An array of values that are each at the spot.
    Matches(Spot),
    /// An object: for each path of the request its value, or an array of its matches.
    Paths { each: Vec<(Bytes, Spot)>, lists: bool },
}

impl From<DocumentPlan> for ReplyPlan {
    fn from(plan: DocumentPlan) -> Self {
        Self::Document(Box::new(plan))
    }
}

impl DocumentPlan {
    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(source, layout) | Self::OneOrEach(source, layout) => source.owned.weight() + layout.weight(),
            Self::PerKey(keys) => {
                keys.iter().flatten().map(|(source, layout)| source.owned.weight() + layout.weight()).sum()
            }
        }
    }
}

impl Layout {
    fn of(lists: bool, spot: Spot) -> Self {
        if lists { Self::Matches(spot) } else { Self::Value(spot) }
    }

    /// Nothing in such a text is sealed.
    fn is_clear(&self) -> bool {
        match self {
            Self::Value(spot) | Self::Matches(spot) => spot.is_clear(),
            Self::Paths { each, .. } => each.iter().all(|(_, spot)| spot.is_clear()),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Value(_) | Self::Matches(_) => 64,
            Self::Paths { each, .. } => each.iter().map(|(name, _)| name.len() + 128).sum(),
        }
    }
}

/// How long the string is that stands for a plaintext of `len` bytes: quotes, and base64 of the envelope.
fn sealed_len(len: usize) -> usize {
    2 + (len + OVERHEAD).div_ceil(3) * 4
}
