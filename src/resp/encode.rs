//! Writes frames onto a buffer.
//!
//! Input: values, and the protocol where RESP2 and RESP3 differ. Output: bytes appended, nothing else touched.
//!
//! Must never: write a CR or LF inside a line, whatever the text came from.

use bytes::{BufMut, BytesMut};

use super::Proto;

/// The digits of `u64::MAX` and a sign.
const MAX_DECIMAL: usize = 21;

/// The most that a header takes: type byte, number, CRLF.
const MAX_HEADER: usize = MAX_DECIMAL + 3;

/// A status reply such as `OK`. CR and LF become spaces, as Redis does.
pub fn simple(out: &mut BytesMut, text: impl AsRef<[u8]>) {
    line(out, b'+', text.as_ref());
}

/// An error reply; `text` begins with its code (`ERR ...`). CR and LF become spaces, as Redis does.
pub fn error(out: &mut BytesMut, text: impl AsRef<[u8]>) {
    line(out, b'-', text.as_ref());
}

pub fn int(out: &mut BytesMut, n: i64) {
    header(out, b':', n.unsigned_abs(), n < 0);
}

pub fn bulk(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(MAX_HEADER + bytes.len() + 2);
    bulk_header(out, bytes.len());
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

/// A floating point number, of which `text` is the text. RESP2 has none: a bulk string.
pub fn double(out: &mut BytesMut, text: &[u8], proto: Proto) {
    match proto {
        Proto::Resp2 => bulk(out, text),
        Proto::Resp3 => line(out, b',', text),
    }
}

/// What precedes a bulk string of `len` bytes; the caller appends these and CRLF.
pub fn bulk_header(out: &mut BytesMut, len: usize) {
    counted(out, b'$', len);
}

/// The null of a bulk string: `$-1` or `_`.
pub fn null(out: &mut BytesMut, proto: Proto) {
    out.put_slice(match proto {
        Proto::Resp2 => b"$-1\r\n",
        Proto::Resp3 => b"_\r\n",
    });
}

/// The null of an array: `*-1` or `_`.
pub fn null_array(out: &mut BytesMut, proto: Proto) {
    out.put_slice(match proto {
        Proto::Resp2 => b"*-1\r\n",
        Proto::Resp3 => b"_\r\n",
    });
}

/// `n` values follow.
pub fn array_header(out: &mut BytesMut, n: usize) {
    counted(out, b'*', n);
}

/// `pairs` keys and values follow. RESP2 has no map: an array of twice as many.
pub fn map_header(out: &mut BytesMut, pairs: usize, proto: Proto) {
    match proto {
        Proto::Resp2 => counted(out, b'*', pairs * 2),
        Proto::Resp3 => counted(out, b'%', pairs),
    }
}

/// `n` values follow. RESP2 has no set: an array.
pub fn set_header(out: &mut BytesMut, n: usize, proto: Proto) {
    counted(out, if proto == Proto::Resp3 { b'~' } else { b'*' }, n);
}

/// `n` values follow, out of band. RESP2 has no push: an array.
pub fn push_header(out: &mut BytesMut, n: usize, proto: Proto) {
    counted(out, if proto == Proto::Resp3 { b'>' } else { b'*' }, n);
}

/// A text for people, `format` being `txt` or `mkd`. RESP2 has no verbatim string: a bulk string without the format.
pub fn verbatim(out: &mut BytesMut, format: [u8; 3], text: &[u8], proto: Proto) {
    if proto == Proto::Resp2 {
        return bulk(out, text);
    }
    out.reserve(MAX_HEADER + text.len() + 6);
    counted(out, b'=', text.len() + 4);
    out.put_slice(&format);
    out.put_u8(b':');
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

/// A request: an array of bulk strings.
pub fn command(out: &mut BytesMut, args: &[&[u8]]) {
    out.reserve(MAX_HEADER + args.iter().map(|arg| MAX_HEADER + arg.len() + 2).sum::<usize>());
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg);
    }
}

fn line(out: &mut BytesMut, kind: u8, text: &[u8]) {
    out.reserve(text.len() + 3);
    out.put_u8(kind);
    let start = out.len();
    out.put_slice(text);
    for b in &mut out[start..] {
        if matches!(*b, b'\r' | b'\n') {
            *b = b' ';
        }
    }
    out.put_slice(b"\r\n");
}

fn counted(out: &mut BytesMut, kind: u8, n: usize) {
    header(out, kind, n as u64, false);
}

/// Type byte, number, CRLF: made from the right in a buffer on the stack and appended at once.
fn header(out: &mut BytesMut, kind: u8, mut magnitude: u64, negative: bool) {
    let mut buffer = [0; MAX_HEADER];
    let mut at = MAX_HEADER - 2;
    buffer[at..].copy_from_slice(b"\r\n");
    loop {
        at -= 1;
        // A remainder of ten is one digit.
        buffer[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        at -= 1;
        buffer[at] = b'-';
    }
    at -= 1;
    buffer[at] = kind;
    out.put_slice(&buffer[at..]);
}
