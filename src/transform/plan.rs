//! How a reply is to be opened: made together with the sealed request, used when the reply comes.

use bytes::Bytes;

use crate::crypto::{Place, Purpose, Scope, ScopeKind};
use crate::policy::rules;

/// A reply's shape and the places of the sealed values in it.
#[derive(Debug, Default)]
pub enum ReplyPlan {
    /// No rule touches it: the bytes pass as they came.
    #[default]
    Raw,
    /// One bulk string (GET) or null.
    Value(Owned),
    /// A hash field's bulk string (HGET) or null.
    Field(Owned, Bytes),
    /// An array, one element per key; `None` where no rule covers the key (MGET).
    Values(Vec<Option<Owned>>),
    /// An array, one element per field (HMGET).
    Fields(Owned, Vec<Bytes>),
    /// Field and value in turn, or a map (HGETALL).
    FieldMap(Owned),
    /// The same reply, of which the client asked for the values only (HVALS).
    FieldMapValues(Owned),
    /// Field and value in turn, or an array of pairs (HRANDFIELD WITHVALUES).
    FieldPairs(Owned),
    /// Cursor, then field and value in turn (HSCAN).
    FieldScan(Owned),
    /// INFO, whose topology the client must not follow.
    Info,
    /// EXEC: one plan per queued command.
    Exec(Vec<ReplyPlan>),
    /// The reply is of no interest; the client gets these bytes.
    Replace(Bytes),
}

/// A [`Scope`] that outlives its request.
#[derive(Debug, Clone)]
pub struct Owned {
    kind: ScopeKind,
    id: Bytes,
}

impl Owned {
    pub fn of(rule: &rules::Rule, key: &[u8]) -> Self {
        let scope = scope(rule, key);
        Self { kind: scope.kind, id: Bytes::copy_from_slice(scope.id) }
    }

    pub(super) fn place<'a>(&'a self, field: Option<&'a [u8]>) -> Place<'a> {
        let scope = Scope { kind: self.kind, id: &self.id };
        Place { purpose: Purpose::Value, scope, field }
    }
}

/// The scope under which a key's values live, by the rule that covers it.
pub(super) fn scope<'a>(rule: &'a rules::Rule, key: &'a [u8]) -> Scope<'a> {
    match rule.scope {
        rules::Scope::Key => Scope { kind: ScopeKind::Key, id: key },
        rules::Scope::Tag => Scope { kind: ScopeKind::Tag, id: rules::hash_tag(key) },
        rules::Scope::Rule => Scope { kind: ScopeKind::Rule, id: rule.id.as_bytes() },
    }
}
