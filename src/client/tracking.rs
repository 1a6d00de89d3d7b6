//! CLIENT TRACKING: what is asked for, and what of it the server has confirmed.

use crate::command::Args;

const SYNTAX: &str = "ERR syntax error";
const NO_SUCH_CLIENT: &str = "ERR The client ID you want redirect to does not exist";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// A client's tracking. As long as it is on, or being switched, the server knows the client by its lane.
#[derive(Default)]
pub struct Tracking {
    pub on: Option<Tracked>,
    /// What is in force when the reply to this request is OK.
    pub asked: Option<(u64, Option<Tracked>)>,
}

#[derive(Debug, Clone, Default)]
pub struct Tracked {
    pub redirect: Option<Redirect>,
    pub broadcast: bool,
    /// The client that the invalidations went to is gone.
    pub broken: bool,
}

/// Where invalidations go instead: by our number of that client, and by the server's of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect {
    pub client: u64,
    pub connection: u64,
}

impl Tracking {
    pub fn holds_lane(&self) -> bool {
        self.on.is_some() || self.asked.is_some()
    }

    /// The reply to request `seq` has come. `true` if it decided about tracking.
    pub fn settle(&mut self, seq: u64, accepted: bool) -> bool {
        match self.asked.take_if(|(asked, _)| *asked == seq) {
            Some((_, state)) if accepted => self.on = state,
            Some(_) => {}
            None => return false,
        }
        true
    }
}

/// CLIENT TRACKING ON|OFF and its options, understood in full.
pub struct Asked<'a> {
    pub on: bool,
    /// Our number of a client.
    pub redirect: Option<u64>,
    pub broadcast: bool,
    /// The other options as they are to be sent.
    pub options: Vec<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// Redis's words for what is wrong. What does not go together is left to the server to say.
    pub fn parse(args: Args<'a>) -> Result<Self, &'static str> {
        let mut asked = Self { on: args.is(2, "ON"), redirect: None, broadcast: false, options: Vec::new() };
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "REDIRECT") && at + 1 < args.len() {
                at += 1;
                let id = args.get(at).and_then(super::filter::integer).ok_or(NOT_AN_INTEGER)?;
                if asked.redirect.is_some() {
                    return Err("ERR A client can only redirect to a single other client");
                }
                asked.redirect = Some(u64::try_from(id).map_err(|_| NO_SUCH_CLIENT)?);
            } else if args.is(at, "PREFIX") && at + 1 < args.len() {
                at += 1;
                asked.options.extend([&b"PREFIX"[..], args.get(at).unwrap_or_default()]);
            } else {
                let words = ["BCAST", "OPTIN", "OPTOUT", "NOLOOP"];
                let word = words.into_iter().find(|word| args.is(at, word)).ok_or(SYNTAX)?;
                asked.broadcast |= word == "BCAST";
                asked.options.push(word.as_bytes());
            }
            at += 1;
        }
        if asked.on || args.is(2, "OFF") { Ok(asked) } else { Err(SYNTAX) }
    }

    /// What it leads to, if the server agrees.
    pub fn state(&self, connection: Option<u64>) -> Option<Tracked> {
        let redirect = self.redirect.zip(connection).map(|(client, connection)| Redirect { client, connection });
        self.on.then_some(Tracked { redirect, broadcast: self.broadcast, broken: false })
    }
}

/// Nobody has that number.
pub fn no_such_client() -> String {
    NO_SUCH_CLIENT.into()
}
