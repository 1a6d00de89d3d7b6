//! A command that changes one encrypted value, in steps: read it, open it, change it here, seal it, and have
//! the database store it if the old one is still there. If it is not, begin again.
//!
//! Job: say which command comes next and what the replies mean.
//! Inputs: an [`Admitted`] request, then one reply after the other. Outputs: commands on a [`Wire`], the
//! client's reply.
//! Must never: write over a value that was not read; write plaintext.
//!
//! The comparison needs only the old value's length and its first and last bytes: the nonce is random, so no two
//! values share it, and a large value is not sent back to be compared.

use bytes::{Bytes, BytesMut};

use super::compute::{Answer, Changing};
use super::plan::{Owned, ReplyPlan};
use super::{Transform, Wire};
use crate::command::{Verdict, check_arity};
use crate::crypto::OVERHEAD;
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, Token, Walker, encode};

/// Of the old value: magic, key id and nonce.
const HEAD: usize = 32;
const TAG: usize = 16;

/// Stores a string if the old one is still there, and keeps its time to live.
const SWAP_STRING: Script = Script {
    sha1: b"82de4b9777b4a612d2e4af10979f8935a5a5da80",
    body: b"local k = KEYS[1]
if redis.call('STRLEN', k) ~= tonumber(ARGV[1]) or redis.call('GETRANGE', k, 0, 31) ~= ARGV[2]
or redis.call('GETRANGE', k, -16, -1) ~= ARGV[3] then return 0 end
redis.call('SET', k, ARGV[4], 'KEEPTTL')
return 1",
};

/// The same for a hash field. A server that has no times to live for fields says so, which is as good as none.
const SWAP_FIELD: Script = Script {
    sha1: b"b49de60a3b5cdd8b024c30057db7feaac38ab1a8",
    body: b"local k, f = KEYS[1], ARGV[5]
local old = redis.call('HGET', k, f)
if not old or #old ~= tonumber(ARGV[1]) or string.sub(old, 1, 32) ~= ARGV[2] or string.sub(old, -16) ~= ARGV[3] then return 0 end
local at = redis.pcall('HPEXPIRETIME', k, 'FIELDS', '1', f)
redis.call('HSET', k, f, ARGV[4])
if type(at) == 'table' and not at.err and at[1] and at[1] > 0 then redis.call('HPEXPIREAT', k, at[1], 'FIELDS', '1', f) end
return 1",
};

struct Script {
    sha1: &'static [u8; 40],
    body: &'static [u8],
}

/// One command that is being carried out.
pub struct Emulation {
    key: Bytes,
    /// The value is that of a hash field.
    field: Option<Bytes>,
    /// What the database calls that field.
    name: Option<Bytes>,
    scope: Owned,
    changing: Changing,
    stage: Stage,
}

enum Stage {
    Read,
    Write { old: Option<Seen>, new: Bytes, answer: Answer, script: Known },
}

/// What identifies the old value.
struct Seen {
    len: usize,
    head: Bytes,
    tag: Bytes,
}

/// Does the server have the script?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Perhaps,
    No,
}

/// What a reply has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another command is to be sent.
    Send,
    /// Somebody else has changed the value in between: the first command is to be sent again, after a while.
    Lost,
    /// The client has its reply.
    Done,
}

impl Transform {
    /// The emulation of this request, if that is what the table says.
    ///
    /// # Errors
    /// What is wrong with its arguments, in Redis's words.
    pub fn emulation(&mut self, admitted: &Admitted<'_>) -> Result<Option<Emulation>, Refusal> {
        let request = admitted.request();
        let Some(spec) = request.spec().filter(|_| admitted.is_protected()) else { return Ok(None) };
        let Verdict::Emulate(change) = spec.verdict else { return Ok(None) };
        if self.computes_in_clear(spec, admitted) {
            return Ok(None);
        }
        let args = request.args();
        let unclear = Refusal::Unclear { command: spec.name };
        if !check_arity(spec, args.len()) {
            return Err(Refusal::wrong_arity(spec.name));
        }
        let hit = admitted.hits().first().and_then(|hit| Some((args.get(hit.position)?, hit.rule?)));
        let Some((key, rule)) = hit else { return Err(unclear) };
        let policy = self.policy.clone();
        let rule = policy.rules.rules().get(rule).ok_or(unclear)?;
        let field = change.of_a_field().then(|| Bytes::copy_from_slice(args.get(2).unwrap_or_default()));
        let changing = Changing::parse(change, args).map_err(|complaint| Refusal::Redis(complaint.into()))?;
        let key = Bytes::copy_from_slice(key);
        let scope = Owned::of(rule, &key);
        let name = field.as_deref().map(|field| self.stored_name(&scope, field)).transpose()?;
        Ok(Some(Emulation { scope, key, field, name, changing, stage: Stage::Read }))
    }
}

impl Emulation {
    /// Appends the next command to `wire`.
    pub fn send(&self, wire: &mut Wire) -> ReplyPlan {
        let out = wire.buffer();
        match (&self.stage, &self.name) {
            (Stage::Read, None) => encode::command(out, &[b"GET", &self.key]),
            (Stage::Read, Some(field)) => encode::command(out, &[b"HGET", &self.key, field]),
            (Stage::Write { old: None, new, .. }, None) => encode::command(out, &[b"SET", &self.key, new, b"NX"]),
            (Stage::Write { old: None, new, .. }, Some(field)) => {
                encode::command(out, &[b"HSETNX", &self.key, field, new]);
            }
            (Stage::Write { old: Some(old), new, script, .. }, field) => {
                let swap = if field.is_some() { SWAP_FIELD } else { SWAP_STRING };
                let (command, name): (&[u8], &[u8]) = match script {
                    Known::Perhaps => (b"EVALSHA", swap.sha1),
                    Known::No => (b"EVAL", swap.body),
                };
                let len = old.len.to_string();
                let args = [command, name, b"1", &self.key, len.as_bytes(), &old.head, &old.tag, new];
                let field = field.as_ref().map(|f| &f[..]);
                let args: Vec<&[u8]> = args.into_iter().chain(field).collect();
                encode::command(out, &args);
            }
        }
        ReplyPlan::Step
    }

    /// Takes the reply to what was sent last. Writes the client's reply to `out` when it is [`Turn::Done`].
    pub fn take(&mut self, frame: &[u8], transform: &mut Transform, proto: Proto, out: &mut BytesMut) -> Turn {
        match &mut self.stage {
            Stage::Read => match self.change(frame, transform, proto, out) {
                Ok(turn) => turn,
                Err(complaint) => {
                    encode::error(out, complaint);
                    Turn::Done
                }
            },
            Stage::Write { answer, script, .. } => match written(frame) {
                Written::Yes => {
                    answer.write(proto, out);
                    Turn::Done
                }
                Written::Lost => {
                    self.stage = Stage::Read;
                    Turn::Lost
                }
                Written::NoScript if *script == Known::Perhaps => {
                    *script = Known::No;
                    Turn::Send
                }
                Written::NoScript | Written::Refused => {
                    super::open::raw_of_sealed(frame, out);
                    Turn::Done
                }
            },
        }
    }

    /// The value was read.
    fn change(
        &mut self,
        frame: &[u8],
        transform: &mut Transform,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Result<Turn, String> {
        let sealed = match Walker::new(frame).next() {
            Some(Token::Bulk(sealed)) => Some(sealed),
            Some(Token::Null) => None,
            Some(Token::Error(_) | Token::BlobError(_)) => {
                super::open::raw_of_sealed(frame, out);
                return Ok(Turn::Done);
            }
            _ => return Err(super::open::OpenFailure::Shape.to_string()),
        };
        let place = self.scope.value(self.field.as_deref());
        let old = match sealed {
            Some(sealed) => Some(transform.open_value(&place, sealed).map_err(|failure| failure.to_string())?),
            None => None,
        };
        let (new, answer) = self.changing.apply(old.as_deref())?;
        let Some(new) = new else {
            answer.write(proto, out);
            return Ok(Turn::Done);
        };
        let new = transform.seal_value(&place, &new).map_err(|refusal| refusal.to_string())?;
        // What opened is longer than head and tag.
        let seen = sealed.map(|sealed| Seen {
            len: sealed.len(),
            head: Bytes::copy_from_slice(&sealed[..HEAD.min(sealed.len())]),
            tag: Bytes::copy_from_slice(&sealed[sealed.len().saturating_sub(TAG)..]),
        });
        self.stage = Stage::Write { old: seen, new, answer, script: Known::Perhaps };
        Ok(Turn::Send)
    }
}

/// What became of the write.
enum Written {
    Yes,
    Lost,
    NoScript,
    Refused,
}

fn written(frame: &[u8]) -> Written {
    match Walker::new(frame).next() {
        // SET NX, HSETNX, and the scripts.
        Some(Token::Simple(_) | Token::Integer(1)) => Written::Yes,
        Some(Token::Null | Token::Integer(0)) => Written::Lost,
        Some(Token::Error(text)) if text.starts_with(b"NOSCRIPT") => Written::NoScript,
        // The key holds another type now. Reading it says so in the client's terms.
        Some(Token::Error(text) | Token::BlobError(text)) if contains(text, b"WRONGTYPE") => Written::Lost,
        _ => Written::Refused,
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

const _: () = assert!(HEAD + TAG == OVERHEAD);

#[cfg(test)]
mod tests {
    use super::{SWAP_FIELD, SWAP_STRING};
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    #[test]
    fn scripts_are_called_by_their_names() {
        for script in [SWAP_STRING, SWAP_FIELD] {
            let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, script.body);
            let name: String = sha1.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(String::from_utf8_lossy(script.sha1), name);
        }
    }
}
