//! CLIENT TRACKING and what belongs to it. The server tracks by connection, so the client has one of its own.
//!
//! Must never: hand a client an invalidation that it, or another client for it, has not asked for.

use std::time::Instant;

use super::attach::Need;
use super::desk::{Desk, Hold};
use super::orders::LOOK_AGAIN;
use crate::client::{self, Asked};
use crate::command::{Request, Spec};
use crate::policy::Refusal;
use crate::resp::encode;
use crate::transform::{Control, ReplyPlan};
use crate::upstream::{Class, Frames, Lane};

const NOT_TRACKING: &str =
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
const IN_MULTI: &str = "is not possible inside MULTI";
const NO_LANE: &str = "can redirect only to a client that is subscribed: \
    it is to SUBSCRIBE to __redis__:invalidate first, and the server has to tell the number of its connection";

impl Desk {
    pub(super) fn tracking(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let (in_multi, asked, on) = {
            let session = &self.sink.inner().session;
            (session.in_multi(), session.tracking.asked.is_some(), session.tracking.on.is_some())
        };
        if in_multi {
            return Err(Refusal::Mode { command: spec.name, why: IN_MULTI }.into());
        }
        if asked {
            return Err(Hold::Stall);
        }
        match spec.name {
            "client|tracking" => self.track(spec, request, on),
            "client|caching" if on => {
                self.forward(request, Need::Shared)?;
                self.set_caching();
                Ok(())
            }
            "client|caching" => Err(Hold::Refuse(NOT_TRACKING.into())),
            _ => self.ask_about_tracking(request),
        }
    }

    fn track(&mut self, spec: &'static Spec, request: &Request<'_>, on: bool) -> Result<(), Hold> {
        let asked = Asked::parse(request.args()).map_err(|text| Hold::Refuse(text.into()))?;
        if !asked.on && !on {
            self.say(|out| encode::simple(out, "OK"));
            return Ok(());
        }
        // For its access check: there is no key in it, and what is sent is put together here.
        self.worker.policy().admit(self.who(), *request, &mut self.scratch)?;
        let connection = asked.redirect.map(|client| self.connection_of(spec, client)).transpose()?;
        let lane = self.attach(Need::Pinned(Class::Dedicated))?;
        self.keep_lane()?;
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Tracking { on: asked.on, redirect: connection, options: &asked.options });
            Ok::<_, Hold>(ReplyPlan::Raw)
        })?;
        self.expect(1);
        self.sink.inner().session.tracking.asked = Some((seq, asked.state(connection)));
        Ok(())
    }

    /// The server's number of the connection on which that client is subscribed.
    fn connection_of(&mut self, spec: &'static Spec, client: u64) -> Result<u64, Hold> {
        let Some(target) = self.worker.shared.registry.find(client) else {
            return Err(Hold::Refuse(client::no_such_client()));
        };
        match target.subscribed_on() {
            Some(0) => {
                self.sink.wake_at(Instant::now() + LOOK_AGAIN);
                Err(Hold::Stall)
            }
            Some(connection) if connection != Lane::NO_NUMBER => {
                target.set_target();
                Ok(connection)
            }
            _ => Err(Refusal::Mode { command: spec.name, why: NO_LANE }.into()),
        }
    }

    /// TRACKINGINFO and GETREDIR: the server knows, but it numbers clients otherwise.
    fn ask_about_tracking(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let redirect = self.sink.inner().session.tracking.on.as_ref().and_then(|on| on.redirect);
        let plan = redirect.map_or(ReplyPlan::Raw, |r| ReplyPlan::Renumber { from: r.connection, to: r.client });
        self.send_as(request, plan)?;
        if self.caching {
            self.set_caching();
        }
        Ok(())
    }

    /// CLIENT CACHING was sent: it is about the next command, which must be the client's.
    fn set_caching(&mut self) {
        self.caching = true;
        if let Some(lane) = self.attached.lane() {
            lane.set_caching();
        }
    }

    /// After another command: it was the one that CLIENT CACHING was about, also if it did not reach the server.
    pub(super) fn end_caching(&mut self) {
        self.caching = false;
        if let Some(lane) = self.attached.lane().filter(|lane| lane.is_caching()) {
            lane.tell(Control::Ping);
        }
    }
}
