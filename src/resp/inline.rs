//! Inline commands: a line of words, as typed into telnet, made into the request it stands for.
//!
//! Input: the line without its end. Output: a RESP array of bulk strings and the range of each argument in it.
//! Quoting is that of redis-cli and of Redis itself: `"..."` with `\n \r \t \b \a \xHH` and a backslash before
//! anything else, `'...'` with `\'` only.

use std::ops::Range;

use bytes::BytesMut;

use super::{ProtocolError, encode};

/// Parses `line`, writes the request to `out` and the arguments' ranges to `args` (both empty on entry). A blank
/// line leaves both empty.
///
/// # Errors
/// [`ProtocolError::NulInInline`], [`ProtocolError::UnbalancedQuotes`].
pub(super) fn parse(line: &[u8], out: &mut BytesMut, args: &mut Vec<Range<usize>>) -> Result<(), ProtocolError> {
    if line.contains(&0) {
        return Err(ProtocolError::NulInInline);
    }
    // All words in one buffer, one after the other, because their number is written before them.
    let mut words = Vec::with_capacity(line.len());
    let mut ends = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            break;
        }
        rest = word(rest, &mut words)?;
        ends.push(words.len());
    }
    if ends.is_empty() {
        return Ok(());
    }
    encode::array_header(out, ends.len());
    let mut start = 0;
    for end in ends {
        encode::bulk(out, &words[start..end]);
        let stop = out.len() - 2;
        args.push(stop - (end - start)..stop);
        start = end;
    }
    Ok(())
}

/// What `isspace` says in the C locale. Only some of these end a word, see [`word`].
const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Appends the word that `rest` begins with to `out` and returns what follows it.
fn word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match rest {
            // Vertical tab and form feed separate words but do not end one: so does Redis.
            [] | [b' ' | b'\t' | b'\n' | b'\r', ..] => return Ok(rest),
            [b'"', tail @ ..] => return closed(double_quoted(tail, out)?),
            [b'\'', tail @ ..] => return closed(single_quoted(tail, out)?),
            [b, tail @ ..] => {
                out.push(*b);
                rest = tail;
            }
        }
    }
}

/// A closing quote ends the word: a blank or nothing follows.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest {
        [] => Ok(rest),
        [b, ..] if is_space(*b) => Ok(rest),
        _ => Err(ProtocolError::UnbalancedQuotes),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(*high) << 4 | hex_value(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', tail @ ..] => return Ok(tail),
            [b'\\', b'\'', tail @ ..] => {
                out.push(b'\'');
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        };
    }
}

/// The value of a digit already known to be hexadecimal.
const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
