//! One line: a JSON object whose last member is its MAC.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::crypto::{MacKey, Timestamp};

/// Before the first line of a log stands this.
pub(super) const START: [u8; 32] = [0; 32];
const MAC: &str = ",\"mac\":\"";
/// `,"mac":"` 64 hexadecimal digits `"}`
const TAIL: usize = MAC.len() + 64 + 2;

/// The members of a line. Each event has those that it needs; `docs/audit.md` tells which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub seq: u64,
    pub at: String,
    pub event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The MAC of the line before the first one of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

impl Line {
    #[must_use]
    pub fn of(event: &str, at: SystemTime) -> Self {
        Self { event: event.into(), at: moment(at), ..Self::default() }
    }
}

/// The end of a log: what the next line is chained to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub seq: u64,
    pub mac: [u8; 32],
}

impl End {
    /// Of a log without lines.
    pub const NOTHING: Self = Self { seq: 0, mac: START };

    /// Appends `line` as the next one.
    pub fn append(&mut self, mut line: Line, key: &MacKey, to: &mut Vec<u8>) {
        line.seq = self.seq + 1;
        let text = serde_json::to_string(&line).expect("numbers and text can be written as JSON");
        let body = text.strip_suffix('}').unwrap_or(&text);
        let mac = key.mac(&self.mac, body.as_bytes());
        *self = Self { seq: line.seq, mac };
        to.extend_from_slice(body.as_bytes());
        to.extend_from_slice(MAC.as_bytes());
        to.extend_from_slice(hex(&mac).as_bytes());
        to.extend_from_slice(b"\"}\n");
    }
}

/// A line as it was found, without its newline.
pub(super) struct Found<'a> {
    pub line: Line,
    body: &'a [u8],
    pub mac: [u8; 32],
}

impl<'a> Found<'a> {
    /// `None` if it does not look like one.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (body, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
        let digits = tail.strip_prefix(MAC.as_bytes())?.strip_suffix(b"\"}")?;
        let mac = from_hex(digits)?;
        let whole = [body, b"}"].concat();
        let line = serde_json::from_slice(&whole).ok()?;
        Some(Self { line, body, mac })
    }

    /// Is it, unchanged, the one that follows the line with the MAC `previous`?
    pub fn follows(&self, previous: &[u8; 32], key: &MacKey) -> bool {
        key.verifies(previous, self.body, &self.mac)
    }

    pub fn end(&self) -> End {
        End { seq: self.line.seq, mac: self.mac }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn from_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() == 64 && text.is_ascii())?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[pair..pair + 2], 16).ok()?;
    }
    Some(bytes)
}

/// As RFC 3339 has it, in UTC, to the millisecond.
fn moment(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = Timestamp::from_unix(since.as_secs()).map(|t| t.to_string()).unwrap_or_default();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since.subsec_millis())
}
