//! The database as an adversary: whatever it does to stored bytes, a client gets the genuine value or an error.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Frame, MARKER, Raw, Sidecar, Upstream, contains, secret};

fn setup() -> (Upstream, Sidecar, Raw, Raw) {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    let (client, database) = (sidecar.connect(), upstream.raw());
    (upstream, sidecar, client, database)
}

/// A refusal to open: the code, and neither the value nor its marker.
#[track_caller]
fn assert_does_not_open(reply: &Frame) {
    assert!(reply.is_error("WAXSEAL OPEN_FAILED"), "wanted OPEN_FAILED, got {reply:?}");
    assert!(!format!("{reply:?}").contains(MARKER), "the error shows the value");
}

#[test]
fn a_value_copied_to_another_key_does_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"SET", b"session:a", &secret("a")]);
    assert_eq!(database.run("COPY session:a session:b"), Frame::Integer(1));
    assert_does_not_open(&client.run("GET session:b"));
    assert_does_not_open(&client.run("GETEX session:b"));
    assert_eq!(client.run("GET session:a"), Frame::Bulk(secret("a")));
    // A key of another rule is another key too.
    assert_eq!(database.run("COPY session:a user:a"), Frame::Integer(1));
    assert_does_not_open(&client.run("GET user:a"));
    // The connection serves on, and the reply of each command stays its own.
    client.send(b"GET session:b\r\nGET session:a\r\nGET session:b\r\n");
    assert_does_not_open(&client.read());
    assert_eq!(client.read(), Frame::Bulk(secret("a")));
    assert_does_not_open(&client.read());
}

#[test]
fn a_hash_copied_to_another_key_does_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"HSET", b"user:a", b"f", &secret("f")]);
    database.run("COPY user:a user:b");
    for line in ["HGET user:b f", "HGETALL user:b", "HVALS user:b", "HMGET user:b f"] {
        assert_no_value_in(client.run(line), line);
    }
    assert_does_not_open(&client.run("HGET user:b f"));
}

#[test]
fn a_value_moved_to_another_field_does_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"HSET", b"user:a", b"name", &secret("name"), b"role", &secret("role")]);
    let name = database.run("HGET user:a name").bytes();
    database.command(&[b"HSET", b"user:a", b"role", &name]);
    assert_does_not_open(&client.run("HGET user:a role"));
    assert_eq!(client.run("HGET user:a name"), Frame::Bulk(secret("name")));
    // One wrong value among good ones is not passed over in silence.
    for line in ["HGETALL user:a", "HVALS user:a", "HMGET user:a name role"] {
        assert_error_somewhere(client.run(line), line);
    }
}

#[test]
fn a_string_moved_into_a_hash_and_back_does_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"SET", b"session:a", &secret("a")]);
    let envelope = database.run("GET session:a").bytes();
    database.run("DEL session:a");
    database.command(&[b"HSET", b"session:a", b"f", &envelope, b"", &envelope]);
    assert_does_not_open(&client.run("HGET session:a f"));
    assert_does_not_open(&client.command(&[b"HGET", b"session:a", b""]));

    client.command(&[b"HSET", b"user:a", b"f", &secret("f"), b"", &secret("empty")]);
    for field in [&b"f"[..], b""] {
        let envelope = database.command(&[b"HGET", b"user:a", field]).bytes();
        database.command(&[b"SET", b"user:string", &envelope]);
        assert_does_not_open(&client.run("GET user:string"));
    }
}

#[test]
fn one_flipped_bit_anywhere_does_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"SET", b"session:a", &secret("a")]);
    let envelope = database.run("GET session:a").bytes();
    for position in 0..envelope.len() {
        let mut changed = envelope.clone();
        changed[position] ^= 1 << (position % 8);
        database.command(&[b"SET", b"session:a", &changed]);
        let reply = client.run("GET session:a");
        assert!(reply.is_error("WAXSEAL "), "byte {position} changed, and the reply is {reply:?}");
        assert!(!format!("{reply:?}").contains(MARKER));
    }
    for length in [0, 1, 3, 8, 31, 32, 47, envelope.len() - 1] {
        database.command(&[b"SET", b"session:a", &envelope[..length]]);
        let reply = client.run("GET session:a");
        assert!(reply.is_error("WAXSEAL "), "cut to {length} bytes, and the reply is {reply:?}");
    }
    let longer = [envelope.as_slice(), b"x"].concat();
    database.command(&[b"SET", b"session:a", &longer]);
    assert_does_not_open(&client.run("GET session:a"));
    database.command(&[b"SET", b"session:a", &envelope]);
    assert_eq!(client.run("GET session:a"), Frame::Bulk(secret("a")));
}

#[test]
fn plaintext_under_a_rule_is_an_error() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    database.command(&[b"SET", b"session:a", &secret("somebody else wrote this")]);
    database.command(&[b"HSET", b"user:a", b"f", &secret("and this")]);
    for line in ["GET session:a", "HGET user:a f", "HGETALL user:a", "MGET session:a"] {
        assert_no_value_in(client.run(line), line);
        assert_error_somewhere(client.run(line), line);
    }
}

#[test]
fn another_keyring_does_not_open() {
    let (upstream, _sidecar, mut client, _database) = setup();
    client.command(&[b"SET", b"session:a", &secret("a")]);
    let stranger = Sidecar::start(&upstream);
    let reply = stranger.connect().run("GET session:a");
    assert!(reply.is_error("WAXSEAL "), "{reply:?}");
}

#[test]
fn a_forged_message_is_never_delivered() {
    let (_upstream, sidecar, mut client, mut database) = setup();
    let mut listener = sidecar.connect();
    listener.run("SUBSCRIBE session:room");
    database.command(&[b"PUBLISH", b"session:room", &secret("forged")]);
    client.command(&[b"PUBLISH", b"session:room", &secret("genuine")]);
    loop {
        let (frame, bytes) = listener.read_with_bytes();
        assert!(!contains(&bytes, b"forged"), "a message that nobody sealed was delivered");
        if matches!(frame, Frame::Array(items) if items[2] == Frame::Bulk(secret("genuine"))) {
            break;
        }
    }
}

/// Another program, from the envelope's specification alone, reads what the sidecar stored.
#[test]
fn the_stand_alone_reader_opens_what_was_stored() {
    let (_upstream, sidecar, mut client, mut database) = setup();
    let binary: Vec<u8> = [MARKER.as_bytes(), &(0..=255).collect::<Vec<u8>>()].concat();
    for value in [&b""[..], &secret("short"), &binary] {
        client.command(&[b"SET", b"session:a", value]);
        client.command(&[b"HSET", b"user:a", b"field", value]);
        let string = database.run("GET session:a").bytes();
        assert_eq!(reader(&sidecar, &["--key", "session:a"], &string), value);
        let field = database.run("HGET user:a field").bytes();
        assert_eq!(reader(&sidecar, &["--key", "user:a", "--field", "field"], &field), value);
    }
}

fn reader(sidecar: &Sidecar, place: &[&str], envelope: &[u8]) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join(".venv/bin/python3"))
        .arg(root.join("tests/python/envelope_reader.py"))
        .args(["open", "--keyring"])
        .arg(sidecar.keyring())
        .args(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is missing: run `make setup`");
    child.stdin.take().expect("piped").write_all(envelope).expect("write");
    let output = child.wait_with_output().expect("reader");
    assert!(output.status.success(), "the reader could not open what the sidecar stored");
    output.stdout
}

#[track_caller]
fn assert_no_value_in(reply: Frame, line: &str) {
    assert!(!contains(format!("{reply:?}").as_bytes(), MARKER.as_bytes()), "{line} gave away {reply:?}");
    assert!(!any(&reply, &|frame| matches!(frame, Frame::Bulk(bytes) if contains(bytes, MARKER.as_bytes()))), "{line}");
}

#[track_caller]
fn assert_error_somewhere(reply: Frame, line: &str) {
    assert!(any(&reply, &|frame| frame.is_error("WAXSEAL ")), "{line}: wanted an error, got {reply:?}");
}

fn any(frame: &Frame, found: &dyn Fn(&Frame) -> bool) -> bool {
    found(frame)
        || match frame {
            Frame::Array(items) | Frame::Set(items) | Frame::Push(items) => items.iter().any(|item| any(item, found)),
            Frame::Map(pairs) => pairs.iter().any(|(key, value)| any(key, found) || any(value, found)),
            _ => false,
        }
}

/// Elements, members and entries: moved to another key, another kind of place or another field, none of them opens.
#[test]
fn elements_members_and_entries_open_only_where_they_belong() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"RPUSH", b"session:list", &secret("one"), &secret("two")]);
    client.command(&[b"SADD", b"session:set", &secret("member")]);
    client.command(&[b"ZADD", b"session:zset", b"1", &secret("member")]);
    client.command(&[b"XADD", b"session:stream", b"1-1", b"f", &secret("f"), b"g", &secret("g")]);
    for key in ["list", "set", "zset", "stream"] {
        database.run(&format!("COPY session:{key} session:{key}-copy"));
    }
    for line in [
        "LRANGE session:list-copy 0 -1",
        "LINDEX session:list-copy 0",
        "SMEMBERS session:set-copy",
        "SRANDMEMBER session:set-copy",
        "ZRANGE session:zset-copy 0 -1",
        "ZRANGE session:zset-copy 0 -1 WITHSCORES",
        "ZPOPMIN session:zset-copy",
        "XRANGE session:stream-copy - +",
        "XREAD STREAMS session:stream-copy 0",
        "BLPOP session:list-copy 1",
        "LMPOP 1 session:list-copy LEFT",
    ] {
        assert_does_not_open(&client.run(line));
    }
    // A member is not found where it was not put, whatever the database holds there.
    assert_eq!(client.command(&[b"SISMEMBER", b"session:set-copy", &secret("member")]), Frame::Integer(0));

    // A member as a value and a value as a member of the same key.
    let member = database.run("SRANDMEMBER session:set").bytes();
    database.command(&[b"RPUSH", b"session:other", &member]);
    database.run("RENAME session:other session:set");
    assert_does_not_open(&client.run("LINDEX session:set 0"));
    let element = database.run("LINDEX session:list 0").bytes();
    database.run("DEL session:list");
    database.command(&[b"SADD", b"session:list", &element]);
    assert_does_not_open(&client.run("SMEMBERS session:list"));

    // Fields of an entry changed for each other.
    let f = database.run("XRANGE session:stream - +").items()[0].clone().items()[1].clone().items()[1].clone().bytes();
    database.run("DEL session:stream");
    database.command(&[b"XADD", b"session:stream", b"1-1", b"g", &f]);
    assert_does_not_open(&client.run("XRANGE session:stream - +"));
}

/// One flipped bit of a member or an element is an error for the whole reply.
#[test]
fn flipped_bits_of_elements_and_members_do_not_open() {
    let (_upstream, _sidecar, mut client, mut database) = setup();
    client.command(&[b"RPUSH", b"session:list", &secret("one"), &secret("two")]);
    client.command(&[b"ZADD", b"session:zset", b"1", &secret("member")]);
    let mut element = database.run("LINDEX session:list 1").bytes();
    let mut member = database.run("ZRANGE session:zset 0 0").items()[0].clone().bytes();
    for at in [0, 4, 8, 20, element.len() - 1] {
        element[at] ^= 1;
        database.command(&[b"LSET", b"session:list", b"1", &element]);
        assert_does_not_open(&client.run("LRANGE session:list 0 -1"));
        assert_eq!(client.run("LINDEX session:list 0"), Frame::Bulk(secret("one")), "the other one opens");
        element[at] ^= 1;
    }
    for at in [8, 20, member.len() - 1] {
        member[at] ^= 1;
        database.run("DEL session:zset");
        database.command(&[b"ZADD", b"session:zset", b"1", &member]);
        assert_does_not_open(&client.run("ZRANGE session:zset 0 -1"));
        member[at] ^= 1;
    }
}
