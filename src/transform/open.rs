//! A reply frame becomes the client's bytes, by the plan made when its request was sealed.
//!
//! Fails closed: a value that does not open, or a reply of another shape than planned, becomes an
//! error. What was already written of that reply is taken back.

use std::fmt;

use bytes::BytesMut;

use super::commands::Question;
use super::emulate::{WRONG_TYPE, is_unknown_command, without_script};
use super::plan::{Names, Owned, ReplyPlan};
use super::shape::Where;
use super::{Transform, info};
use crate::crypto::{MAGIC, OVERHEAD, OpenError, Place};
use crate::resp::{Proto, Token, Walker, encode};

/// Why a reply could not be opened. Never contains any of it.
#[derive(Debug)]
pub(super) enum OpenFailure {
    Value(OpenError),
    /// The reply has another shape than the command gives.
    Shape,
    /// What the client is to get is sealed, and could not be.
    Seal(String),
}

impl From<OpenError> for OpenFailure {
    fn from(error: OpenError) -> Self {
        Self::Value(error)
    }
}

impl fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(why) => f.write_str(why),
            Self::Value(error) => write!(f, "WAXSEAL OPEN_FAILED {error}"),
            Self::Shape => f.write_str(
                "WAXSEAL UNEXPECTED_REPLY the server's reply has a shape that this command does not give, so it was not passed on. \
                 Check that the upstream speaks the Redis protocol and report the command",
            ),
        }
    }
}

/// Upstash's words for what is beyond its plan's limit: a request or reply, and a key with all that it holds. Envelopes may
/// have led there.
const TOO_LARGE: [&[u8]; 2] = [b"-ERR max request size exceeded", b"-ERR max single record size exceeded"];
const ENVELOPES_COUNT: &[u8] = b" Of these, Waxseal adds 48 bytes to each value and member that it encrypts.\r\n";

/// Stands for the rest of a server's error that repeats an argument, which is an envelope.
const REPEATED: &[u8] = b"(encrypted)";

pub(super) type Opened = Result<(), OpenFailure>;

impl Transform {
    /// Appends what the client gets for `frame`, one complete reply, to `out`.
    pub fn open(&mut self, plan: &ReplyPlan, frame: &[u8], proto: Proto, out: &mut BytesMut) {
        match plan {
            ReplyPlan::Raw | ReplyPlan::Started | ReplyPlan::Released | ReplyPlan::Selected(_) => {
                return raw(frame, out);
            }
            ReplyPlan::Sealed | ReplyPlan::Step | ReplyPlan::Queued | ReplyPlan::Told => {
                return raw_of_sealed(frame, out);
            }
            ReplyPlan::Replace(bytes) => return out.extend_from_slice(bytes),
            ReplyPlan::Renumber { from, to } => return renumber(frame, *from, *to, out),
            _ => {}
        }
        let before = out.len();
        if let Err(failure) = self.open_next(plan, &mut Walker::new(frame), proto, out) {
            out.truncate(before);
            tracing::warn!(target: "waxseal::open", "{failure}");
            encode::error(out, failure.to_string());
        }
    }

    /// Opens the next value of the walk, by `plan`.
    fn open_next(&mut self, plan: &ReplyPlan, walk: &mut Walker<'_>, proto: Proto, out: &mut BytesMut) -> Opened {
        if let ReplyPlan::Commands(question) = plan {
            let reply = walk.skip_value().ok_or(OpenFailure::Shape)?;
            if Question::is_open(reply) {
                question.answer(proto, out);
            } else {
                raw(reply, out);
            }
            return Ok(());
        }
        if walk.at_error() {
            // The server's own errors concern no value.
            let error = walk.skip_value().ok_or(OpenFailure::Shape)?;
            match plan {
                ReplyPlan::Raw => raw(error, out),
                ReplyPlan::Swapped { command, .. } => raw_of_swap(error, command, out),
                _ => raw_of_sealed(error, out),
            }
            return Ok(());
        }
        match plan {
            ReplyPlan::Raw
            | ReplyPlan::Sealed
            | ReplyPlan::Step
            | ReplyPlan::Started
            | ReplyPlan::Queued
            | ReplyPlan::Told
            | ReplyPlan::Released
            | ReplyPlan::Selected(_)
            | ReplyPlan::Renumber { .. }
            | ReplyPlan::Commands(_) => pass(walk, out),
            ReplyPlan::Replace(bytes) | ReplyPlan::Greeted(_, bytes) => {
                walk.skip_value().ok_or(OpenFailure::Shape)?;
                out.extend_from_slice(bytes);
                Ok(())
            }
            ReplyPlan::Swapped { answer, command } => match walk.next() {
                Some(Token::Integer(1)) => {
                    out.extend_from_slice(answer);
                    Ok(())
                }
                // The other database has such a key by now; that cannot be watched from here.
                Some(Token::Integer(0)) if *command == "copy" => {
                    encode::int(out, 0);
                    Ok(())
                }
                _ => Err(OpenFailure::Shape),
            },
            ReplyPlan::Shaped(scope, shape) => self.shape(shape, Where::of(scope.as_ref()), walk, proto, out),
            ReplyPlan::OfKeys(keys, shape) => self.shape(shape, Where::among(keys), walk, proto, out),
            ReplyPlan::Field(scope, field) => self.value(walk, &scope.value(Some(field)), proto, out),
            ReplyPlan::Values(scopes) => self.values(walk, scopes, proto, out),
            ReplyPlan::Fields(scope, fields) => self.fields(walk, scope, fields, proto, out),
            ReplyPlan::FieldMapValues(scope) => self.values_of_fields(walk, scope, out),
            ReplyPlan::Computed(asked) => {
                let (scope, field, computing) = &**asked;
                self.work_out(scope, field.as_deref(), computing, walk, proto, out)
            }
            ReplyPlan::Payload(payload) => self.dumped(walk, payload, proto, out),
            ReplyPlan::Document(plan) => self.open_document(plan, walk, proto, out),
            ReplyPlan::Outcome(scope) => self.outcome(walk, scope, proto, out),
            ReplyPlan::Info { ours } => {
                info::rewritten(walk, ours.then_some(&*self.costs), out).ok_or(OpenFailure::Shape)
            }
            ReplyPlan::Exec(plans) => self.exec(walk, plans, proto, out),
        }
    }

    /// One bulk string, or null.
    pub(super) fn value(
        &mut self,
        walk: &mut Walker<'_>,
        place: &Place<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        match walk.next() {
            Some(Token::Null) => {
                encode::null(out, proto);
                Ok(())
            }
            Some(Token::Bulk(sealed)) => self.bulk(sealed, place, out),
            _ => Err(OpenFailure::Shape),
        }
    }

    pub(super) fn bulk(&mut self, sealed: &[u8], place: &Place<'_>, out: &mut BytesMut) -> Opened {
        // A shorter one fails to open; its header is taken back with the rest.
        encode::bulk_header(out, sealed.len().saturating_sub(OVERHEAD));
        self.cipher.as_mut().ok_or(OpenFailure::Shape)?.open(place, sealed, out)?;
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn values(&mut self, walk: &mut Walker<'_>, scopes: &[Option<Owned>], proto: Proto, out: &mut BytesMut) -> Opened {
        array_of(walk, scopes.len(), out)?;
        for scope in scopes {
            match scope {
                Some(scope) => self.value(walk, &scope.value(None), proto, out)?,
                None => pass(walk, out)?,
            }
        }
        Ok(())
    }

    fn fields(
        &mut self,
        walk: &mut Walker<'_>,
        scope: &Owned,
        fields: &Names,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        array_of(walk, fields.len(), out)?;
        for field in fields.iter() {
            if !scope.seals(field) {
                pass(walk, out)?;
                continue;
            }
            self.value(walk, &scope.value(Some(field)), proto, out)?;
        }
        Ok(())
    }

    /// HGETALL's reply, of which only the values are given on.
    fn values_of_fields(&mut self, walk: &mut Walker<'_>, scope: &Owned, out: &mut BytesMut) -> Opened {
        let pairs = match walk.next() {
            Some(Token::Map(pairs)) => pairs,
            Some(Token::Array(items)) if items % 2 == 0 => items / 2,
            _ => return Err(OpenFailure::Shape),
        };
        encode::array_header(out, pairs);
        for _ in 0..pairs {
            self.field_and_value(walk, scope, scope.field_names, true, out)?;
        }
        Ok(())
    }

    /// A field's name, opened if it is sealed; then its value, opened unless the rule leaves it in clear.
    pub(super) fn field_and_value(
        &mut self,
        walk: &mut Walker<'_>,
        scope: &Owned,
        sealed_name: bool,
        value_only: bool,
        out: &mut BytesMut,
    ) -> Opened {
        let (Some(Token::Bulk(field)), Some(Token::Bulk(sealed))) = (walk.next(), walk.next()) else {
            return Err(OpenFailure::Shape);
        };
        let mut opened = BytesMut::new();
        let field = if sealed_name {
            self.cipher.as_mut().ok_or(OpenFailure::Shape)?.open(&scope.field_name(), field, &mut opened)?;
            &opened[..]
        } else {
            field
        };
        if !value_only {
            encode::bulk(out, field);
        }
        if !scope.seals(field) {
            encode::bulk(out, sealed);
            return Ok(());
        }
        self.bulk(sealed, &scope.value(Some(field)), out)
    }

    fn exec(&mut self, walk: &mut Walker<'_>, plans: &[ReplyPlan], proto: Proto, out: &mut BytesMut) -> Opened {
        match walk.next() {
            Some(Token::Null) => {
                encode::null_array(out, proto);
                return Ok(());
            }
            Some(Token::Array(items)) if items == plans.len() => encode::array_header(out, items),
            _ => return Err(OpenFailure::Shape),
        }
        for plan in plans {
            let start = walk.clone();
            let before = out.len();
            if let Err(failure) = self.open_next(plan, walk, proto, out) {
                // EXEC has run: the other replies are valid, this one is an error in its place.
                out.truncate(before);
                encode::error(out, failure.to_string());
                *walk = start;
                walk.skip_value().ok_or(OpenFailure::Shape)?;
            }
        }
        Ok(())
    }
}

/// The next value as it came.
pub(super) fn pass(walk: &mut Walker<'_>, out: &mut BytesMut) -> Opened {
    out.extend_from_slice(walk.skip_value().ok_or(OpenFailure::Shape)?);
    Ok(())
}

fn array_of(walk: &mut Walker<'_>, items: usize, out: &mut BytesMut) -> Opened {
    match walk.next() {
        Some(Token::Array(found)) if found == items => {
            encode::array_header(out, items);
            Ok(())
        }
        _ => Err(OpenFailure::Shape),
    }
}

/// A frame that no rule touches. Errors that would send the client to another address are replaced:
/// following them would lead past the sidecar.
pub(super) fn raw(frame: &[u8], out: &mut BytesMut) {
    let error = error_text(frame).unwrap_or_default();
    if [&b"MOVED "[..], b"ASK ", b"REDIRECT "].iter().any(|code| error.starts_with(code)) {
        tracing::warn!(target: "waxseal::open", "the upstream answered with a redirection; clusters are not supported");
        return encode::error(
            out,
            "WAXSEAL REDIRECTED the upstream sent this command to another node, which would lead past the encryption. \
             Point Waxseal at the primary of a database that is not a cluster",
        );
    }
    if let Some(at) = error.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
        return encode::error(out, [&error[..at], REPEATED].concat());
    }
    out.extend_from_slice(frame);
}

/// EXEC's error, with the server's reason for refusing one of its commands, in Redis's form for that.
pub fn aborted(reason: &[u8], out: &mut BytesMut) {
    let mut text = BytesMut::new();
    raw_of_sealed(reason, &mut text);
    let text = text.strip_suffix(b"\r\n").unwrap_or(&text);
    let text = text.strip_prefix(b"-ERR ").or(text.strip_prefix(b"-")).unwrap_or(text);
    encode::error(out, [b"EXECABORT Transaction discarded because of: ", text].concat());
}

/// The first integer `from` becomes `to`.
fn renumber(frame: &[u8], from: u64, to: u64, out: &mut BytesMut) {
    let wanted = format!(":{from}\r\n");
    match frame.windows(wanted.len()).position(|part| part == wanted.as_bytes()) {
        Some(at) => {
            out.extend_from_slice(&frame[..at]);
            out.extend_from_slice(format!(":{to}\r\n").as_bytes());
            out.extend_from_slice(&frame[at + wanted.len()..]);
        }
        None => out.extend_from_slice(frame),
    }
}

fn error_text(frame: &[u8]) -> Option<&[u8]> {
    if !matches!(frame.first(), Some(b'-' | b'!')) {
        return None;
    }
    match Walker::new(frame).next() {
        Some(Token::Error(text) | Token::BlobError(text)) => Some(text),
        _ => None,
    }
}

/// The error of a script that was to run commands for one of the client's. To what the first of them has said it adds its
/// name and line.
pub(super) fn raw_of_swap(frame: &[u8], command: &str, out: &mut BytesMut) {
    let text = error_text(frame).unwrap_or_default();
    match without_script(text) {
        _ if text.windows(9).any(|part| part == b"WRONGTYPE") => encode::error(out, WRONG_TYPE),
        words if words == text => raw_of_sealed(frame, out),
        words if is_unknown_command(words) => encode::error(out, format!("ERR unknown command '{command}'")),
        words => encode::error(out, words),
    }
}

/// A frame in which nothing is sealed, about a request or a key in which something is.
pub(super) fn raw_of_sealed(frame: &[u8], out: &mut BytesMut) {
    let too_large = |text: &&[u8]| TOO_LARGE.iter().any(|words| text.starts_with(words));
    match frame.strip_suffix(b"\r\n").filter(too_large) {
        Some(text) => {
            out.extend_from_slice(text);
            out.extend_from_slice(ENVELOPES_COUNT);
        }
        None => raw(frame, out),
    }
}
