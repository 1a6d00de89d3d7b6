//! Who may do what, out of the configuration.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::policy::{Access, ChannelNames, Grants, Identities, Identity, IdentityId, KeyNames, Passwords, Plaintext};

/// The user of Redis that a client is before it has logged in.
const NOBODY: &str = "default";

pub(super) fn identities(config: &Config) -> Identities {
    let all = grants(&config.access, config::Plaintext::Allow);
    let identities = config.identities.iter().map(|one| Identity {
        access: Access::new(&one.name, grants(&one.access, one.plaintext).within(&all)),
        certificates: one.certificates.clone(),
        uids: one.uids.clone(),
    });
    let identities: Vec<Identity> = identities.collect();
    let nobody = Access::new(NOBODY, all);
    match identities.is_empty() {
        true => Identities::of_everybody(nobody),
        false => Identities::of(nobody, identities, config.identities.iter().position(|one| one.default)),
    }
}

/// Their passwords, under the numbers that [`identities`] gives them.
pub(super) fn passwords(config: &Config) -> Passwords {
    let numbered = (1..).map(IdentityId).zip(&config.identities);
    Passwords::new(numbered.flat_map(|(id, one)| one.password_hashes.iter().map(move |hash| (id, hash.as_str()))))
}

fn grants(access: &config::Access, plaintext: config::Plaintext) -> Grants {
    let keys = access.keys.iter().map(|lists| Arc::new(KeyNames::new(&lists.all, &lists.read)));
    let channels = access.channels.iter().map(|list| Arc::new(ChannelNames::new(list)));
    Grants {
        commands: access.commands.clone().unwrap_or_else(|| Grants::default().commands),
        keys: keys.collect(),
        channels: channels.collect(),
        read_only: access.read_only,
        monitor: access.monitor,
        plaintext: match plaintext {
            config::Plaintext::Allow => Plaintext::Allow,
            config::Plaintext::Ciphertext => Plaintext::Ciphertext,
            config::Plaintext::Refuse => Plaintext::Refuse,
        },
    }
}
