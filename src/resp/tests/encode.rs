use bytes::BytesMut;

use super::super::*;

fn written(write: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&mut out);
    String::from_utf8(out.to_vec()).expect("text")
}

#[test]
fn frames_are_written_for_the_protocol() {
    use Proto::{Resp2, Resp3};
    assert_eq!(written(|out| encode::simple(out, "OK")), "+OK\r\n");
    assert_eq!(written(|out| encode::error(out, "ERR a\r\n+OK\n")), "-ERR a  +OK \r\n");
    for n in [0, 7, 10, -1, -10, 1_234_567_890, i64::MAX, i64::MIN] {
        assert_eq!(written(|out| encode::int(out, n)), format!(":{n}\r\n"));
    }
    assert_eq!(written(|out| encode::bulk(out, b"")), "$0\r\n\r\n");
    assert_eq!(written(|out| encode::bulk(out, b"ab")), "$2\r\nab\r\n");
    let widest = usize::MAX;
    assert_eq!(written(|out| encode::bulk_header(out, widest)), format!("${widest}\r\n"));
    assert_eq!(written(|out| encode::null(out, Resp2)), "$-1\r\n");
    assert_eq!(written(|out| encode::null(out, Resp3)), "_\r\n");
    assert_eq!(written(|out| encode::null_array(out, Resp2)), "*-1\r\n");
    assert_eq!(written(|out| encode::null_array(out, Resp3)), "_\r\n");
    assert_eq!(written(|out| encode::array_header(out, 3)), "*3\r\n");
    assert_eq!(written(|out| encode::map_header(out, 3, Resp2)), "*6\r\n");
    assert_eq!(written(|out| encode::map_header(out, 3, Resp3)), "%3\r\n");
    assert_eq!(written(|out| encode::set_header(out, 3, Resp2)), "*3\r\n");
    assert_eq!(written(|out| encode::set_header(out, 3, Resp3)), "~3\r\n");
    assert_eq!(written(|out| encode::push_header(out, 3, Resp2)), "*3\r\n");
    assert_eq!(written(|out| encode::push_header(out, 3, Resp3)), ">3\r\n");
    assert_eq!(written(|out| encode::verbatim(out, *b"txt", b"ab", Resp2)), "$2\r\nab\r\n");
    assert_eq!(written(|out| encode::verbatim(out, *b"txt", b"ab", Resp3)), "=6\r\ntxt:ab\r\n");
    assert_eq!(written(|out| encode::command(out, &[b"GET", b"k"])), "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
}
