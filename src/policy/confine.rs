//! Requests of somebody who may not do everything.
//!
//! Job: ask for every key and channel of a request, and for what a script would do, whether this identity may.
//! In: a request of which the command itself is permitted. Out: nothing, or a [`Refusal`].
//! Must never: let a script through of which it is not known what it does.

use super::{Access, Policy, Refusal, Scratch, Scripts};
use crate::command::{Flags, Request, Spec};

impl Policy {
    pub(super) fn check_confined(
        &self,
        access: &Access,
        spec: &'static Spec,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Refusal> {
        if access.names_matter() {
            let Scratch { positions, channels, .. } = scratch;
            if spec.keys(request.args(), positions).is_err()
                || spec.channel_positions(request.args(), channels).is_err()
            {
                return Err(Refusal::Unclear { command: spec.name });
            }
            access.check_names(spec, request.args(), positions, channels)?;
        }
        match spec.name {
            // It could take the place of a function that the operator has named.
            "function|load" | "function|restore" => {
                Err(Refusal::ScriptBeyond { user: access.user().clone(), command: spec.name, unproven: None })
            }
            _ if spec.flags.has(Flags::SCRIPT) => self.check_script(access, spec, request),
            _ => Ok(()),
        }
    }

    /// What a script does, the server does for the sidecar's own user. So somebody who may not do everything runs those of
    /// which it is known that they do no more than that.
    fn check_script(&self, access: &Access, spec: &'static Spec, request: &Request<'_>) -> Result<(), Refusal> {
        let user = || access.user().clone();
        let name = request.args().get(1).unwrap_or_default();
        let unseen = |unproven| Err(Refusal::ScriptBeyond { user: user(), command: spec.name, unproven });
        let known = match spec.name {
            "eval" | "eval_ro" => self.library.learn(name),
            "evalsha" | "evalsha_ro" => self.library.find(name).ok_or(Refusal::NoScript)?,
            _ => {
                // The operator's word is about keys, and of one that is named its code is known, too.
                let is_named = self.functions.contains(&name.to_ascii_lowercase()) && access.may_call_data();
                // Nor is it about the names that somebody else's function is given.
                let is_trusted =
                    is_named || (self.scripts == Scripts::Trust && access.may_call_all() && !access.confines_keys());
                return if is_trusted && !access.confines_channels() { Ok(()) } else { unseen(None) };
            }
        };
        let proven = match &known.verdict {
            Ok(proven) => proven,
            // The word of the operator is about the application's scripts; who is confined may write others.
            Err(_) if self.scripts == Scripts::Trust && access.may_call_all() && !access.names_matter() => {
                return Ok(());
            }
            // What a listed script does was read by people, but for the names that it is given and builds.
            Err(_) if known.row.is_some() && access.may_call_data() && !access.names_matter() => return Ok(()),
            Err(unproven) => return unseen(Some(*unproven)),
        };
        if let Some(beyond) = access.first_not_listed(&proven.commands) {
            return Err(Refusal::NoCommandInScript { user: user(), command: beyond.name });
        }
        if (proven.foreign && access.confines_keys()) || proven.publishes_to_key && access.confines_channels() {
            return unseen(None);
        }
        if !proven.channels.iter().all(|channel| access.may_use_channel(&channel.0)) {
            return Err(Refusal::NoChannel);
        }
        Ok(())
    }
}
