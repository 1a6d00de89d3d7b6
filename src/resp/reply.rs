//! Finds where a reply ends, RESP2 and RESP3.
//!
//! Input: the bytes not yet consumed, again and again as they grow; a large reply may be taken away piece by piece.
//! Output: the length of the whole frame. Checks what the next reader relies on: types, lengths, line ends,
//! depth.
//!
//! Must never: recurse, or take a header's word for an allocation. A reply out of step hands one client's data to
//! another, so whatever is malformed is an error and the lane is lost.

use super::ReplyError;
use super::limits::{MAX_BULK, MAX_REPLY_COUNT, MAX_REPLY_DEPTH, MAX_REPLY_LINE};
use super::line::{LineFault, line_end, parse_int, short_header};

/// Open aggregates whose room is kept between replies: 128 bytes, more than Redis's own replies need.
const KEPT_DEPTH: usize = 16;

/// `Value` -> `Payload` -> `Value` ... -> `Done`; from any of them -> `Failed`. `reset` leads back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// At the type byte of a value.
    Value,
    /// At the CRLF that ends a payload.
    Payload,
    Done,
    /// For good: nobody knows where the next reply begins.
    Failed(ReplyError),
}

/// The resumable scanner of one lane's replies.
pub struct ReplyScanner {
    stage: Stage,
    /// The first byte not yet scanned; in `Payload` possibly beyond what has arrived.
    pos: usize,
    /// How far the end of the current line has been looked for.
    searched: usize,
    /// Values still to come in the innermost open aggregate, the one being scanned included.
    left: u64,
    /// The same for the aggregates around it. Its length is the depth.
    outer: Vec<u64>,
    max_depth: usize,
}

impl Default for ReplyScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyScanner {
    pub const fn new() -> Self {
        Self::with_max_depth(MAX_REPLY_DEPTH)
    }

    /// A scanner with its own bound of depth, for a reader that needs a lower one.
    pub(super) const fn with_max_depth(max_depth: usize) -> Self {
        Self { stage: Stage::Value, pos: 0, searched: 0, left: 1, outer: Vec::new(), max_depth }
    }

    /// Scans on. `data` begins at the reply's first byte, or at the first one not yet given to
    /// [`ReplyScanner::forget`]: each call passes what the last one did and perhaps more.
    ///
    /// `Some(len)`: the first `len` bytes end the reply; so says every further call until [`ReplyScanner::reset`].
    ///
    /// # Errors
    /// [`ReplyError`]: give the connection up. Further calls say the same.
    pub fn scan(&mut self, data: &[u8]) -> Result<Option<usize>, ReplyError> {
        let found = self.advance(data);
        if let Err(error) = found {
            self.stage = Stage::Failed(error);
        }
        found
    }

    /// How many of the `available` bytes are scanned for good: these may be passed on and then forgotten.
    pub fn scanned(&self, available: usize) -> usize {
        match self.stage {
            Stage::Failed(_) => 0,
            _ => self.pos.min(available),
        }
    }

    /// How many bytes, counted from the first one that is not forgotten, are known to be needed: for reserving, within the
    /// caller's own bounds. 0 while unknown.
    pub fn wanted(&self) -> usize {
        match self.stage {
            Stage::Payload => self.pos + 2,
            Stage::Value | Stage::Done | Stage::Failed(_) => 0,
        }
    }

    /// The caller has taken the first `n` bytes of the unfinished reply away.
    ///
    /// # Panics
    /// When `n` is more than [`ReplyScanner::scanned`] said: going on would put the replies out of step.
    pub fn forget(&mut self, n: usize) {
        assert!(n <= self.pos, "more bytes forgotten than scanned");
        self.pos -= n;
        self.searched = self.searched.saturating_sub(n);
    }

    /// Begins anew, for the next reply.
    pub fn reset(&mut self) {
        self.stage = Stage::Value;
        self.pos = 0;
        self.searched = 0;
        self.left = 1;
        if self.outer.capacity() > KEPT_DEPTH {
            self.outer = Vec::new();
        }
        self.outer.clear();
    }

    fn advance(&mut self, data: &[u8]) -> Result<Option<usize>, ReplyError> {
        loop {
            match self.stage {
                Stage::Value => {
                    if !self.value(data)? {
                        return Ok(None);
                    }
                }
                Stage::Payload => match data.get(self.pos..self.pos + 2) {
                    None => return Ok(None),
                    Some(b"\r\n") => {
                        self.pos += 2;
                        self.stage = Stage::Value;
                        self.complete();
                    }
                    Some(_) => return Err(ReplyError::MissingCrlf),
                },
                Stage::Done => return Ok(Some(self.pos)),
                Stage::Failed(error) => return Err(error),
            }
        }
    }

    /// A scalar, or the header of a bulk string or an aggregate. False: incomplete.
    fn value(&mut self, data: &[u8]) -> Result<bool, ReplyError> {
        let Some(&kind) = data.get(self.pos) else {
            return Ok(false);
        };
        // A reply of many elements is mostly made of these two.
        if matches!(kind, b'$' | b':')
            && let Some((number, next)) = short_header(data, self.pos)
        {
            self.pos = next;
            if kind == b'$' {
                self.pos += number;
                self.stage = Stage::Payload;
            } else {
                self.complete();
            }
            return Ok(true);
        }
        if !is_type(kind) {
            return Err(match kind {
                b';' | b'.' => ReplyError::Streamed,
                _ => ReplyError::UnknownType,
            });
        }
        let cr = match line_end(data, self.pos, &mut self.searched, MAX_REPLY_LINE) {
            Ok(Some(cr)) => cr,
            Ok(None) => return Ok(false),
            Err(LineFault::TooLong) => return Err(ReplyError::LineTooLong),
            Err(LineFault::LoneCr) => return Err(ReplyError::MissingCrlf),
        };
        let line = &data[self.pos + 1..cr];
        self.pos = cr + 2;
        match kind {
            b'$' | b'!' | b'=' => {
                let Some(len) = length(line, kind == b'$')? else {
                    self.complete();
                    return Ok(true);
                };
                // A verbatim string begins with its format and a colon.
                if kind == b'=' && len < 4 {
                    return Err(ReplyError::InvalidLength);
                }
                let len = usize::try_from(len).ok().filter(|&len| len <= MAX_BULK).ok_or(ReplyError::BulkTooLong)?;
                self.pos += len;
                self.stage = Stage::Payload;
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = length(line, kind == b'*')?.unwrap_or(0);
                if count > MAX_REPLY_COUNT {
                    return Err(ReplyError::TooManyElements);
                }
                let values = if matches!(kind, b'%' | b'|') { count * 2 } else { count };
                self.open(values, kind == b'|')?;
            }
            _ => {
                scalar(kind, line)?;
                self.complete();
            }
        }
        Ok(true)
    }

    /// An aggregate of so many values begins. An attribute is no value of its own: the one it describes follows.
    fn open(&mut self, values: u64, attribute: bool) -> Result<(), ReplyError> {
        if attribute {
            self.left += 1;
        }
        if values == 0 {
            self.complete();
            return Ok(());
        }
        if self.outer.len() >= self.max_depth {
            return Err(ReplyError::TooDeep);
        }
        self.outer.push(self.left);
        self.left = values;
        Ok(())
    }

    /// A value has ended, and with it all the aggregates whose last one it was.
    fn complete(&mut self) {
        self.left -= 1;
        while self.left == 0 {
            match self.outer.pop() {
                Some(left) => self.left = left - 1,
                None => {
                    self.stage = Stage::Done;
                    return;
                }
            }
        }
    }
}

const fn is_type(kind: u8) -> bool {
    matches!(
        kind,
        b'+' | b'-' | b':' | b'$' | b'*' | b'_' | b'#' | b',' | b'(' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|'
    )
}

/// A length or count; `None` is the null of RESP2, where there is one.
fn length(line: &[u8], nullable: bool) -> Result<Option<u64>, ReplyError> {
    if line == b"?" {
        return Err(ReplyError::Streamed);
    }
    match parse_int(line) {
        Some(-1) if nullable => Ok(None),
        Some(n) => Ok(Some(u64::try_from(n).map_err(|_| ReplyError::InvalidLength)?)),
        None => Err(ReplyError::InvalidLength),
    }
}

/// Checks what is complete with its line.
fn scalar(kind: u8, line: &[u8]) -> Result<(), ReplyError> {
    let valid = match kind {
        // A script's big number is whatever the script says, without line ends; Redis does not look for digits.
        b'+' | b'-' | b'(' => {
            return if line.contains(&b'\n') { Err(ReplyError::MissingCrlf) } else { Ok(()) };
        }
        b':' => parse_int(line).is_some(),
        b'#' => matches!(line, b"t" | b"f"),
        b'_' => line.is_empty(),
        b',' => is_double(line),
        _ => false,
    };
    if valid { Ok(()) } else { Err(ReplyError::InvalidScalar) }
}

/// `inf`, `-inf`, `nan` (the C library's `-nan` too), or digits with an optional fraction and exponent.
fn is_double(line: &[u8]) -> bool {
    let unsigned = match line {
        [b'+' | b'-', rest @ ..] => rest,
        _ => line,
    };
    if matches!(unsigned, b"inf" | b"nan") {
        return true;
    }
    unsigned.first().is_some_and(u8::is_ascii_digit)
        && std::str::from_utf8(unsigned).is_ok_and(|text| text.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_allocates_next_to_nothing() {
        let mut scanner = ReplyScanner::new();
        assert_eq!(scanner.scan(b"*4294967295\r\n%4294967295\r\n$536870912\r\n"), Ok(None));
        assert!(scanner.outer.capacity() <= KEPT_DEPTH);
        let deep = b"*1\r\n".repeat(MAX_REPLY_DEPTH);
        scanner.reset();
        assert_eq!(scanner.scan(&deep), Ok(None));
        scanner.reset();
        assert!(scanner.outer.capacity() <= KEPT_DEPTH);
    }
}
