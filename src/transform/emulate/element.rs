//! An element of a list goes to another list: LMOVE, RPOPLPUSH, BLMOVE, BRPOPLPUSH.
//!
//! It is read where it is, and moved if it is still there. Who waits for one waits with BLMOVE of the list onto itself,
//! from one end to the same, which moves nothing and tells the element; so none is on its way while it is sealed anew.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::home::Home;
use super::swap::{Guard, Write};
use super::{Context, Next, Read, Work, unexpected};
use crate::command::Args;
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};
use crate::transform::Transform;
use crate::transform::compute::{SYNTAX, score};

const NO_TIMEOUT: &str = "ERR timeout is not a float or out of range";
const FAR_TIMEOUT: &str = "ERR timeout is out of range";
const NEGATIVE_TIMEOUT: &str = "ERR timeout is negative";
/// Redis counts milliseconds in 64 bits; from here on a time would not fit behind now.
const MAX_MILLISECONDS: f64 = 9.2e18;
/// What is left of a timeout that is over: 0 would be for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(super) struct Element {
    from: Home,
    to: Home,
    taken: End,
    put: End,
    /// How long to wait for an element: seconds, 0 for ever.
    timeout: Option<Bytes>,
    waited: Duration,
}

#[derive(Clone, Copy)]
enum End {
    Left,
    Right,
}

impl End {
    fn parse(word: Option<&[u8]>) -> Result<Self, String> {
        match word.unwrap_or_default() {
            word if word.eq_ignore_ascii_case(b"left") => Ok(Self::Left),
            word if word.eq_ignore_ascii_case(b"right") => Ok(Self::Right),
            _ => Err(SYNTAX.into()),
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Left => b"LEFT",
            Self::Right => b"RIGHT",
        }
    }

    fn index(self) -> &'static str {
        match self {
            Self::Left => "0",
            Self::Right => "-1",
        }
    }

    fn pop(self) -> &'static [u8] {
        match self {
            Self::Left => b"LPOP",
            Self::Right => b"RPOP",
        }
    }

    fn push(self) -> &'static [u8] {
        match self {
            Self::Left => b"LPUSH",
            Self::Right => b"RPUSH",
        }
    }
}

impl Element {
    pub fn of(named_ends: bool, waits: bool, admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let args = admitted.request().args();
        let (taken, put) = if named_ends {
            let end = |at| End::parse(args.get(at)).map_err(Refusal::Redis);
            (end(3)?, end(4)?)
        } else {
            (End::Right, End::Left)
        };
        let timeout = if waits { Some(timeout(args).map_err(|text| Refusal::Redis(text.into()))?) } else { None };
        let (from, to) = (Home::of(0, admitted, transform)?, Home::of(1, admitted, transform)?);
        Ok(Self { from, to, taken, put, timeout, waited: Duration::ZERO })
    }

    /// What of the timeout is left, as the command takes it.
    fn rest(&self, timeout: &Bytes) -> Bytes {
        if self.waited.is_zero() {
            return timeout.clone();
        }
        match score::parse(timeout) {
            Some(seconds) if seconds > 0.0 => {
                let rest = (seconds - self.waited.as_secs_f64()).max(SHORTEST_WAIT.as_secs_f64());
                format!("{rest:.3}").into()
            }
            _ => timeout.clone(),
        }
    }
}

/// The last argument, which the server would refuse in these words.
fn timeout(args: Args<'_>) -> Result<Bytes, &'static str> {
    let text = args.get(args.len() - 1).unwrap_or_default();
    let seconds = score::parse(text).ok_or(NO_TIMEOUT)?;
    if seconds < 0.0 {
        return Err(NEGATIVE_TIMEOUT);
    }
    if seconds * 1000.0 > MAX_MILLISECONDS {
        return Err(FAR_TIMEOUT);
    }
    Ok(Bytes::copy_from_slice(text))
}

impl Work for Element {
    fn begin(&mut self) -> Read {
        let from = self.from.key.clone();
        let fixed = Bytes::from_static;
        Read::Command(match &self.timeout {
            None => vec![fixed(b"LINDEX"), from, fixed(self.taken.index().as_bytes())],
            Some(timeout) => {
                let end = fixed(self.taken.name());
                vec![fixed(b"BLMOVE"), from.clone(), from, end.clone(), end, self.rest(timeout)]
            }
        })
    }

    fn waits(&self) -> bool {
        self.timeout.is_some()
    }

    fn waited(&mut self, long: Duration) {
        self.waited = long;
    }

    fn wait_for_nothing(&mut self) {
        self.timeout = None;
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let stored = match Walker::new(reply).next() {
            Some(Token::Bulk(stored)) => Bytes::copy_from_slice(stored),
            // None came. The server's null is the one that the client's command has, but for the protocol.
            Some(Token::Null) if at.proto == Proto::Resp3 => return Ok(Next::Answer(Bytes::from_static(b"_\r\n"))),
            Some(Token::Null) => return Ok(Next::Answer(Bytes::copy_from_slice(reply))),
            _ => return Err(unexpected()),
        };
        let element = self.from.open_value(&stored, at.transform)?;
        let sealed = self.to.seal_element(&element, at.transform)?;
        let mut answer = BytesMut::new();
        encode::bulk(&mut answer, &element);
        let guard = Guard::Element(self.from.key.clone(), self.taken.index(), stored);
        let mut write = Write::new(vec![guard], answer.freeze());
        // This one first: it fails if the other key holds no list, and then nothing was taken.
        write.run([self.put.push(), &self.to.key, &sealed].map(Bytes::copy_from_slice));
        write.run([self.taken.pop(), &self.from.key].map(Bytes::copy_from_slice));
        Ok(Next::Write(write))
    }
}
