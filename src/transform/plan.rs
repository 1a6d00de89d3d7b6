//! How a reply is to be opened: made together with the sealed request, used when the reply comes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::commands::Question;
use super::compute::Computing;
use super::json::DocumentPlan;
use super::payload::Payload;
use crate::command::{Args, Shape};
use crate::crypto::{Place, Purpose, Scope, ScopeKind};
use crate::policy::rules::{self, Fields};
use crate::resp::{Proto, Token, Walker};

/// A reply's shape and the places of the sealed values in it.
#[derive(Default)]
pub enum ReplyPlan {
    /// No rule touches it: the bytes pass as they came.
    #[default]
    Raw,
    /// Nothing in it is to be opened, but something of the request was sealed.
    Sealed,
    /// Sealed parts in this shape, of a key under this scope; `None` if no rule covers it.
    Shaped(Option<Owned>, &'static Shape),
    /// Parts that name their key, which must be one of the request's, here sorted (BLPOP, XREAD).
    OfKeys(Vec<(Bytes, Option<Owned>)>, &'static Shape),
    /// A hash field's bulk string (HGET) or null.
    Field(Owned, Box<[u8]>),
    /// An array, one element per key; `None` where no rule covers the key (MGET).
    Values(Vec<Option<Owned>>),
    /// An array, one element per field (HMGET).
    Fields(Owned, Box<Names>),
    /// Fields and values, of which the client asked for the values only (HVALS).
    FieldMapValues(Owned),
    /// What a key, or its field, holds, on which this is worked out for the client (STRLEN, LPOS).
    Computed(Box<(Owned, Option<Bytes>, Computing)>),
    /// A whole key in the server's form, which is sealed for the client (DUMP).
    Payload(Box<Payload>),
    /// A step of an emulated command; whoever sent it looks at the reply.
    Step,
    /// JSON texts.
    Document(Box<DocumentPlan>),
    /// How a job ended, with a field of its hash.
    Outcome(Owned),
    /// INFO, whose topology the client must not follow, and perhaps our own section.
    Info { ours: bool },
    /// COMMAND, answered from the table if the server has no answer.
    Commands(Question),
    /// The answer to SELECT: OK, and what follows is meant for that database.
    Selected(u32),
    /// The answer to HELLO, sent for a client that is to go on in this protocol: it gets these bytes, unless it is refused.
    Greeted(Proto, Bytes),
    /// The answer to MULTI: anything but OK means that what follows runs outside of a transaction.
    Started,
    /// The answer to a command inside MULTI: QUEUED, or the server's refusal.
    Queued,
    /// The same, of which the client was told QUEUED already; EXEC's error will say what was refused.
    Told,
    /// The answer to what gives the state of a lane up (UNWATCH): OK, or the state is still there.
    Released,
    /// A client's number stands in it, once: the server's, in whose place ours is given.
    Renumber { from: u64, to: u64 },
    /// EXEC: one plan per queued command.
    Exec(Vec<ReplyPlan>),
    /// The reply is of no interest; the client gets these bytes.
    Replace(Bytes),
    /// SWAP has written what a command of a transaction was to: the client gets these bytes.
    Swapped { answer: Bytes, command: &'static str },
}

/// What names a scope, most often a key. Short ones, which most are, need no allocation.
type ScopeId = SmallVec<[u8; 40]>;

/// A [`Scope`] that outlives its request.
#[derive(Clone)]
pub struct Owned {
    kind: ScopeKind,
    id: ScopeId,
    /// The rule's; `None`: all fields are sealed.
    fields: Option<Arc<Fields>>,
    /// Whether the names of hash fields are sealed.
    pub(super) field_names: bool,
    /// Whether elements of lists are sealed always in the same way.
    pub(super) list_elements: bool,
}

/// Names out of a request, in its order, in little memory: a transaction may hold many.
pub struct Names {
    bytes: Bytes,
    ends: Vec<usize>,
}

impl Names {
    pub(super) fn from(args: Args<'_>, first: usize) -> Self {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for name in args.from(first) {
            bytes.extend_from_slice(name);
            ends.push(bytes.len());
        }
        Self { bytes: bytes.into(), ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

impl ReplyPlan {
    /// Of the answer to MULTI or to a command inside it.
    pub fn of_queueing(multi: bool, told: bool) -> Self {
        match (multi, told) {
            (true, _) => Self::Started,
            (false, false) => Self::Queued,
            (false, true) => Self::Told,
        }
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        let more = match self {
            Self::Fields(_, names) => names.bytes.len() + names.ends.len() * size_of::<usize>(),
            Self::Values(scopes) => scopes.iter().flatten().map(|s| s.id.len() + 64).sum(),
            Self::OfKeys(keys, _) => keys.iter().map(|(key, _)| 2 * key.len() + 128).sum(),
            Self::Field(_, field) => field.len(),
            Self::Payload(payload) => size_of_val(&**payload),
            Self::Computed(asked) => {
                let (_, field, computing) = &**asked;
                size_of_val(&**asked) + field.as_ref().map_or(0, Bytes::len) + computing.weight()
            }
            Self::Document(plan) => plan.weight(),
            Self::Replace(bytes) | Self::Swapped { answer: bytes, .. } | Self::Greeted(_, bytes) => bytes.len(),
            Self::Commands(question) => question.weight(),
            _ => 0,
        };
        more + size_of::<Self>()
    }

    /// Is there something in the reply to be opened?
    pub fn opens(&self) -> bool {
        matches!(
            self,
            Self::Shaped(..)
                | Self::OfKeys(..)
                | Self::Field(..)
                | Self::Values(_)
                | Self::Fields(..)
                | Self::FieldMapValues(_)
                | Self::Computed(_)
                | Self::Document(_)
                | Self::Exec(_)
        )
    }

    /// Does `frame` show that the server is not in the state that the plan takes for granted? What
    /// follows on this connection is then not what was planned, and nobody else may have it.
    pub fn is_broken_by(&self, frame: &[u8]) -> bool {
        match self {
            Self::Started | Self::Released => frame != b"+OK\r\n",
            // The command that was sent instead of the client's (UNWATCH) was refused.
            Self::Replace(_) => frame.first() == Some(&b'-'),
            Self::Greeted(..) => self.switched(frame).is_none() && frame.first() != Some(&b'-'),
            Self::Queued | Self::Told => frame != b"+QUEUED\r\n" && frame.first() != Some(&b'-'),
            _ => false,
        }
    }
}

impl ReplyPlan {
    /// Does the reply decide in which database the client is, or which protocol it speaks?
    pub fn may_switch(&self) -> bool {
        match self {
            Self::Selected(_) | Self::Greeted(..) => true,
            Self::Exec(plans) => plans.iter().any(Self::may_switch),
            _ => false,
        }
    }

    /// The protocol of what follows `frame`, if `frame` says that it has changed.
    pub fn switched(&self, frame: &[u8]) -> Option<Proto> {
        match self {
            Self::Greeted(proto, _) if frame.first() == Some(&greeting_in(*proto)) => Some(*proto),
            _ => None,
        }
    }

    /// The database that the client is in from here on, if `frame` says that it has changed.
    pub fn selected(&self, frame: &[u8]) -> Option<u32> {
        self.selected_by(&mut Walker::new(frame))
    }

    fn selected_by(&self, walk: &mut Walker<'_>) -> Option<u32> {
        match self {
            Self::Selected(db) => matches!(walk.next(), Some(Token::Simple(_))).then_some(*db),
            Self::Exec(plans) => {
                if walk.next() != Some(Token::Array(plans.len())) {
                    return None;
                }
                let mut selected = None;
                for plan in plans {
                    selected = plan.selected_by(&mut walk.clone()).or(selected);
                    walk.skip_value()?;
                }
                selected
            }
            _ => None,
        }
    }
}

impl Owned {
    pub fn of(rule: &rules::Rule, key: &[u8]) -> Self {
        let scope = scope(rule, key);
        Self {
            kind: scope.kind,
            id: ScopeId::from_slice(scope.id),
            fields: rule.fields.clone(),
            field_names: rule.deterministic.field_names,
            list_elements: rule.deterministic.list_elements,
        }
    }

    /// Whether the value of this field is sealed.
    pub(super) fn seals(&self, field: &[u8]) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.seals(field))
    }

    /// Of a value, and of a field's if there is one.
    pub(super) fn value<'a>(&'a self, field: Option<&'a [u8]>) -> Place<'a> {
        Place { purpose: Purpose::Value, scope: self.scope(), field }
    }

    pub(super) fn member(&self) -> Place<'_> {
        Place { purpose: Purpose::Member, scope: self.scope(), field: None }
    }

    pub(super) fn field_name(&self) -> Place<'_> {
        Place { purpose: Purpose::FieldName, scope: self.scope(), field: None }
    }

    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        self.id.len() + size_of::<Self>()
    }

    fn scope(&self) -> Scope<'_> {
        Scope { kind: self.kind, id: &self.id }
    }
}

/// How the answer to HELLO begins: it comes in the protocol that was asked for.
fn greeting_in(proto: Proto) -> u8 {
    match proto {
        Proto::Resp2 => b'*',
        Proto::Resp3 => b'%',
    }
}

/// A whole key's place under a scope, perhaps of this rule only.
pub(super) fn place_of_payload<'a>(owned: &'a Owned, rule: Option<&'a [u8]>) -> Place<'a> {
    Place { purpose: Purpose::Payload, scope: owned.scope(), field: rule }
}

/// A named place under a scope, of this purpose.
pub(super) fn place_in<'a>(owned: &'a Owned, purpose: Purpose, field: &'a [u8]) -> Place<'a> {
    Place { purpose, scope: owned.scope(), field: Some(field) }
}

/// The scope under which a key's values live, by the rule that covers it.
pub(super) fn scope<'a>(rule: &'a rules::Rule, key: &'a [u8]) -> Scope<'a> {
    let (kind, id) = rule.scope_of(key);
    let kind = match kind {
        rules::Scope::Key => ScopeKind::Key,
        rules::Scope::Tag => ScopeKind::Tag,
        rules::Scope::Rule => ScopeKind::Rule,
    };
    Scope { kind, id }
}
