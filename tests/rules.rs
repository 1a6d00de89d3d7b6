//! What a rule can say beside its keys: HyperLogLogs under a wide scope, channels, fields, deterministic names and
//! elements. Each through the real sidecar, with a look at what the database holds.

mod support;

use support::{Frame, MARKER, Sidecar, Tap, Upstream, contains};

/// A sidecar with these `[[encrypt]]` tables, and no others.
fn with_rules(upstream: &Upstream, rules: &str) -> Sidecar {
    Sidecar::start_with(upstream, |settings| {
        settings.rules.clear();
        settings.more = rules.into();
    })
}

fn refused(frame: &Frame, reason: &str) -> bool {
    frame.is_error("WAXSEAL COMMAND_REFUSED") && format!("{frame:?}").contains(reason)
}

#[test]
fn channels_of_a_rule_are_those_that_it_names() {
    let upstream = Upstream::start();
    let sidecar = with_rules(
        &upstream,
        "[[encrypt]]\nid = 'a'\nkeys = ['chat:*']\nchannels = ['room:*', 'open:secret']\n\
         [[encrypt]]\nid = 'b'\nkeys = ['quiet:*']\nchannels = []\n\
         [[encrypt]]\nid = 'c'\nkeys = ['job:*']\nexcept = ['job:log']\n",
    );
    let sealed = ["room:1", "open:secret", "job:1"];
    let clear = ["chat:1", "quiet:1", "job:log", "open:1"];
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    let (mut through, mut past, mut pattern, mut shard) =
        (sidecar.connect(), upstream.raw(), sidecar.connect3(), sidecar.connect());
    pattern.run("PSUBSCRIBE *");
    for name in sealed.iter().chain(&clear) {
        through.run(&format!("SUBSCRIBE {name}"));
        past.run(&format!("SUBSCRIBE {name}"));
        shard.run(&format!("SSUBSCRIBE {name}"));
    }
    for name in sealed.iter().chain(&clear) {
        client.run(&format!("PUBLISH {name} {MARKER}"));
        client.run(&format!("SPUBLISH {name} {MARKER}"));
        for subscriber in [&mut through, &mut pattern, &mut shard] {
            let message = shown(subscriber.read());
            assert!(message.contains(MARKER) && message.contains(name), "{name}: {message}");
        }
        assert_eq!(shown(past.read()).contains(MARKER), clear.contains(name), "{name}");
    }
    for name in sealed {
        raw.run(&format!("PUBLISH {name} forged"));
    }
    raw.run("PUBLISH open:1 genuine");
    let next = shown(through.read());
    assert!(next.contains("genuine"), "what was published around the sidecar is dropped: {next}");
    // Channels do not protect keys, nor keys channels.
    client.run(&format!("SET room:1 {MARKER}"));
    client.run(&format!("SET chat:1 {MARKER}"));
    assert_eq!(raw.run("GET room:1"), Frame::bulk(MARKER));
    assert!(!contains(&raw.run("GET chat:1").bytes(), MARKER.as_bytes()));
}

/// All that a frame carries, as text.
fn shown(frame: Frame) -> String {
    match frame {
        Frame::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Frame::Array(_) | Frame::Set(_) | Frame::Push(_) | Frame::Map(_) => {
            frame.items().into_iter().map(shown).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// The same, in any order: a hash has none.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}

#[test]
fn only_the_named_fields_of_hashes_and_streams_are_encrypted() {
    let upstream = Upstream::start();
    let sidecar = with_rules(
        &upstream,
        "[[encrypt]]\nid = 'a'\nkeys = ['user:*']\nscope = 'tag'\nfields = ['ssn', 'card-*']\n\
         [[encrypt]]\nid = 'b'\nkeys = ['all:*']\nscope = 'tag'\n",
    );
    let tap = Tap::on(&upstream);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    client.run(&format!("HSET user:{{1}} city Ulm ssn {MARKER}-1 card-7 {MARKER}-7 visits 5"));
    assert_eq!(raw.run("HGET user:{1} city"), Frame::bulk("Ulm"));
    assert!(!contains(&raw.run("HGET user:{1} ssn").bytes(), MARKER.as_bytes()));
    assert!(!contains(&raw.run("HGET user:{1} card-7").bytes(), MARKER.as_bytes()));
    assert_eq!(shown(client.run("HMGET user:{1} card-7 none city ssn")), format!("{MARKER}-7 Null Ulm {MARKER}-1"));
    assert_eq!(client.run("HGET user:{1} city"), Frame::bulk("Ulm"));
    assert_eq!(words(&shown(client.run("HVALS user:{1}"))), words(&format!("Ulm {MARKER}-1 {MARKER}-7 5")));
    let all = format!("city Ulm ssn {MARKER}-1 card-7 {MARKER}-7 visits 5");
    assert_eq!(words(&shown(client.run("HGETALL user:{1}"))), words(&all));
    assert_eq!(words(&shown(sidecar.connect3().run("HGETALL user:{1}"))), words(&all));
    assert_eq!(client.run("HINCRBY user:{1} visits 2"), Frame::Integer(7));
    assert_eq!(client.run("HSTRLEN user:{1} city"), Frame::Integer(3));
    assert_eq!(client.run("HSTRLEN user:{1} card-7"), Frame::Integer(i64::try_from(MARKER.len()).unwrap() + 2));
    assert_eq!(client.run("HINCRBY user:{2} card-count 2"), Frame::Integer(2), "worked out by the sidecar");
    assert_ne!(raw.run("HGET user:{2} card-count"), Frame::bulk("2"));
    client.run("HDEL user:{2} card-count");
    client.run("MULTI");
    client.run(&format!("HSETNX user:{{2}} ssn {MARKER}-2"));
    client.run("HINCRBYFLOAT user:{2} visits 1.5");
    client.run("HGETALL user:{2}");
    let Frame::Array(replies) = client.run("EXEC") else { panic!("no transaction") };
    assert_eq!(words(&shown(replies[2].clone())), words(&format!("ssn {MARKER}-2 visits 1.5")));
    client.run(&format!("XADD user:{{1}}:log 1-1 event login ssn {MARKER}-3"));
    assert_eq!(shown(client.run("XRANGE user:{1}:log - +")), format!("1-1 event login ssn {MARKER}-3"));
    assert_eq!(
        shown(client.run("XREAD STREAMS user:{1}:log 0")),
        format!("user:{{1}}:log 1-1 event login ssn {MARKER}-3")
    );
    assert!(shown(raw.run("XRANGE user:{1}:log - +")).starts_with("1-1 event login ssn "));
    // What is no hash and no stream is encrypted whole.
    client.run(&format!("SET user:{{1}}:name {MARKER}"));
    assert!(!contains(&raw.run("GET user:{1}:name").bytes(), MARKER.as_bytes()));
    // One scope, but what is in clear here lies encrypted there; so it is carried over, and not back.
    assert_eq!(client.run("COPY user:{1} all:{1}"), Frame::Integer(1));
    assert_eq!(words(&shown(client.run("HGETALL all:{1}"))), words(&shown(client.run("HGETALL user:{1}"))));
    assert!(!shown(raw.run("HVALS all:{1}")).contains(MARKER));
    assert!(raw.run("HGET all:{1} visits").bytes().len() > 48, "what was in clear is encrypted now");
    let reply = client.run("COPY all:{1} user:{9}");
    assert!(refused(&reply, "leaves in clear"), "{reply:?}");
    assert_eq!(client.run("RENAME user:{1} user:{1}:moved"), Frame::ok());
    let moved = shown(client.run("HGETALL user:{1}:moved"));
    assert_eq!(words(&moved), words(&all.replace("visits 5", "visits 7")));
    // The database may change what is in clear, but not put something of its own in place of what is encrypted.
    raw.run("HSET user:{1}:moved city Bonn");
    assert_eq!(client.run("HGET user:{1}:moved city"), Frame::bulk("Bonn"));
    raw.run("HSET user:{1}:moved ssn forged");
    assert!(client.run("HGET user:{1}:moved ssn").is_error("WAXSEAL OPEN_FAILED"));
    assert!(client.run("HGETALL user:{1}:moved").is_error("WAXSEAL OPEN_FAILED"));
    tap.assert_never_contains(MARKER);
}

#[test]
fn names_of_hash_fields_and_list_elements_are_found_without_being_seen() {
    let upstream = Upstream::start();
    let sidecar = with_rules(
        &upstream,
        "[[encrypt]]\nid = 'a'\nkeys = ['hidden:*']\nscope = 'tag'\ndeterministic = ['field-names', 'list-elements']\n\
         [[encrypt]]\nid = 'b'\nkeys = ['named:*']\nscope = 'tag'\n",
    );
    let tap = Tap::on(&upstream);
    let (mut client, mut client3, mut raw) = (sidecar.connect(), sidecar.connect3(), upstream.raw());
    let (f, g) = (format!("{MARKER}-f"), format!("{MARKER}-g"));
    assert_eq!(client.run(&format!("HSET hidden:{{1}} {f} {MARKER}-1 {g} {MARKER}-2")), Frame::Integer(2));
    assert_eq!(client.run(&format!("HSET hidden:{{1}} {f} {MARKER}-3")), Frame::Integer(0), "the same field again");
    assert_eq!(client.run(&format!("HGET hidden:{{1}} {f}")), Frame::bulk(format!("{MARKER}-3")));
    assert_eq!(shown(client.run(&format!("HMGET hidden:{{1}} none {g}"))), format!("Null {MARKER}-2"));
    assert_eq!(client.run(&format!("HEXISTS hidden:{{1}} {g}")), Frame::Integer(1));
    assert_eq!(client.run("HEXISTS hidden:{1} none"), Frame::Integer(0));
    let all = format!("{f} {MARKER}-3 {g} {MARKER}-2");
    for client in [&mut client, &mut client3] {
        assert_eq!(words(&shown(client.run("HGETALL hidden:{1}"))), words(&all));
        assert_eq!(words(&shown(client.run("HKEYS hidden:{1}"))), words(&format!("{f} {g}")));
        assert_eq!(words(&shown(client.run("HVALS hidden:{1}"))), words(&format!("{MARKER}-3 {MARKER}-2")));
        assert_eq!(words(&shown(client.run("HSCAN hidden:{1} 0 MATCH *"))), words(&format!("0 {all}")));
        assert_eq!(words(&shown(client.run("HRANDFIELD hidden:{1} 5"))), words(&format!("{f} {g}")));
        assert_eq!(words(&shown(client.run("HRANDFIELD hidden:{1} 5 WITHVALUES"))), words(&all));
        let matching = client.run(&format!("HSCAN hidden:{{1}} 0 MATCH {MARKER}-[g-z]"));
        assert_eq!(words(&shown(matching)), words(&format!("0 {g} {MARKER}-2")));
    }
    for reply in [2, 4] {
        assert_eq!(client.run(&format!("HINCRBY hidden:{{1}} {MARKER}-n 2")), Frame::Integer(reply));
    }
    assert_eq!(client.run(&format!("HINCRBYFLOAT hidden:{{1}} {MARKER}-n 0.5")), Frame::bulk("4.5"));
    assert_eq!(client.run(&format!("HSTRLEN hidden:{{1}} {MARKER}-n")), Frame::Integer(3));
    let stored = shown(raw.run("HGETALL hidden:{1}"));
    assert_eq!(client.run(&format!("HDEL hidden:{{1}} {MARKER}-n")), Frame::Integer(1));
    assert!(!stored.contains(MARKER), "{stored}");
    // Under the rule that does not say so, names are in clear, and so nothing moves there.
    client.run(&format!("HSET named:{{1}} name {MARKER}-4"));
    assert_eq!(shown(raw.run("HKEYS named:{1}")), "name");
    assert!(refused(&client.run("RENAME hidden:{1} named:{1}"), "leaves in clear"));
    assert_eq!(client.run("COPY named:{1} hidden:{2}"), Frame::Integer(1));
    assert_eq!(shown(client.run("HGETALL hidden:{2}")), format!("name {MARKER}-4"));
    assert_ne!(shown(raw.run("HKEYS hidden:{2}")), "name");
    assert_eq!(client.run("RENAME hidden:{1} hidden:{1}:moved"), Frame::ok());
    assert_eq!(words(&shown(client.run("HGETALL hidden:{1}:moved"))), words(&all));
    assert_eq!(client.run(&format!("HDEL hidden:{{1}}:moved {f} none")), Frame::Integer(1));
    assert_eq!(client.run("HLEN hidden:{1}:moved"), Frame::Integer(1));
    raw.run("HSET hidden:{1}:moved clear text");
    assert!(client.run("HGETALL hidden:{1}:moved").is_error("WAXSEAL OPEN_FAILED"));
    assert!(client.run("HKEYS hidden:{1}:moved").is_error("WAXSEAL OPEN_FAILED"));

    let (a, b) = (format!("{MARKER}-a"), format!("{MARKER}-b"));
    client.run(&format!("RPUSH hidden:{{1}}:l {a} {b} {a} {b} {a}"));
    assert_eq!(client.run(&format!("LPOS hidden:{{1}}:l {b}")), Frame::Integer(1));
    assert_eq!(shown(client.run(&format!("LPOS hidden:{{1}}:l {a} RANK -1 COUNT 2"))), "Integer(4) Integer(2)");
    assert_eq!(client.run(&format!("LREM hidden:{{1}}:l 1 {a}")), Frame::Integer(1));
    assert_eq!(client.run(&format!("LINSERT hidden:{{1}}:l AFTER {b} {MARKER}-new")), Frame::Integer(5));
    assert_eq!(shown(client.run("LRANGE hidden:{1}:l 0 -1")), format!("{b} {MARKER}-new {a} {b} {a}"));
    // Where they are sealed at random, Waxseal looks for them itself.
    client.run(&format!("RPUSH named:{{1}}:l {a} {b} {a}"));
    assert_eq!(client.run(&format!("LREM named:{{1}}:l 0 {a}")), Frame::Integer(2));
    assert_eq!(shown(client.run("LRANGE named:{1}:l 0 -1")), b);
    assert_eq!(client.run(&format!("LPOS named:{{1}}:l {b}")), Frame::Integer(0));
    tap.assert_never_contains(MARKER);
}

const WIDE: &str = "[[encrypt]]\nid = 'visits'\nkeys = ['visits:*']\nscope = 'rule'\n\
                    [[encrypt]]\nid = 'pages'\nkeys = ['page:*']\nscope = 'tag'\n\
                    [[encrypt]]\nid = 'narrow'\nkeys = ['narrow:*']\n";

#[test]
fn a_hyperloglog_counts_elements_that_the_database_never_sees() {
    let upstream = Upstream::start();
    let sidecar = with_rules(&upstream, WIDE);
    let tap = Tap::on(&upstream);
    let (mut client, mut raw) = (sidecar.connect(), upstream.raw());
    for (command, reply) in [
        (format!("PFADD visits:1 {MARKER}-a {MARKER}-b"), 1),
        (format!("PFADD visits:1 {MARKER}-a"), 0),
        (format!("PFADD visits:2 {MARKER}-b {MARKER}-c"), 1),
        ("PFADD visits:3".into(), 1),
        ("PFCOUNT visits:1".into(), 2),
        ("PFCOUNT visits:1 visits:2 visits:3".into(), 3),
    ] {
        assert_eq!(client.run(&command), Frame::Integer(reply), "{command}");
    }
    assert_eq!(client.run("PFMERGE visits:3 visits:1 visits:2"), Frame::ok());
    assert_eq!(client.run("PFCOUNT visits:3"), Frame::Integer(3));
    // The element itself is not what was counted, so it still counts when somebody adds it past the sidecar.
    assert_eq!(raw.run(&format!("PFADD visits:1 {MARKER}-a")), Frame::Integer(1));
    assert!(raw.run("GET visits:2").bytes().starts_with(b"HYLL"));
    assert!(client.run("GET visits:2").is_error("WAXSEAL OPEN_FAILED"), "what the server made is no value of ours");
    drop(raw);
    // The one that was added past the sidecar is in the tap as well; so only the sidecar's commands are searched.
    let (mut client, mut many) = (sidecar.connect(), Vec::new());
    for n in 0..10_000 {
        many.push(format!("{MARKER}-{n}"));
    }
    for (count, key) in [(300, "visits:few"), (10_000, "visits:many")] {
        for chunk in many[..count].chunks(100) {
            client.run(&format!("PFADD {key} {}", chunk.join(" ")));
        }
        let counted = client.run(&format!("PFCOUNT {key}")).integer();
        let off = (counted - i64::try_from(count).unwrap()).abs();
        println!("{count} elements are counted as {counted}");
        // Redis's standard error is 0.81 %; five times that does not happen.
        assert!(off * 100 <= i64::try_from(count).unwrap() * 4, "{count} elements are counted as {counted}");
    }
    let seen = tap.seen();
    assert_eq!(seen.windows(MARKER.len()).filter(|w| *w == MARKER.as_bytes()).count(), 1, "the one added directly");
}

#[test]
fn a_hyperloglog_needs_a_scope_that_keys_can_share() {
    let upstream = Upstream::start();
    let sidecar = with_rules(&upstream, WIDE);
    let mut client = sidecar.connect();
    for command in ["PFADD narrow:1 x", "PFADD narrow:1", "PFCOUNT narrow:1", "PFMERGE narrow:1"] {
        let reply = client.run(command);
        assert!(refused(&reply, "scope = \\\"tag\\\"") || refused(&reply, "scope = \"tag\""), "{command}: {reply:?}");
    }
    assert_eq!(client.run("PFADD page:{a}:1 x"), Frame::Integer(1));
    assert_eq!(client.run("PFADD page:{a}:2 x y"), Frame::Integer(1));
    assert_eq!(client.run("PFCOUNT page:{a}:1 page:{a}:2"), Frame::Integer(2));
    for command in [
        "PFCOUNT page:{a}:1 page:{b}:1",
        "PFCOUNT page:{a}:1 visits:1",
        "PFCOUNT page:{a}:1 open",
        "PFCOUNT open page:{a}:1",
        "PFCOUNT page:{a}:1 narrow:1",
        "PFMERGE open page:{a}:1",
        "PFMERGE page:{a}:1 open",
        "PFMERGE visits:1 page:{a}:1",
    ] {
        assert!(client.run(command).is_error("WAXSEAL COMMAND_REFUSED"), "{command}");
    }
    assert!(client.run("PFDEBUG ENCODING page:{a}:1").is_error("WAXSEAL COMMAND_REFUSED"));
    assert_eq!(client.run("PFADD open x"), Frame::Integer(1), "without a rule as always");
    assert_eq!(client.run("PFCOUNT open nothing"), Frame::Integer(1));
    assert!(contains(&upstream.raw().run("GET page:{a}:1").bytes(), b"HYLL"));
}
