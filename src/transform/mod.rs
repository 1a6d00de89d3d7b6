//! Where plaintext becomes ciphertext and back.
//!
//! Job: seal an admitted request into a lane's [`Wire`] and make the [`ReplyPlan`] that opens its
//! reply; open a reply by its plan.
//! Inputs: [`Admitted`] requests, complete reply frames.
//! Outputs: bytes for the upstream, bytes for the client.
//! Must never: let a value of a protected key reach a [`Wire`] unsealed; hand on a reply that its
//! plan does not describe.

mod commands;
mod compute;
mod computed;
mod emulate;
mod info;
mod json;
mod open;
mod payload;
mod place;
mod plan;
mod push;
mod script;
mod seal;
mod shape;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::crypto::{Cipher, OVERHEAD, Place, Purpose};
use crate::policy::{Admitted, Policy, Refusal};
use open::OpenFailure;

use emulate::Locking;
pub use emulate::{Emulation, Outlook, Queued, Rehearsal, Rehearsed, Round, Turn};
pub use info::Costs;
pub use open::aborted;
pub use plan::{Owned, ReplyPlan};
pub use push::{Confirmation, Invalidation, Message, PushKind, confirmed_channel, push_kind};
pub use script::stored_values;
pub use wire::{Control, Wire};

/// What one worker needs to seal and open. Not shared: the cache of derived keys is its own.
pub struct Transform {
    policy: Arc<Policy>,
    /// `None`: there is no keyring, hence no rule.
    cipher: Option<Cipher>,
    max_bulk: usize,
    /// Of the scripts by which commands are carried out here.
    locking: Locking,
    /// What they cost; shared by all workers.
    costs: Arc<Costs>,
}

impl Transform {
    pub fn new(policy: Arc<Policy>, cipher: Option<Cipher>, max_bulk: usize) -> Self {
        Self { policy, cipher, max_bulk, locking: Locking::default(), costs: Arc::default() }
    }

    /// Counts there what is carried out here.
    #[must_use]
    pub fn counting_in(self, costs: Arc<Costs>) -> Self {
        Self { costs, ..self }
    }

    /// Another one of the same policy and keys, for another thread.
    #[must_use]
    pub fn twin(&self) -> Self {
        let cipher = self.cipher.as_ref().map(Cipher::twin);
        Self {
            policy: self.policy.clone(),
            cipher,
            max_bulk: self.max_bulk,
            locking: self.locking,
            costs: self.costs.clone(),
        }
    }

    /// How many values did not open so far.
    pub fn failures(&self) -> u64 {
        self.cipher.as_ref().map_or(0, Cipher::failures)
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// One value for itself, opened.
    fn open_value(&mut self, place: &Place<'_>, sealed: &[u8]) -> Result<BytesMut, OpenFailure> {
        let mut plain = BytesMut::with_capacity(sealed.len());
        self.cipher.as_mut().ok_or(OpenFailure::Shape)?.open(place, sealed, &mut plain)?;
        Ok(plain)
    }

    /// The request's first key and where its values live.
    fn first_key(&self, admitted: &Admitted<'_>) -> Result<(Bytes, Owned), Refusal> {
        let args = admitted.request().args();
        let unclear = || Refusal::Unclear { command: admitted.request().spec().map_or("", |spec| spec.name) };
        let hit = admitted.hits().first().ok_or_else(unclear)?;
        let key = args.get(hit.position).ok_or_else(unclear)?;
        let rule = hit.rule.and_then(|rule| self.policy.rules.rules().get(rule)).ok_or_else(unclear)?;
        Ok((Bytes::copy_from_slice(key), Owned::of(rule, key)))
    }

    /// What the database calls a hash field.
    fn stored_name(&mut self, scope: &Owned, field: &[u8]) -> Result<Bytes, Refusal> {
        if !scope.field_names {
            return Ok(Bytes::copy_from_slice(field));
        }
        self.seal_value(&scope.field_name(), field)
    }

    /// One value for itself: a member or a name always in the same way, or the server could not find it again.
    fn seal_value(&mut self, place: &Place<'_>, value: &[u8]) -> Result<Bytes, Refusal> {
        let as_always = matches!(place.purpose, Purpose::Member | Purpose::FieldName);
        self.seal_one(place, value, as_always)
    }

    /// Always in the same way, whatever it is.
    fn seal_as_always(&mut self, place: &Place<'_>, value: &[u8]) -> Result<Bytes, Refusal> {
        self.seal_one(place, value, true)
    }

    fn seal_one(&mut self, place: &Place<'_>, value: &[u8], as_always: bool) -> Result<Bytes, Refusal> {
        if value.len() + OVERHEAD > self.max_bulk {
            return Err(Refusal::TooLarge);
        }
        let cipher = self.cipher.as_mut().ok_or_else(|| Refusal::Seal("there is no keyring".into()))?;
        let mut sealed = BytesMut::with_capacity(value.len() + OVERHEAD);
        if as_always {
            cipher.seal_deterministic(place, value, &mut sealed)
        } else {
            cipher.seal(place, value, &mut sealed)
        }
        .map_err(|e| Refusal::Seal(e.to_string()))?;
        Ok(sealed.freeze())
    }
}
