use std::time::Instant;

use super::super::*;
use super::LINEAR;

/// The verdict on `data`, checked to be the same whole and byte by byte.
fn verdict(data: &[u8]) -> Result<Option<usize>, ReplyError> {
    let whole = ReplyScanner::new().scan(data);
    let mut scanner = ReplyScanner::new();
    let mut last = Ok(None);
    for end in 0..=data.len() {
        last = scanner.scan(&data[..end]);
        if last != Ok(None) {
            assert_eq!(scanner.scan(data), last, "says so again");
            break;
        }
    }
    assert_eq!(whole, last, "cutting changes the verdict");
    whole
}

#[test]
fn frames_end_where_they_end() {
    for frame in [
        "+OK\r\n",
        "+\r\n",
        "-ERR no\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        "$0\r\n\r\n",
        "$5\r\na\r\nb\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*0\r\n*1\r\n:1\r\n",
        "_\r\n",
        "#t\r\n",
        "#f\r\n",
        ",1.5\r\n",
        ",-1e+20\r\n",
        ",10\r\n",
        ",inf\r\n",
        ",-inf\r\n",
        ",nan\r\n",
        ",-nan\r\n",
        "(-123456789012345678901234567890\r\n",
        "(\r\n",
        "(12a  3\r\n",
        "!5\r\nERR x\r\n",
        "=7\r\ntxt:abc\r\n",
        "%0\r\n",
        "%1\r\n+k\r\n%1\r\n+a\r\n:1\r\n",
        "~2\r\n:1\r\n:2\r\n",
        ">3\r\n+message\r\n+c\r\n$1\r\nx\r\n",
        "|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
        "|0\r\n:1\r\n",
        "|1\r\n+a\r\n|1\r\n+b\r\n:1\r\n:2\r\n|0\r\n:3\r\n",
        "*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:2\r\n:3\r\n",
    ] {
        let followed = format!("{frame}+OK\r\n");
        assert_eq!(verdict(followed.as_bytes()), Ok(Some(frame.len())), "{frame:?}");
        for end in 0..frame.len() {
            assert_eq!(verdict(&frame.as_bytes()[..end]), Ok(None), "{frame:?} cut at {end}");
        }
    }
}

#[test]
fn malformed_replies_are_refused() {
    use ReplyError as E;
    let long = [&b"+"[..], &vec![b'x'; MAX_REPLY_LINE + 1]].concat();
    for (data, error) in [
        (&b"HTTP/1.1 400\r\n"[..], E::UnknownType),
        (b"\r\n", E::UnknownType),
        (b"\0", E::UnknownType),
        (b"$?\r\n", E::Streamed),
        (b"*?\r\n", E::Streamed),
        (b"%?\r\n", E::Streamed),
        (b"~?\r\n", E::Streamed),
        (b";4\r\n", E::Streamed),
        (b".\r\n", E::Streamed),
        (b"$\r\n", E::InvalidLength),
        (b"$-2\r\n", E::InvalidLength),
        (b"$01\r\n", E::InvalidLength),
        (b"$1x\r\n", E::InvalidLength),
        (b"*-2\r\n", E::InvalidLength),
        (b"*x\r\n", E::InvalidLength),
        (b"!-1\r\n", E::InvalidLength),
        (b"=-1\r\n", E::InvalidLength),
        (b"=3\r\n", E::InvalidLength),
        (b"%-1\r\n", E::InvalidLength),
        (b"~-1\r\n", E::InvalidLength),
        (b">-1\r\n", E::InvalidLength),
        (b"|-1\r\n", E::InvalidLength),
        (b"$99999999999999999999\r\n", E::InvalidLength),
        (b"$536870913\r\n", E::BulkTooLong),
        (b"$9223372036854775807\r\n", E::BulkTooLong),
        (b"*4294967296\r\n", E::TooManyElements),
        (b"%9223372036854775807\r\n", E::TooManyElements),
        (b"$1\r\nxy\r", E::MissingCrlf),
        (b"$1\r\nx\n\r", E::MissingCrlf),
        (b"$1\rx", E::MissingCrlf),
        (b"+a\rb\r\n", E::MissingCrlf),
        (b"-a\nb\r\n", E::MissingCrlf),
        (b":\r\n", E::InvalidScalar),
        (b":1.5\r\n", E::InvalidScalar),
        (b":9223372036854775808\r\n", E::InvalidScalar),
        (b"#x\r\n", E::InvalidScalar),
        (b"#\r\n", E::InvalidScalar),
        (b"_x\r\n", E::InvalidScalar),
        (b",\r\n", E::InvalidScalar),
        (b",x\r\n", E::InvalidScalar),
        (b",infinity\r\n", E::InvalidScalar),
        (b"(12\n3\r\n", E::MissingCrlf),
        (&long, E::LineTooLong),
    ] {
        assert_eq!(verdict(data), Err(error));
        if data.len() < 100 {
            let nested = [b"*3\r\n:1\r\n", data].concat();
            assert_eq!(verdict(&nested), Err(error), "nested");
        }
    }
}

#[test]
fn a_refusal_names_the_fault_and_no_byte_of_the_reply() {
    let error = verdict(b"Squeamish\r\n").expect_err("no type");
    let text = format!("{error} {error:?}");
    assert!(text.contains("unknown type byte"), "{text}");
    assert!(!text.contains("queamish"), "{text}");
}

#[test]
fn only_type_bytes_begin_a_reply() {
    let types = b"+-:$*_#,(!=%~>|";
    for byte in 0..=255u8 {
        let refused = ReplyScanner::new().scan(&[byte]).is_err();
        assert_eq!(refused, !types.contains(&byte), "{byte}");
    }
}

#[test]
fn a_million_nested_arrays_are_refused_at_the_bound() {
    for header in ["*1\r\n", "~1\r\n", ">1\r\n", "%1\r\n:1\r\n", "|1\r\n:1\r\n"] {
        let deep = header.repeat(1_000_000);
        assert_eq!(ReplyScanner::new().scan(deep.as_bytes()), Err(ReplyError::TooDeep));
        let most = header.repeat(MAX_REPLY_DEPTH);
        assert_eq!(ReplyScanner::new().scan(most.as_bytes()), Ok(None), "{header:?}");
    }
    let most = format!("{}:1\r\n", "*1\r\n".repeat(MAX_REPLY_DEPTH));
    assert_eq!(verdict(most.as_bytes()), Ok(Some(most.len())));
    let mut walker = Walker::new(most.as_bytes());
    assert_eq!(walker.skip_value(), Some(most.as_bytes()));
    assert_eq!(walker.next(), None);
    // Attributes one after the other are no depth.
    let flat = format!("{}:1\r\n", "|1\r\n:1\r\n:2\r\n".repeat(100_000));
    assert_eq!(ReplyScanner::new().scan(flat.as_bytes()), Ok(Some(flat.len())));
}

/// A scan that began anew with each piece would visit 300 million elements here.
#[test]
fn a_million_elements_in_small_pieces_are_linear() {
    let mut data = b"*1000000\r\n".to_vec();
    for _ in 0..500_000 {
        data.extend_from_slice(b"$5\r\nvalue\r\n:12345\r\n");
    }
    let start = Instant::now();
    let mut scanner = ReplyScanner::new();
    let mut last = Ok(None);
    for end in (0..data.len()).step_by(16 * 1024).chain([data.len()]) {
        assert_eq!(last, Ok(None));
        last = scanner.scan(&data[..end]);
    }
    assert_eq!(last, Ok(Some(data.len())));

    // Byte by byte too, and forgetting what is scanned.
    let mut scanner = ReplyScanner::new();
    let (mut begin, mut end, mut most) = (0, 0, 0);
    while scanner.scan(&data[begin..end]) == Ok(None) {
        let scanned = scanner.scanned(end - begin);
        scanner.forget(scanned);
        begin += scanned;
        end += 1;
        most = most.max(end - begin);
    }
    assert_eq!(end, data.len());
    assert!(most < 16, "only an unfinished header is held back: {most}");

    // And the walk over it.
    let mut walker = Walker::new(&data);
    assert_eq!(walker.next(), Some(Token::Array(1_000_000)));
    assert_eq!(walker.by_ref().count(), 1_000_000);
    assert_eq!(walker.pos(), data.len());
    assert!(start.elapsed() < LINEAR, "{:?}", start.elapsed());
}

/// Looking for each line's end from its beginning would read 40 billion bytes here.
#[test]
fn long_lines_byte_by_byte_are_linear() {
    let line = [b"-", &vec![b'x'; 64 * 1024 - 1][..], b"\r\n"].concat();
    let data = [&b"*20\r\n"[..], &line.repeat(20)].concat();
    let start = Instant::now();
    let mut scanner = ReplyScanner::new();
    let found = (0..=data.len()).find_map(|end| scanner.scan(&data[..end]).expect("valid"));
    assert_eq!(found, Some(data.len()));
    assert!(start.elapsed() < LINEAR, "{:?}", start.elapsed());
}

#[test]
fn a_large_value_streams_through_a_small_buffer() {
    let payload = vec![b'\r'; 1 << 20];
    let frame = [b"*2\r\n$1048576\r\n", &payload[..], b"\r\n+OK\r\n"].concat();
    let mut scanner = ReplyScanner::new();
    let mut taken = Vec::new();
    let mut held = Vec::new();
    let mut source = frame.chunks(1000);
    loop {
        match scanner.scan(&held).expect("valid") {
            Some(len) => {
                taken.extend_from_slice(&held[..len]);
                break;
            }
            None => {
                let scanned = scanner.scanned(held.len());
                taken.extend(held.drain(..scanned));
                scanner.forget(scanned);
                held.extend_from_slice(source.next().expect("not complete yet"));
            }
        }
        assert!(held.len() < 1100);
    }
    assert_eq!(taken, frame);
}

#[test]
#[should_panic(expected = "more bytes forgotten than scanned")]
fn forgetting_too_much_is_a_bug() {
    let mut scanner = ReplyScanner::new();
    let _ = scanner.scan(b"+OK");
    scanner.forget(1);
}

#[test]
fn the_walker_reads_tokens_and_raw_values() {
    let frame = b"*4\r\n|1\r\n+a\r\n:1\r\n%1\r\n$1\r\nk\r\n~2\r\n,1.5\r\n#t\r\n$-1\r\n=5\r\ntxt:x\r\n!1\r\ne\r\n";
    let mut walker = Walker::new(frame);
    assert_eq!(walker.peek(), Some(Token::Array(4)));
    assert_eq!(walker.pos(), 0);
    assert_eq!(walker.next(), Some(Token::Array(4)));
    assert_eq!(walker.pos(), 4);
    let skipped = walker.clone().skip_value();
    assert_eq!(skipped, Some(&frame[4..frame.len() - 23]));
    let rest: Vec<Token<'_>> = walker.by_ref().collect();
    assert_eq!(
        rest,
        [
            Token::Attribute(1),
            Token::Simple(b"a"),
            Token::Integer(1),
            Token::Map(1),
            Token::Bulk(b"k"),
            Token::Set(2),
            Token::Double(b"1.5"),
            Token::Bool(true),
            Token::Null,
            Token::Verbatim(b"txt:x"),
            Token::BlobError(b"e"),
        ]
    );
    assert_eq!(walker.skip_value(), None);
    assert_eq!(format!("{:?}", Token::Bulk(b"secret")), "Bulk(6 bytes)");
}
