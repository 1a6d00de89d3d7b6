//! Finds in a JSON text what stands at the paths of a rule.
//!
//! Job: read RFC 8259 to the letter and give ranges, so that all else is copied as it is: numbers, escapes, blanks.
//! In: a text. Out: the ranges of the values to seal or to open.
//! Must never: accept what another parser might read otherwise, or recurse deeper than the paths are long.

use std::borrow::Cow;
use std::ops::Range;

use crate::command::{SealedPaths, Spot};

/// Arrays and objects in each other. Servers stop at 128; a reply adds two around the document.
const MAX_DEPTH: usize = 256;

/// So many values of one text are sealed or opened: a note of each takes more memory than the shortest of them.
const MAX_FOUND: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanFault {
    /// The text is not JSON, or nests too deep.
    NotJson,
    /// It has too many values at paths.
    TooMany,
}

/// A value at a path of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'p> {
    pub range: Range<usize>,
    /// The path, normalised.
    pub path: &'p str,
}

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// What stands at the paths in a text that is one value at `spot`.
pub(super) fn find<'p>(text: &[u8], paths: &'p SealedPaths, spot: &Spot) -> Result<Vec<Found<'p>>, ScanFault> {
    let mut found = Vec::new();
    let mut scanner = Scanner::new(text)?;
    scanner.walk(paths, spot, &mut found)?;
    scanner.end()?;
    Ok(found)
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Result<Self, ScanFault> {
        std::str::from_utf8(text).map_err(|_| ScanFault::NotJson)?;
        Ok(Self { text, at: 0 })
    }

    /// Nothing but blanks may be left.
    pub fn end(&mut self) -> Result<(), ScanFault> {
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(ScanFault::NotJson) }
    }

    /// Passes over the next value, which is at `spot`, and notes what in it is at a path.
    pub fn walk<'p>(
        &mut self,
        paths: &'p SealedPaths,
        spot: &Spot,
        found: &mut Vec<Found<'p>>,
    ) -> Result<(), ScanFault> {
        self.blanks();
        if let Some(path) = paths.sealed(spot) {
            if found.len() == MAX_FOUND {
                return Err(ScanFault::TooMany);
            }
            let range = self.value()?;
            found.push(Found { range, path });
            return Ok(());
        }
        match self.peek() {
            Some(b'{') if !spot.is_clear() => {
                self.members(|scanner, name| scanner.walk(paths, &paths.member(spot, &name), found))
            }
            Some(b'[') if !spot.is_clear() => {
                let element = paths.element(spot);
                self.elements(|scanner| scanner.walk(paths, &element, found))
            }
            _ => self.value().map(drop),
        }
    }

    /// Calls `each` where the value of a member begins.
    pub fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, [u8]>) -> Result<(), ScanFault>,
    ) -> Result<(), ScanFault> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.name()?;
            each(self, unescape(name))?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Calls `each` where an element begins.
    pub fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), ScanFault>) -> Result<(), ScanFault> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Passes over one whole value and tells where it is.
    fn value(&mut self) -> Result<Range<usize>, ScanFault> {
        self.blanks();
        let start = self.at;
        // What closes the arrays and objects that are open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.blanks();
            match self.peek().ok_or(ScanFault::NotJson)? {
                kind @ (b'{' | b'[') => {
                    // In ASCII what closes them is two further on.
                    let close = kind + 2;
                    self.at += 1;
                    if !self.take(close) {
                        if open.len() == MAX_DEPTH {
                            return Err(ScanFault::NotJson);
                        }
                        open.push(close);
                        if close == b'}' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value has ended, and with it perhaps what it was in.
            loop {
                let Some(&close) = open.last() else { return Ok(start..self.at) };
                if self.take(b',') {
                    if close == b'}' {
                        self.name()?;
                    }
                    break;
                }
                self.expect(close)?;
                open.pop();
            }
        }
    }

    /// A member's name and the colon; gives what is between the quotes.
    fn name(&mut self) -> Result<&'a [u8], ScanFault> {
        self.blanks();
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// A string; gives what is between the quotes.
    fn string(&mut self) -> Result<&'a [u8], ScanFault> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => return Ok(&self.text[start..self.at - 1]),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => self.unicode()?,
                    _ => return Err(ScanFault::NotJson),
                },
                0..0x20 => return Err(ScanFault::NotJson),
                _ => {}
            }
        }
    }

    /// The digits behind `\u`. Half a pair is refused, because servers differ in what they make of it.
    fn unicode(&mut self) -> Result<(), ScanFault> {
        match self.hex()? {
            0xD800..0xDC00 => {
                if self.next()? == b'\\' && self.next()? == b'u' && (0xDC00..0xE000).contains(&self.hex()?) {
                    Ok(())
                } else {
                    Err(ScanFault::NotJson)
                }
            }
            0xDC00..0xE000 => Err(ScanFault::NotJson),
            _ => Ok(()),
        }
    }

    fn hex(&mut self) -> Result<u32, ScanFault> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(ScanFault::NotJson)?;
        self.at += 4;
        hex(digits).ok_or(ScanFault::NotJson)
    }

    fn number(&mut self) -> Result<(), ScanFault> {
        let _ = self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanFault> {
        let rest = &self.text[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        if count == 0 { Err(ScanFault::NotJson) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), ScanFault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(ScanFault::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Whether this comes next, after blanks; then it is passed, with blanks behind it.
    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.skip(byte);
        if found {
            self.blanks();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), ScanFault> {
        self.blanks();
        if self.skip(byte) { Ok(()) } else { Err(ScanFault::NotJson) }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Result<u8, ScanFault> {
        let byte = self.peek().ok_or(ScanFault::NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    // Checked, because the standard parser takes a sign.
    let digits = digits.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What a string's content means. It has been read by [`Scanner::string`].
pub(super) fn unescape(content: &[u8]) -> Cow<'_, [u8]> {
    if !content.contains(&b'\\') {
        return Cow::Borrowed(content);
    }
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((escape, tail)) = rest.split_first() else { break };
        rest = tail;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut unit = hex(rest).unwrap_or_default();
                rest = rest.get(4..).unwrap_or_default();
                if (0xD800..0xDC00).contains(&unit) {
                    let low = rest.get(2..).and_then(hex).unwrap_or_default();
                    rest = rest.get(6..).unwrap_or_default();
                    unit = 0x10000 + ((unit - 0xD800) << 10) + low.saturating_sub(0xDC00);
                }
                let char = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}

/// A value without the blanks between its parts, as servers store and give it.
pub(super) fn compact(value: &[u8]) -> Cow<'_, [u8]> {
    if !matches!(value.first(), Some(b'{' | b'[')) {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let (mut quoted, mut escaped) = (false, false);
    for byte in value {
        if !quoted && matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        }
        out.push(*byte);
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
    }
    Cow::Owned(out)
}
