use redis_protocol::resp3::types::BytesFrame;

use super::super::codec::{MAX_DECODE, MAX_DECODE_DEPTH, decode};
use super::super::*;

#[test]
fn a_handshake_reply_is_decoded_in_both_protocols() {
    let version = BytesFrame::BlobString { data: "7.0.15".into(), attributes: None };
    let Some(BytesFrame::Map { data, .. }) =
        decode(b"%2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n", Proto::Resp3)
    else {
        panic!("no map")
    };
    assert!(data.values().any(|value| *value == version));
    let Some(BytesFrame::Array { data, .. }) = decode(b"*2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n", Proto::Resp2) else {
        panic!("no array")
    };
    assert_eq!(data[1], version);
    let null = decode(b"$-1\r\n", Proto::Resp2);
    assert_eq!(null, Some(BytesFrame::Null));
    let error = decode(b"-WRONGPASS no\r\n", Proto::Resp3);
    assert!(matches!(error, Some(BytesFrame::SimpleError { .. })));
}

#[test]
fn what_is_no_single_small_frame_is_not_decoded() {
    for proto in [Proto::Resp2, Proto::Resp3] {
        for frame in ["", "+OK", "+OK\r\n+OK\r\n", "HELLO 3\r\n", "$1\r\nxyz", "*?\r\n"] {
            assert_eq!(decode(frame.as_bytes(), proto), None, "{frame:?}");
        }
        let nested = |depth| format!("{}:1\r\n", "*1\r\n".repeat(depth));
        assert!(decode(nested(MAX_DECODE_DEPTH).as_bytes(), proto).is_some());
        assert_eq!(decode(nested(MAX_DECODE_DEPTH + 1).as_bytes(), proto), None);
        assert_eq!(decode(nested(15_000).as_bytes(), proto), None, "nothing overflows");
        let large = format!("${0}\r\n{1}\r\n", MAX_DECODE, "x".repeat(MAX_DECODE));
        assert_eq!(decode(large.as_bytes(), proto), None);
    }
    assert_eq!(decode(b"*4000000000\r\n", Proto::Resp3), None, "nothing is allocated");
}
