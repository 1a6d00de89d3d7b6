//! redis-protocol as the oracle: random frames, random cuts, the same ends and the same content.

use bytes::BytesMut;
use proptest::prelude::*;
use redis_protocol::resp2::{decode as resp2, types::OwnedFrame as Frame2};
use redis_protocol::resp3::decode::complete as resp3;
use redis_protocol::resp3::types::{FrameMap, OwnedFrame as Frame3, Resp3Frame as _, VerbatimStringFormat};

use super::super::*;
use super::piece_ends;

/// A frame to be written, in its own plain way.
#[derive(Clone, Debug)]
enum Value {
    Line(u8, String),
    Blob(u8, Vec<u8>),
    Many(u8, Vec<Value>),
    /// Type `%`, and `|` with the value that follows.
    Pairs(u8, Vec<(Value, Value)>, Option<Box<Value>>),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, kind: &u8, rest: &str| {
            out.push(*kind);
            out.extend_from_slice(rest.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        match self {
            Self::Line(kind, text) => head(out, kind, text),
            Self::Blob(kind, bytes) => {
                head(out, kind, &bytes.len().to_string());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Many(kind, values) => {
                head(out, kind, &values.len().to_string());
                values.iter().for_each(|value| value.write(out));
            }
            Self::Pairs(kind, pairs, value) => {
                head(out, kind, &pairs.len().to_string());
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
                if let Some(value) = value {
                    value.write(out);
                }
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

fn line(kind: u8, text: &'static str) -> impl Strategy<Value = Value> {
    text.prop_map(move |text| Value::Line(kind, text))
}

fn blob(kind: u8) -> impl Strategy<Value = Value> {
    prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n$*:".to_vec())], 0..30)
        .prop_map(move |bytes| Value::Blob(kind, bytes))
}

fn integer() -> impl Strategy<Value = Value> {
    any::<i64>().prop_map(|n| Value::Line(b':', n.to_string()))
}

fn resp2_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        line(b'+', "[ -~]{0,12}"),
        line(b'-', "[A-Z]{3} [ -~]{0,12}"),
        integer(),
        blob(b'$'),
        line(b'$', "-1"),
        line(b'*', "-1"),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop::collection::vec(inner, 0..6).prop_map(|values| Value::Many(b'*', values))
    })
}

/// What the oracle can describe by an attribute and use as a key.
fn resp3_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        line(b'+', "[ -~]{0,12}"),
        line(b'-', "[A-Z]{3} [ -~]{0,12}"),
        integer(),
        blob(b'$'),
        blob(b'!'),
        blob(b'=').prop_map(|value| match value {
            Value::Blob(kind, text) => Value::Blob(kind, [b"txt:", &text[..]].concat()),
            other => other,
        }),
        line(b'#', "t|f"),
        line(b'(', "-?[1-9][0-9]{20,30}"),
        line(b',', "inf|-inf|-?[1-9][0-9]{0,3}(\\.[0-9]{1,5})?(e[+-][1-9])?"),
    ]
}

/// Drops pairs of equal keys: which of them the oracle keeps is chance.
fn distinct(pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for (key, value) in pairs {
        let built = build3(&mut Walker::new(&key.bytes()));
        if !seen.contains(&built) {
            seen.push(built);
            kept.push((key, value));
        }
    }
    kept
}

fn resp3_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![9 => resp3_scalar(), 1 => line(b'_', "")];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let pairs = prop::collection::vec((resp3_scalar(), inner.clone()), 0..4).prop_map(distinct).boxed();
        let many = prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|values| Value::Many(b'*', values)),
            prop::collection::vec(resp3_scalar(), 0..6).prop_map(|values| Value::Many(b'~', values)),
            prop::collection::vec(resp3_scalar(), 1..6).prop_map(|values| Value::Many(b'>', values)),
            pairs.clone().prop_map(|pairs| Value::Pairs(b'%', pairs, None)),
        ];
        prop_oneof![
            3 => many.clone(),
            1 => (pairs, prop_oneof![resp3_scalar(), many])
                .prop_map(|(pairs, value)| Value::Pairs(b'|', pairs, Some(Box::new(value)))),
        ]
    })
}

/// What the walker reads, in the oracle's RESP2 type.
fn build2(walker: &mut Walker<'_>) -> Frame2 {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    match walker.next().expect("a token") {
        Token::Simple(bytes) => Frame2::SimpleString(bytes.to_vec()),
        Token::Error(bytes) => Frame2::Error(text(bytes)),
        Token::Integer(n) => Frame2::Integer(n),
        Token::Bulk(bytes) => Frame2::BulkString(bytes.to_vec()),
        Token::Null => Frame2::Null,
        Token::Array(n) => Frame2::Array((0..n).map(|_| build2(walker)).collect()),
        other => panic!("{other:?} in RESP2"),
    }
}

/// What the walker reads, in the oracle's RESP3 type.
fn build3(walker: &mut Walker<'_>) -> Frame3 {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let attributes = None;
    match walker.next().expect("a token") {
        Token::Simple(bytes) => Frame3::SimpleString { data: bytes.to_vec(), attributes },
        Token::Error(bytes) => Frame3::SimpleError { data: text(bytes), attributes },
        Token::BlobError(bytes) => Frame3::BlobError { data: bytes.to_vec(), attributes },
        Token::Integer(data) => Frame3::Number { data, attributes },
        Token::Bulk(bytes) => Frame3::BlobString { data: bytes.to_vec(), attributes },
        Token::Verbatim(bytes) => {
            Frame3::VerbatimString { data: bytes[4..].to_vec(), format: VerbatimStringFormat::Text, attributes }
        }
        Token::Null => Frame3::Null,
        Token::Bool(data) => Frame3::Boolean { data, attributes },
        Token::Double(bytes) => Frame3::Double { data: text(bytes).parse().expect("a double"), attributes },
        Token::BigNumber(bytes) => Frame3::BigNumber { data: bytes.to_vec(), attributes },
        Token::Array(n) => Frame3::Array { data: (0..n).map(|_| build3(walker)).collect(), attributes },
        Token::Push(n) => Frame3::Push { data: (0..n).map(|_| build3(walker)).collect(), attributes },
        Token::Set(n) => Frame3::Set { data: (0..n).map(|_| build3(walker)).collect(), attributes },
        Token::Map(pairs) => Frame3::Map { data: build_map(walker, pairs), attributes },
        Token::Attribute(pairs) => {
            let attributes = build_map(walker, pairs);
            let mut frame = build3(walker);
            frame.add_attributes(attributes).expect("can be described");
            frame
        }
    }
}

fn build_map(walker: &mut Walker<'_>, pairs: usize) -> FrameMap<Frame3, Frame3> {
    (0..pairs).map(|_| (build3(walker), build3(walker))).collect()
}

/// Scans `data`, given in pieces, for its first frame, and checks that nothing is found before `len`.
fn check_pieces(data: &[u8], len: usize, cuts: &[usize]) {
    let mut scanner = ReplyScanner::new();
    for end in piece_ends(data.len(), cuts) {
        let expected = (end >= len).then_some(len);
        assert_eq!(scanner.scan(&data[..end]), Ok(expected));
    }
    // Once more, with all that is scanned taken away at each step.
    let mut scanner = ReplyScanner::new();
    let mut begin = 0;
    for end in piece_ends(data.len(), cuts) {
        match scanner.scan(&data[begin..end]) {
            Ok(Some(rest)) => {
                assert_eq!(begin + rest, len);
                return;
            }
            Ok(None) => {
                let scanned = scanner.scanned(end - begin);
                scanner.forget(scanned);
                begin += scanned;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never complete");
}

proptest! {
    #[test]
    fn resp2_agrees_with_the_oracle(
        value in resp2_value(),
        next in resp2_value(),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut data = value.bytes();
        let frame_len = data.len();
        next.write(&mut data);
        let (frame, len) = resp2::decode(&data).expect("valid").expect("complete");
        prop_assert_eq!(len, frame_len);
        check_pieces(&data, len, &cuts);
        let mut walker = Walker::new(&data[..len]);
        prop_assert_eq!(build2(&mut walker), frame);
        prop_assert_eq!(walker.pos(), len);
        prop_assert_eq!(Walker::new(&data).skip_value(), Some(&data[..len]));
        prop_assert!(codec::decode(&data[..len], Proto::Resp2).is_some());
    }

    #[test]
    fn resp3_agrees_with_the_oracle(
        value in resp3_value(),
        next in resp3_value(),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut data = value.bytes();
        let frame_len = data.len();
        next.write(&mut data);
        let (frame, len) = resp3::decode(&data).expect("valid").expect("complete");
        prop_assert_eq!(len, frame_len);
        check_pieces(&data, len, &cuts);
        let mut walker = Walker::new(&data[..len]);
        prop_assert_eq!(build3(&mut walker), frame);
        prop_assert_eq!(walker.pos(), len);
        prop_assert_eq!(Walker::new(&data).skip_value(), Some(&data[..len]));
        prop_assert!(codec::decode(&data[..len], Proto::Resp3).is_some());
    }

    /// We refuse more than the oracle does; what we take, it never ends elsewhere.
    #[test]
    fn damaged_frames_never_end_elsewhere_than_the_oracle_says(
        value in prop_oneof![resp2_value(), resp3_value()],
        changes in prop::collection::vec(
            (any::<usize>(), prop_oneof![any::<u8>(), prop::sample::select(b"0123456789-?\r\n*$".to_vec())]),
            1..4,
        ),
    ) {
        let mut data = value.bytes();
        for (at, byte) in changes {
            let at = at % data.len();
            data[at] = byte;
        }
        match ReplyScanner::new().scan(&data) {
            Ok(Some(len)) => {
                if let Ok(found) = resp3::decode(&data) {
                    prop_assert_eq!(found.map(|(_, end)| end), Some(len));
                }
                if let Ok(found) = resp2::decode(&data) {
                    prop_assert_eq!(found.map(|(_, end)| end), Some(len));
                }
                let mut walker = Walker::new(&data[..len]);
                prop_assert_eq!(walker.skip_value(), Some(&data[..len]));
                for proto in [Proto::Resp2, Proto::Resp3] {
                    let _ = codec::decode(&data[..len], proto);
                }
            }
            Ok(None) => {
                prop_assert!(!matches!(resp3::decode(&data), Ok(Some(_))));
                prop_assert!(!matches!(resp2::decode(&data), Ok(Some(_))));
            }
            Err(_) => {}
        }
        // Even on what the scanner refuses, the walker ends.
        let _ = Walker::new(&data).count();
        let _ = Walker::new(&data).skip_value();
    }

    #[test]
    fn a_written_request_is_what_the_oracle_reads(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..10),
    ) {
        let mut data = BytesMut::new();
        encode::command(&mut data, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let read = resp2::decode(&data).expect("valid").expect("complete");
        let expected = Frame2::Array(words.into_iter().map(Frame2::BulkString).collect());
        prop_assert_eq!(read, (expected, data.len()));
    }
}
