//! Whom a client is taken for.
//!
//! Job: hold the configured identities, and find one by what a client shows. In: names, user ids, names of
//! certificates. Out: [`IdentityId`] and its [`Access`].
//! Must never: hold a password, or take one for another because a name is a part of it.

use std::sync::Arc;

use super::access::Access;

/// An index into the configured identities. 0 is whoever has not said who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub u16);

/// Somebody, with the name that is shown.
#[derive(Debug, Clone)]
pub struct Who {
    pub id: IdentityId,
    pub name: Arc<str>,
}

/// One identity and how its clients are known, beside their password.
#[derive(Debug, Clone)]
pub struct Identity {
    pub access: Access,
    /// Names in the certificate that the client showed.
    pub certificates: Vec<String>,
    /// User ids of processes that connect over a unix socket.
    pub uids: Vec<u32>,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Identities {
    /// The first is what holds for a client that is nobody.
    all: Vec<Identity>,
    /// Whom a client is taken for that has not said who it is; `None`: it has to say.
    unnamed: Option<IdentityId>,
    confine: bool,
}

impl Identities {
    /// Nobody has to say who it is, and this is what all may do.
    #[must_use]
    pub fn of_everybody(access: Access) -> Self {
        let confine = access.is_confined();
        let nobody = Identity { access, certificates: Vec::new(), uids: Vec::new() };
        Self { all: vec![nobody], unnamed: Some(IdentityId::default()), confine }
    }

    /// These, of which the one at `default` is taken for whoever has not said who it is.
    #[must_use]
    pub fn of(nobody: Access, identities: Vec<Identity>, default: Option<usize>) -> Self {
        let mut all = Self::of_everybody(nobody).all;
        all.extend(identities);
        let confine = all.iter().any(|one| one.access.is_confined());
        Self { all, unnamed: default.and_then(|at| number(at + 1)), confine }
    }

    /// Are there any, so that clients are to say who they are?
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.all.len() > 1
    }

    #[must_use]
    #[inline]
    pub fn access(&self, id: IdentityId) -> &Access {
        // An id comes from here, so it is one; were it not, it would be nobody's.
        let one = self.all.get(usize::from(id.0)).unwrap_or(&self.all[0]);
        &one.access
    }

    /// Whom a client is taken for that has not said who it is.
    #[must_use]
    pub fn unnamed(&self) -> Option<Who> {
        self.unnamed.map(|id| self.who(id))
    }

    #[must_use]
    pub fn who(&self, id: IdentityId) -> Who {
        Who { id, name: self.access(id).user().clone() }
    }

    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<IdentityId> {
        self.position(|one| one.access.user().as_bytes() == name)
    }

    #[must_use]
    pub fn of_uid(&self, uid: u32) -> Option<IdentityId> {
        self.position(|one| one.uids.contains(&uid))
    }

    /// The first identity that has one of these names of a certificate.
    #[must_use]
    pub fn of_certificate(&self, names: &[String]) -> Option<IdentityId> {
        self.position(|one| one.certificates.iter().any(|own| names.contains(own)))
    }

    /// Is anybody not to do everything?
    pub(super) fn confine(&self) -> bool {
        self.confine
    }

    fn position(&self, is: impl Fn(&Identity) -> bool) -> Option<IdentityId> {
        self.all.iter().skip(1).position(is).and_then(|at| number(at + 1))
    }
}

impl Default for Identities {
    fn default() -> Self {
        Self::of_everybody(Access::default())
    }
}

fn number(at: usize) -> Option<IdentityId> {
    u16::try_from(at).ok().map(IdentityId)
}
