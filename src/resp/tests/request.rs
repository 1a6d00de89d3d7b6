use std::time::Instant;

use bytes::BytesMut;
use proptest::prelude::*;

use super::super::*;
use super::{LINEAR, piece_ends};

const OPEN: RequestLimits = RequestLimits::authenticated(MAX_BULK);
const CLOSED: RequestLimits = RequestLimits::unauthenticated();

type Verdict = Result<Option<(usize, Vec<Vec<u8>>)>, ProtocolError>;

/// Scans pieces ending at `ends` and returns the first verdict that is not "incomplete".
fn scan_pieces(data: &[u8], ends: impl IntoIterator<Item = usize>, limits: &RequestLimits) -> Verdict {
    let mut scanner = RequestScanner::new();
    for end in ends {
        match scanner.scan(&data[..end], limits) {
            Ok(None) => {}
            Ok(Some(len)) => {
                assert_eq!(scanner.scan(data, limits), Ok(Some(len)), "says so again");
                let request = scanner.request(data);
                let args = (0..request.args.len()).map(|i| request.arg(i).expect("within bytes").to_vec()).collect();
                return Ok(Some((len, args)));
            }
            Err(error) => {
                assert_eq!(scanner.scan(data, limits), Err(error), "says so again");
                return Err(error);
            }
        }
    }
    Ok(None)
}

/// The verdict on `data`, checked to be the same whole and byte by byte.
fn verdict(data: &[u8], limits: &RequestLimits) -> Verdict {
    let whole = scan_pieces(data, [data.len()], limits);
    let bytewise = scan_pieces(data, 0..=data.len(), limits);
    assert_eq!(whole, bytewise, "cutting changes the verdict");
    whole
}

fn fault(data: &[u8]) -> String {
    verdict(data, &OPEN).expect_err("malformed").to_string()
}

fn args(data: &[u8]) -> Vec<Vec<u8>> {
    verdict(data, &OPEN).expect("valid").expect("complete").1
}

#[test]
fn a_request_is_ranges_of_the_bytes_it_came_in() {
    let data = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
    let mut scanner = RequestScanner::new();
    assert_eq!(scanner.scan(data, &OPEN), Ok(Some(26)));
    let request = scanner.request(data);
    assert_eq!(request.bytes, &data[..26]);
    assert_eq!(request.args, [8..11, 17..18, 24..24]);
    assert_eq!(scanner.wanted(), 26);
    scanner.reset();
    assert!(scanner.request(data).args.is_empty());
    assert_eq!(scanner.scan(&data[26..], &OPEN), Ok(Some(14)));
    assert_eq!(scanner.request(&data[26..]).arg(0), Some(&b"PING"[..]));
    assert_eq!(scanner.request(&data[26..]).arg(1), None);
}

#[test]
fn an_empty_array_is_a_request_to_do_nothing() {
    for data in ["*0\r\n", "*-1\r\n", "*-5\r\n", "\r\n", "\n", " \t \r\n"] {
        assert_eq!(verdict(data.as_bytes(), &OPEN), Ok(Some((data.len(), vec![]))), "{data:?}");
    }
}

#[test]
fn every_byte_passes_as_an_argument() {
    let all: Vec<u8> = (0..=255).collect();
    let mut data = BytesMut::new();
    encode::command(&mut data, &[b"SET", &all, b"\r\n", b"*1\r\n$4\r\nPING\r\n"]);
    assert_eq!(args(&data)[1], all);
    assert_eq!(args(&data)[2], b"\r\n");
}

#[test]
fn malformed_requests_get_the_words_of_redis() {
    let long = |prefix: &str| [prefix.as_bytes(), &vec![b'1'; MAX_INLINE + 1]].concat();
    for (data, text) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\rX", "invalid multibulk length"),
        (&long("*"), "too big mbulk count string"),
        (b"*1\r\nx4\r\n", "expected '$', got 'x'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n*\r\n", "expected '$', got '*'"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$01\r\n", "invalid bulk length"),
        (b"*1\r\n$1x\r\n", "invalid bulk length"),
        (b"*1\r\n$1\rX", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551616\r\n", "invalid bulk length"),
        (&long("*1\r\n$"), "too big bulk count string"),
        (&long("*1\r\n"), "too big bulk count string"),
        (&long("ECHO "), "too big inline request"),
        (b"PING \"a\r\n", "unbalanced quotes in request"),
        // Ours, not Redis's: see the variants.
        (b"*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
        (b"*1\r\n$4\r\nPING\n\n", "expected CRLF after a bulk string"),
        (b"ECHO a\0b\r\n", "NUL byte in inline request, send it as a bulk string"),
    ] {
        assert_eq!(fault(data), format!("Protocol error: {text}"));
    }
    let error = verdict(b"*1\r\n\xff4\r\n", &OPEN).expect_err("malformed");
    assert_eq!(error.reply().as_deref(), Some(&b"ERR Protocol error: expected '$', got '\xff'"[..]));
    assert_eq!(format!("{error:?}"), "ExpectedBulk(..)", "logs do not show the byte");
}

#[test]
fn bounds_are_exact() {
    assert_eq!(verdict(b"*2147483647\r\n", &OPEN), Ok(None));
    assert_eq!(verdict(b"*1\r\n$536870912\r\n", &OPEN), Ok(None));
    let small = RequestLimits::authenticated(10);
    assert_eq!(verdict(b"*1\r\n$10\r\n", &small), Ok(None));
    assert_eq!(verdict(b"*1\r\n$11\r\n", &small), Err(ProtocolError::InvalidBulkLength));
    assert_eq!(verdict(b"*10\r\n$16384\r\n", &CLOSED), Ok(None));
    assert_eq!(verdict(b"*11\r\n", &CLOSED), Err(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(verdict(b"*10\r\n$16385\r\n", &CLOSED), Err(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(verdict(b"*2147483648\r\n", &CLOSED), Err(ProtocolError::InvalidMultibulkLength));
    assert_eq!(verdict(b"*1\r\n$536870913\r\n", &CLOSED), Err(ProtocolError::InvalidBulkLength));
    assert_eq!(verdict(&[b'x'; MAX_INLINE], &OPEN), Ok(None));
    let mut longest = vec![b'x'; MAX_INLINE];
    longest.push(b'\n');
    assert_eq!(args(&longest)[0].len(), MAX_INLINE);
}

#[test]
fn http_closes_without_a_reply() {
    for data in [
        "POST / HTTP/1.1\r\n",
        "pOsT\r\n",
        "Host: localhost\r\n",
        "\"post\" x\r\n",
        "*1\r\n$4\r\nPOST\r\n",
        "*2\r\n$5\r\nhost:\r\n$1\r\na\r\n",
    ] {
        let error = verdict(data.as_bytes(), &OPEN).expect_err(data);
        assert_eq!(error, ProtocolError::Http);
        assert_eq!(error.reply(), None);
    }
    for data in ["GET / HTTP/1.1\r\n", "POSTER\r\n", "host:a\r\n"] {
        assert!(verdict(data.as_bytes(), &OPEN).is_ok(), "{data:?}");
    }
}

#[test]
fn inline_words_are_quoted_as_in_redis() {
    for (line, words) in [
        (&b"SET k v\r\n"[..], &[&b"SET"[..], b"k", b"v"][..]),
        (b"  SET\tk \x0b v \n", &[b"SET", b"k", b"v"]),
        (br#"E "\xfF\n\x0g\q\"" ''"#, &[b"E", b"\xff\nx0gq\"", b""]),
        (br"E 'a\'b\n\ ' b\n", &[b"E", br"a'b\n\ ", br"b\n"]),
        (b"E a\x0bb a\x0c", &[b"E", b"a\x0bb", b"a\x0c"]),
        (b"E ab\"c d\" \"a\rb\"", &[b"E", b"abc d", b"a\rb"]),
        (b"E a\rb \x85\xa0", &[b"E", b"a", b"b", b"\x85\xa0"]),
    ] {
        let mut data = line.to_vec();
        if !data.ends_with(b"\n") {
            data.extend_from_slice(b"\r\n");
        }
        assert_eq!(args(&data), words);
    }
    for line in ["\"a\"b", "'a'b", "'a", "\"a", "\"a\\", "\"a\\\"", "a\"b\"c"] {
        assert_eq!(verdict(format!("E {line}\n").as_bytes(), &OPEN), Err(ProtocolError::UnbalancedQuotes), "{line}");
    }
}

#[test]
fn an_inline_command_is_passed_on_as_resp() {
    let mut scanner = RequestScanner::new();
    let data = b"SET k 'v w'\r\nPING\r\n";
    assert_eq!(scanner.scan(data, &OPEN), Ok(Some(13)));
    let request = scanner.request(data);
    assert_eq!(request.bytes, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nv w\r\n");
    assert_eq!(request.arg(2), Some(&b"v w"[..]));
    scanner.reset();
    let data = b"*1\r\n$4\r\nPING\r\n";
    assert_eq!(scanner.scan(data, &OPEN), Ok(Some(data.len())));
    assert_eq!(scanner.request(data).bytes, data, "nothing is left of the line before");
}

#[test]
fn what_is_needed_is_known_from_the_header() {
    let mut scanner = RequestScanner::new();
    assert_eq!(scanner.scan(b"*1\r\n$1000\r", &OPEN), Ok(None));
    assert_eq!(scanner.wanted(), 0);
    assert_eq!(scanner.scan(b"*1\r\n$1000\r\n", &OPEN), Ok(None));
    assert_eq!(scanner.wanted(), 11 + 1000 + 2);
}

/// A scan that began anew with each byte would look at 4e10 bytes here.
#[test]
fn a_request_byte_by_byte_is_linear() {
    let words: Vec<&[u8]> = vec![b"x"; 40_000];
    let mut many = BytesMut::new();
    encode::command(&mut many, &words);
    let mut large = BytesMut::new();
    encode::command(&mut large, &[b"SET", b"k", &vec![b'v'; 1 << 20]]);
    let line = [&vec![b'a'; MAX_INLINE - 1][..], b"\r\n"].concat();
    let start = Instant::now();
    // Lines are short: often enough to tell.
    for data in [&many[..], &large[..]].into_iter().chain([&line[..]; 20]) {
        let found = scan_pieces(data, 0..=data.len(), &OPEN).expect("valid").expect("complete");
        assert_eq!(found.0, data.len());
    }
    assert!(start.elapsed() < LINEAR, "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn requests_are_found_however_they_are_cut(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut data = BytesMut::new();
        encode::command(&mut data, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let len = data.len();
        data.extend_from_slice(&tail);
        let name = words[0].to_ascii_lowercase();
        prop_assume!(name != b"post" && name != b"host:");
        let found = scan_pieces(&data, piece_ends(data.len(), &cuts), &OPEN);
        prop_assert_eq!(found, Ok(Some((len, words))));
    }

    #[test]
    fn any_bytes_get_one_verdict(
        data in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(b"*$123-\r\n \"'\\x".to_vec()),
            1 => any::<u8>(),
        ], 0..40),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let whole = verdict(&data, &OPEN);
        prop_assert_eq!(scan_pieces(&data, piece_ends(data.len(), &cuts), &OPEN), whole);
    }
}
