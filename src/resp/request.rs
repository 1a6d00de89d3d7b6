//! Finds where a client's request ends and where its arguments are.
//!
//! Input: the bytes not yet consumed, again and again as they grow. Output: the length of the request, and its
//! arguments as ranges, so that a command which no rule touches passes as the bytes it came in.
//!
//! Must never: look at a payload's bytes, or allocate by what a header declares.

use std::ops::Range;

use bytes::BytesMut;

use super::limits::MAX_BULK;
use super::line::{LineFault, line_end, parse_int, short_header};
use super::{MAX_REQUEST_ARGS, ProtocolError, RequestLimits, UnexpectedByte, inline};

/// Argument ranges kept between requests, so that common commands allocate nothing: 512 bytes of an idle
/// connection's budget of 4 KB.
const KEPT_ARGS: usize = 32;

/// Room for argument ranges taken at once on a header's word: 2 KiB, whatever it declares.
const RESERVED_ARGS: usize = 128;

/// Where the scan stands.
///
/// `Start` -> `Header` -> `Payload` -> `Header` ... -> `Done`, or `Start` -> `Inline` -> `Done`; from any of them -> `Failed`. `reset` leads
/// back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known, or the argument count is incomplete.
    Start,
    /// At an argument's `$` line.
    Header,
    /// At the CRLF that ends an argument's payload.
    Payload,
    /// In a line that is no RESP.
    Inline,
    Done,
    /// For good: what follows a malformed request is no request.
    Failed(ProtocolError),
}

/// The resumable scanner of one client's requests. About 100 bytes, and what [`RequestScanner::reset`] keeps.
pub struct RequestScanner {
    stage: Stage,
    /// The first byte not yet scanned; in `Payload` possibly beyond what has arrived.
    pos: usize,
    /// How far the end of the current line has been looked for.
    searched: usize,
    /// Arguments still to come.
    left: usize,
    args: Vec<Range<usize>>,
    /// The request that an inline command stands for.
    inline: BytesMut,
}

/// A whole request. Holds a client's data: no `Debug`.
#[derive(Clone, Copy)]
pub struct RawRequest<'a> {
    /// The request as it came, or for an inline command the RESP array that it stands for.
    pub bytes: &'a [u8],
    /// Where the arguments are in `bytes`. None: nothing to do and nothing to answer (a blank line, `*0`, `*-1`).
    pub args: &'a [Range<usize>],
}

impl<'a> RawRequest<'a> {
    /// The argument at `index`; 0 is the command's name.
    pub fn arg(&self, index: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.args.get(index)?.clone())
    }
}

impl Default for RequestScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestScanner {
    pub fn new() -> Self {
        Self { stage: Stage::Start, pos: 0, searched: 0, left: 0, args: Vec::new(), inline: BytesMut::new() }
    }

    /// Scans on. `data` begins at the request's first byte: each call passes what the last one did and perhaps more.
    ///
    /// `Some(len)`: the first `len` bytes are one request; so says every further call until [`RequestScanner::reset`].
    ///
    /// # Errors
    /// [`ProtocolError`]: answer with its reply and close. Further calls say the same.
    pub fn scan(&mut self, data: &[u8], limits: &RequestLimits) -> Result<Option<usize>, ProtocolError> {
        let found = self.advance(data, limits);
        if let Err(error) = found {
            self.stage = Stage::Failed(error);
        }
        found
    }

    fn advance(&mut self, data: &[u8], limits: &RequestLimits) -> Result<Option<usize>, ProtocolError> {
        loop {
            match self.stage {
                Stage::Start => match data.first() {
                    None => return Ok(None),
                    Some(b'*') => {
                        if !self.count(data, limits)? {
                            return Ok(None);
                        }
                    }
                    Some(_) => self.stage = Stage::Inline,
                },
                Stage::Header => {
                    if !self.header(data, limits)? {
                        return Ok(None);
                    }
                }
                Stage::Payload => match data.get(self.pos..self.pos + 2) {
                    None => return Ok(None),
                    Some(b"\r\n") => {
                        self.pos += 2;
                        self.left -= 1;
                        self.stage = Stage::Header;
                        if self.left == 0 {
                            self.finish(data)?;
                        }
                    }
                    Some(_) => return Err(ProtocolError::MissingCrlf),
                },
                Stage::Inline => {
                    if !self.line(data, limits)? {
                        return Ok(None);
                    }
                }
                Stage::Done => return Ok(Some(self.pos)),
                Stage::Failed(error) => return Err(error),
            }
        }
    }

    /// The request that [`RequestScanner::scan`] has found at the beginning of `data`. Before that it has no arguments.
    pub fn request<'a>(&'a self, data: &'a [u8]) -> RawRequest<'a> {
        if self.stage != Stage::Done {
            return RawRequest { bytes: &[], args: &[] };
        }
        let bytes = if self.inline.is_empty() { data.get(..self.pos).unwrap_or_default() } else { &self.inline };
        RawRequest { bytes, args: &self.args }
    }

    /// How many bytes, counted from the request's first one, are known to be needed: for reserving, within the
    /// caller's own bounds. 0 while unknown.
    pub fn wanted(&self) -> usize {
        match self.stage {
            Stage::Payload => self.pos + 2,
            Stage::Done => self.pos,
            Stage::Start | Stage::Header | Stage::Inline | Stage::Failed(_) => 0,
        }
    }

    /// Begins anew, for the next request. Keeps a small allocation and drops a large one.
    pub fn reset(&mut self) {
        self.stage = Stage::Start;
        self.pos = 0;
        self.searched = 0;
        self.left = 0;
        if self.args.capacity() > KEPT_ARGS {
            self.args = Vec::new();
        }
        self.args.clear();
        if self.inline.capacity() > 0 {
            self.inline = BytesMut::new();
        }
    }

    /// The `*` line. False: incomplete.
    fn count(&mut self, data: &[u8], limits: &RequestLimits) -> Result<bool, ProtocolError> {
        let cr = match line_end(data, 0, &mut self.searched, limits.max_inline) {
            Ok(Some(cr)) => cr,
            Ok(None) => return Ok(false),
            Err(LineFault::TooLong) => return Err(ProtocolError::TooBigMultibulkCount),
            Err(LineFault::LoneCr) => return Err(ProtocolError::InvalidMultibulkLength),
        };
        let count = parse_int(&data[1..cr]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        self.pos = cr + 2;
        if count <= 0 {
            self.stage = Stage::Done;
            return Ok(true);
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > MAX_REQUEST_ARGS {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if count > limits.max_args {
            return Err(if limits.authenticated {
                ProtocolError::InvalidMultibulkLength
            } else {
                ProtocolError::UnauthenticatedMultibulkLength
            });
        }
        self.left = count;
        self.args.reserve(count.min(RESERVED_ARGS));
        self.stage = Stage::Header;
        Ok(true)
    }

    /// A `$` line. False: incomplete.
    fn header(&mut self, data: &[u8], limits: &RequestLimits) -> Result<bool, ProtocolError> {
        let (len, start) = match (data.get(self.pos), short_header(data, self.pos)) {
            (Some(b'$'), Some(found)) => found,
            _ => match self.careful_header(data, limits)? {
                Some(found) => found,
                None => return Ok(false),
            },
        };
        if len > limits.max_bulk {
            return Err(if limits.authenticated {
                ProtocolError::InvalidBulkLength
            } else {
                ProtocolError::UnauthenticatedBulkLength
            });
        }
        self.args.push(start..start + len);
        self.pos = start + len;
        self.stage = Stage::Payload;
        Ok(true)
    }

    /// The length in a `$` line and where its payload begins.
    fn careful_header(&mut self, data: &[u8], limits: &RequestLimits) -> Result<Option<(usize, usize)>, ProtocolError> {
        let cr = match line_end(data, self.pos, &mut self.searched, limits.max_inline) {
            Ok(Some(cr)) => cr,
            Ok(None) => return Ok(None),
            Err(LineFault::TooLong) => return Err(ProtocolError::TooBigBulkCount),
            Err(LineFault::LoneCr) => return Err(ProtocolError::InvalidBulkLength),
        };
        if data[self.pos] != b'$' {
            return Err(ProtocolError::ExpectedBulk(UnexpectedByte(data[self.pos])));
        }
        let len = parse_int(&data[self.pos + 1..cr])
            .and_then(|len| usize::try_from(len).ok())
            .filter(|&len| len <= MAX_BULK)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        Ok(Some((len, cr + 2)))
    }

    /// An inline command. False: incomplete.
    fn line(&mut self, data: &[u8], limits: &RequestLimits) -> Result<bool, ProtocolError> {
        let to = data.len().min(limits.max_inline.saturating_add(1));
        let from = self.searched.min(to);
        let Some(offset) = data[from..to].iter().position(|&b| b == b'\n') else {
            self.searched = to;
            return if to > limits.max_inline { Err(ProtocolError::TooBigInline) } else { Ok(false) };
        };
        let lf = from + offset;
        let line = data[..lf].strip_suffix(b"\r").unwrap_or(&data[..lf]);
        self.searched = lf;
        inline::parse(line, &mut self.inline, &mut self.args)?;
        self.pos = lf + 1;
        self.finish(data)?;
        Ok(true)
    }

    fn finish(&mut self, data: &[u8]) -> Result<(), ProtocolError> {
        self.stage = Stage::Done;
        // As Redis: a page in a browser can make it send a form here, and each line of it would be a command.
        let name = self.request(data).arg(0).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
            return Err(ProtocolError::Http);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RequestLimits = RequestLimits::authenticated(MAX_BULK);

    #[test]
    fn a_declaration_allocates_next_to_nothing() {
        let mut scanner = RequestScanner::new();
        assert_eq!(scanner.scan(b"*2147483647\r\n$536870912\r\n", &LIMITS), Ok(None));
        assert!(scanner.args.capacity() <= RESERVED_ARGS);
        assert_eq!(scanner.inline.capacity(), 0);
    }

    #[test]
    fn an_idle_scanner_is_small() {
        let mut scanner = RequestScanner::new();
        let request = [&b"*1000\r\n"[..], &b"$1\r\nx\r\n".repeat(1000)].concat();
        assert_eq!(scanner.scan(&request, &LIMITS), Ok(Some(request.len())));
        scanner.reset();
        assert!(scanner.args.capacity() <= KEPT_ARGS);
        let line = [&b"x ".repeat(1000)[..], b"\n"].concat();
        assert_eq!(scanner.scan(&line, &LIMITS), Ok(Some(line.len())));
        scanner.reset();
        assert!(scanner.args.capacity() <= KEPT_ARGS);
        assert_eq!(scanner.inline.capacity(), 0);
        assert!(size_of::<RequestScanner>() <= 128);
    }
}
