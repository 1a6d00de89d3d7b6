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
