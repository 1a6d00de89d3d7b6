//! What comes out of this room: a request that was let through.

use std::sync::Arc;

use super::script::pack::Script;
use super::scripts::Grant;
use crate::command::{ChannelPositions, KeyPositions, Method, Request};

/// One key (or channel) of a request and the rule that covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHit {
    /// Index of the argument, the command name being 0.
    pub position: usize,
    /// Index into [`super::rules::RuleSet::rules`].
    pub rule: Option<usize>,
}

/// Buffers that one connection reuses from request to request.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) positions: KeyPositions,
    pub(super) channels: ChannelPositions,
    pub(super) hits: Vec<KeyHit>,
}

/// A request that access control let through, with the rule of each of its keys.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub(super) request: Request<'a>,
    pub(super) hits: &'a [KeyHit],
    pub(super) protected: bool,
    pub(super) grant: Grant,
    pub(super) method: Option<Method>,
    /// The name of who asked, if that one may not see plaintext.
    pub(super) blind: Option<Arc<str>>,
    /// Neither is anything sealed, nor opened.
    pub(super) as_stored: bool,
}

impl<'a> Admitted<'a> {
    /// No rule has to do with it.
    pub(super) fn plain(request: Request<'a>) -> Self {
        let (grant, method) = (Grant::Plain, None);
        Self { request, hits: &[], protected: false, grant, method, blind: None, as_stored: false }
    }

    pub fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// Every key or channel of the request, in the order of its arguments.
    pub fn hits(&self) -> &'a [KeyHit] {
        self.hits
    }

    /// Does a rule cover at least one of them, or may it cover what its patterns come to name, so that there is
    /// something to seal or to open?
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    /// The name of who asked, if that one may not see plaintext.
    pub fn blind(&self) -> Option<&Arc<str>> {
        self.blind.as_ref()
    }

    /// Are request and reply to pass as they are, because who asked is to see what lies in the database?
    pub fn is_as_stored(&self) -> bool {
        self.as_stored
    }

    /// How it is to be carried out here, if the server cannot do it.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// The row of a listed script, and the key and rule under whose scope its values are.
    pub fn listed_script(&self) -> Option<(&'static Script, KeyHit)> {
        match self.grant {
            Grant::Plain => None,
            Grant::Listed { script, rule, key } => Some((script, KeyHit { position: key, rule: Some(rule) })),
        }
    }
}
