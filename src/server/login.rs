//! Logins: AUTH, and HELLO with it.
//!
//! A password that is not known to be right costs an Argon2, on another thread; the request waits in the input
//! meanwhile, and no other client does. Where wrong ones came from, every further try waits first, right or wrong, so
//! that waiting tells nothing; but a password that was right before never waits.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::desk::{Desk, Hold};
use super::sink::Sink;
use crate::client::{self, Credentials, Verdict, WRONG_PASSWORD};
use crate::command::{Request, Spec};
use crate::policy::{Guesses, IdentityId, Origin, Passwords, Refusal, Who};
use crate::trail::{self, What};

/// Argon2s at once in the process: each takes some 20 MB, and a core.
const AT_ONCE: usize = 4;
/// Wrong passwords on one connection; then it is closed.
const MAX_WRONG: u32 = 10;

/// What all logins of the process need.
#[derive(Debug)]
pub struct Logins {
    passwords: Passwords,
    guesses: Mutex<Guesses>,
    checks: Semaphore,
}

impl Logins {
    #[must_use]
    pub fn new(passwords: Passwords) -> Self {
        Self { passwords, guesses: Mutex::default(), checks: Semaphore::new(AT_ONCE) }
    }

    fn delay(&self, origin: Origin) -> Duration {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).delay(origin, Instant::now())
    }

    fn note_wrong(&self, origin: Origin) {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).note(origin, Instant::now());
    }
}

impl Default for Logins {
    /// Of nobody.
    fn default() -> Self {
        Self::new(Passwords::default())
    }
}

/// A longer password is wrong, whatever it is: to look at it costs time that others wait.
const MAX_PASSWORD: usize = 4096;

/// How far the login that waits at the head of the input is.
#[derive(Default)]
pub(super) enum Login {
    #[default]
    None,
    Checking,
    Checked {
        verdict: Verdict,
        /// A wrong one is counted already.
        counted: bool,
    },
}

impl Desk {
    /// Finds out whether this command's login is right, if it is one; stalls until that is known.
    pub(super) fn check_login(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let Some(offered) = client::credentials(spec, request.args()) else { return Ok(()) };
        let named = self.worker.policy().identities.are_named();
        if named && self.in_multi() {
            return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
        }
        let login = std::mem::take(&mut self.sink.inner().login);
        match login {
            Login::None => {}
            Login::Checking => {
                self.sink.inner().login = Login::Checking;
                return Err(Hold::Stall);
            }
            Login::Checked { verdict, counted } => {
                self.conclude(verdict, counted);
                return Ok(());
            }
        }
        let delay = self.worker.shared.logins.delay(self.origin);
        match self.known(&offered, named) {
            Some(verdict) if verdict.is_ok() || delay.is_zero() => {
                self.conclude(verdict, false);
                return Ok(());
            }
            Some(verdict) => self.find_out(delay, false, async move |_| verdict),
            None => {
                let id = offered.user.unwrap_or(b"default");
                let id = self.worker.policy().identities.named(id);
                let who = id.map(|id| self.worker.policy().identities.who(id));
                let password = zeroize::Zeroizing::new(offered.password.to_vec());
                let origin = self.origin;
                self.find_out(delay, true, async move |sink| try_password(&sink, origin, who, password).await);
            }
        }
        Err(Hold::Stall)
    }

    /// Of a login inside MULTI, where there are no identities.
    pub(super) fn verdict_at_once(&self, spec: &'static Spec, request: &Request<'_>) -> Option<Verdict> {
        let logins = &self.worker.shared.logins;
        if !logins.delay(self.origin).is_zero() {
            return None;
        }
        let offered = client::credentials(spec, request.args())?;
        let verdict = self.known(&offered, self.worker.policy().identities.are_named())?;
        if verdict.is_err() {
            logins.note_wrong(self.origin);
            self.sink.tell(What::LoginFailed);
        }
        Some(verdict)
    }

    /// What is known without work.
    fn known(&self, offered: &Credentials<'_>, named: bool) -> Option<Verdict> {
        let shared = &self.worker.shared;
        let identities = &shared.policy.identities;
        if offered.password.len() > MAX_PASSWORD {
            return Some(Err(WRONG_PASSWORD));
        }
        if !named {
            return Some(shared.secrets.check(offered, identities));
        }
        let id = identities.named(offered.user.unwrap_or(b"default"))?;
        shared.logins.passwords.was_right(id, offered.password).then(|| Ok(identities.who(id)))
    }

    fn find_out(&self, delay: Duration, counted: bool, check: impl AsyncFnOnce(Rc<Sink>) -> Verdict + 'static) {
        self.sink.inner().login = Login::Checking;
        let sink = self.sink.clone();
        tokio::task::spawn_local(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let verdict = check(sink.clone()).await;
            sink.inner().login = Login::Checked { verdict, counted };
            sink.wake();
        });
    }

    fn conclude(&mut self, verdict: Verdict, counted: bool) {
        if let (Ok(who), Some(trail)) = (&verdict, &self.worker.trail) {
            trail.event(trail::Who { identity: who.id, client: self.sink.info.id }, What::LoggedIn);
        }
        if verdict.is_err() {
            if !counted {
                self.worker.shared.logins.note_wrong(self.origin);
                self.sink.tell(What::LoginFailed);
            }
            self.wrong_logins += 1;
            if self.wrong_logins >= MAX_WRONG {
                tracing::warn!(target: "waxseal::server", client = self.sink.info.id, "a client was cut after {MAX_WRONG} wrong passwords");
                // After the answer, as after QUIT.
                self.sink.inner().session.ended = true;
            }
        }
        self.verdict = Some(verdict);
    }
}

/// A wrong one is counted here, for who does not wait for the answer has guessed all the same.
async fn try_password(sink: &Sink, origin: Origin, who: Option<Who>, password: zeroize::Zeroizing<Vec<u8>>) -> Verdict {
    let shared = Arc::clone(&sink.worker.shared);
    let wrong = || {
        shared.logins.note_wrong(origin);
        sink.tell(What::LoginFailed);
        Err(WRONG_PASSWORD)
    };
    // The semaphore is never closed.
    let Ok(_permit) = shared.logins.checks.acquire().await else { return Err(WRONG_PASSWORD) };
    let left = sink.inner().end.is_some();
    if left {
        return wrong();
    }
    let id: Option<IdentityId> = who.as_ref().map(|who| who.id);
    let checked = Arc::clone(&shared);
    let right = tokio::task::spawn_blocking(move || checked.logins.passwords.verify(id, &password)).await;
    match (right, who) {
        (Ok(true), Some(who)) => Ok(who),
        _ => wrong(),
    }
}
