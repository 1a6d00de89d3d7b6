//! Where plaintext becomes ciphertext and back.
//!
//! Job: seal an admitted request into a lane's [`Wire`] and make the [`ReplyPlan`] that opens its
//! reply; open a reply by its plan.
//! Inputs: [`Admitted`] requests, complete reply frames.
//! Outputs: bytes for the upstream, bytes for the client.
//! Must never: let a value of a protected key reach a [`Wire`] unsealed; hand on a reply that its
//! plan does not describe.

mod commands;
mod info;
mod open;
mod plan;
mod push;
mod seal;
mod shape;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use crate::crypto::Cipher;
use crate::policy::Policy;

pub use plan::{Owned, ReplyPlan};
pub use push::{Confirmation, Message, PushKind, confirmed_channel, push_kind};
pub use wire::{Control, Wire};

/// What one worker needs to seal and open. Not shared: the cache of derived keys is its own.
pub struct Transform {
    policy: Arc<Policy>,
    /// `None`: there is no keyring, hence no rule.
    cipher: Option<Cipher>,
    max_bulk: usize,
}

impl Transform {
    pub fn new(policy: Arc<Policy>, cipher: Option<Cipher>, max_bulk: usize) -> Self {
        Self { policy, cipher, max_bulk }
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }
}
