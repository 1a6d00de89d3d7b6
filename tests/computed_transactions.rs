//! Commands that compute on encrypted values, inside MULTI and behind WATCH: the results that Redis gives, all of a
//! transaction or nothing, nothing in clear.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use support::raw::encode;
use support::{Dice, Frame, MARKER, Raw, Sidecar, Tap, Upstream, encrypt_everything, wait_until};

/// Transactions per protocol.
const STEPS: usize = 1500;

/// One letter stands for a word: K a key of any type, N integer, F field, V text, E element or member, P a list of digits D.
const PROGRAM: [&str; 82] = [
    "INCR K",
    "DECR K",
    "INCRBY K N",
    "INCRBYFLOAT K 0.1",
    "APPEND K V",
    "SETRANGE K 3 V",
    "SETBIT K 7 1",
    "BITFIELD K INCRBY u8 0 200",
    "BITOP OR K J K",
    "LCS K J",
    "SET K N IFEQ 1",
    "ZREMRANGEBYLEX Z - +",
    "HINCRBY H F N",
    "HINCRBY H F 2",
    "HINCRBYFLOAT H F 0.5",
    "HINCRBY K F 1",
    "LREM L 0 E",
    "LINSERT L BEFORE E V",
    "LMOVE L M LEFT RIGHT",
    "RPOPLPUSH M L",
    "BLMOVE L M RIGHT LEFT 0",
    "SMOVE A B E",
    "SINTERSTORE B A C",
    "SUNION A B",
    "ZUNIONSTORE Z 2 Y Z",
    "RPUSH P D D",
    "SORT P DESC GET k:*",
    "SORT P BY k:* GET # GET h:*->f0",
    "SORT P BY k:*->f ALPHA",
    "SORT P BY h:*->f0 STORE M",
    "SORT A ALPHA STORE L",
    "RENAME K J",
    "RENAME J K",
    "LREM L -1 E",
    "LPOP L",
    "RPOP M",
    "LSET L 0 V",
    "SREM A E",
    "SMOVE B A E",
    "ZREM Z E",
    "ZADD Z 2 E",
    "RPUSH J E V",
    "RENAMENX H G",
    "COPY K J REPLACE",
    "COPY K J DB 1",
    "COPY K J DB 1 REPLACE",
    "SET K N",
    "SET K N EX 100",
    "SET K N KEEPTTL",
    "SET K N NX",
    "SET K N GET",
    "SETEX K 100 N",
    "MSET K N J 5",
    "GETSET K N",
    "GETDEL K",
    "DEL K",
    "DEL H L",
    "UNLINK K",
    "EXPIRE K 100",
    "EXPIRE K -1",
    "PERSIST K",
    "HSET H F N",
    "HSET H F 5 G V",
    "HDEL H F",
    "HSETNX H F 1",
    "HMSET H F 7",
    "HSET K F 1",
    "RPUSH L E V",
    "LPUSH K V",
    "SADD A E V",
    "SADD C E",
    "ZADD Z N E",
    "ZADD Y 1 V",
    "GET K",
    "STRLEN K",
    "GETRANGE K 0 2",
    "HGETALL H",
    "HGET H F",
    "LRANGE L 0 -1",
    "LPOS L E",
    "TYPE K",
    "PING V",
];

/// Beside transactions, so that keys are of every type.
const BETWEEN: [&str; 8] = ["DEL K", "SET K N", "RPUSH K V", "HSET K F 1", "DEL H", "SET H V", "DEL L M", "SADD L E"];

fn word(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" | "J" | "H" | "G" | "L" | "M" | "A" | "B" | "C" | "Z" | "Y" => {
            let spread = if matches!(word, "K" | "H") { dice.roll(2) } else { 0 };
            format!("{}:{spread}", word.to_lowercase()).into_bytes()
        }
        "P" => b"p".into(),
        "D" => dice.pick(&["0", "1", "2"]).into(),
        "N" => dice.pick(&["0", "1", "-7", "41", "x", "9223372036854775807", "1.5"]).into(),
        "F" => format!("f{}", dice.roll(2)).into_bytes(),
        "V" => format!("{MARKER}-{}", dice.roll(9)).into_bytes(),
        "E" => format!("{MARKER}-{}", dice.roll(3)).into_bytes(),
        word => word.into(),
    }
}

fn line(dice: &mut Dice, template: &str) -> Vec<Vec<u8>> {
    template.split(' ').map(|part| word(dice, part)).collect()
}

/// The order of members and fields is not promised.
fn settled(frame: Frame, lines: &[Vec<Vec<u8>>]) -> Frame {
    let Frame::Array(items) = frame else { return frame };
    let settle = |(item, line): (Frame, &Vec<Vec<u8>>)| match item {
        Frame::Map(mut pairs) => {
            pairs.sort_by_key(|pair| format!("{pair:?}"));
            Frame::Map(pairs)
        }
        Frame::Array(mut items) | Frame::Set(mut items) if ![&b"LRANGE"[..], b"SORT"].contains(&&line[0][..]) => {
            items.sort_by_key(|item| format!("{item:?}"));
            Frame::Array(items)
        }
        other => other,
    };
    Frame::Array(items.into_iter().zip(lines).map(settle).collect())
}

#[test]
fn random_transactions_end_as_in_redis() {
    let plain = Upstream::start();
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let tap = Tap::on(&upstream);
    let seed = std::env::var("WAXSEAL_DIFFERENTIAL_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| std::process::id().into());
    println!("WAXSEAL_DIFFERENTIAL_SEED={seed}");
    let (mut ran, mut refused) = (0, 0);
    for proto in ["2", "3"] {
        let (mut bare, mut sealed) = (plain.raw(), sidecar.connect());
        for client in [&mut bare, &mut sealed] {
            client.run(&format!("HELLO {proto}"));
            client.run("FLUSHALL");
        }
        let mut dice = Dice(seed);
        for step in 0..STEPS {
            let lines: Vec<_> = (0..1 + dice.roll(6))
                .map(|_| {
                    let template = dice.pick(&PROGRAM);
                    line(&mut dice, template)
                })
                .collect();
            let shown: Vec<String> = lines.iter().map(|words| words.join(&b' ').escape_ascii().to_string()).collect();
            let told = format!("seed {seed}, protocol {proto}, step {step}: {shown:#?}");
            let watch = dice.roll(4) == 0;
            let at_once = dice.roll(2) == 0;
            let mut before = vec![];
            if watch {
                before.push(vec![b"WATCH".to_vec(), b"k:0".to_vec()]);
            }
            let template = dice.pick(&BETWEEN);
            before.push(line(&mut dice, template));
            for words in before {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                assert_eq!(sealed.command(&words), bare.command(&words), "{told}");
            }
            let block = |client: &mut Raw| transaction(client, &lines, at_once);
            let got = block(&mut sealed);
            // To which keys SORT leads is known when EXEC has read.
            let refusal =
                |frame: &Frame| matches!(frame, Frame::Error(text) if text.contains("WAXSEAL COMMAND_REFUSED"));
            if got.iter().any(refusal) {
                assert!(got.last().is_some_and(|frame| frame.is_error("EXECABORT")), "{told}");
                refused += 1;
                // The bare server is to do nothing, either.
                bare.run("UNWATCH");
                continue;
            }
            assert_eq!(got, block(&mut bare), "{told}");
            ran += 1;
        }
        assert_eq!(sealed.run("DBSIZE"), bare.run("DBSIZE"));
    }
    println!("{ran} transactions ran, {refused} were refused");
    assert!(ran > 2 * refused, "too many are refused to see much");
    tap.assert_never_contains(MARKER);
    upstream.assert_nothing_stored_contains(MARKER);
}

/// The answers to MULTI, the commands and EXEC, sent one by one or all at once.
fn transaction(client: &mut Raw, lines: &[Vec<Vec<u8>>], at_once: bool) -> Vec<Frame> {
    let mut requests = vec![encode(&[b"MULTI"])];
    requests.extend(lines.iter().map(|words| encode(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())));
    requests.push(encode(&[b"EXEC"]));
    if at_once {
        client.send(&requests.concat());
        return requests.iter().map(|_| settled(client.read(), lines)).collect();
    }
    let ask = |request: &Vec<u8>| {
        client.send(request);
        settled(client.read(), lines)
    };
    requests.iter().map(ask).collect()
}

#[track_caller]
fn exec(client: &mut Raw, lines: &[&str]) -> Frame {
    assert_eq!(client.run("MULTI"), Frame::ok());
    for line in lines {
        assert_eq!(client.run(line), Frame::Simple("QUEUED".into()), "{line}");
    }
    client.run("EXEC")
}

/// What a client watches stops its transaction; what only we watch has it begin again.
#[test]
fn watch_keeps_its_meaning() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let (mut client, mut other) = (sidecar.connect(), sidecar.connect());
    client.run("SET n 1");
    assert_eq!(client.run("WATCH seen"), Frame::ok());
    other.run("SET seen 1");
    assert_eq!(exec(&mut client, &["INCR n"]), Frame::Null);
    assert_eq!(client.run("GET n").bytes(), b"1");
    // The watch has ended with it.
    assert_eq!(exec(&mut client, &["INCR n"]), Frame::Array(vec![Frame::Integer(2)]));
    assert_eq!(client.run("WATCH n"), Frame::ok());
    assert_eq!(exec(&mut client, &["INCR n", "INCR n"]), Frame::Array(vec![Frame::Integer(3), Frame::Integer(4)]));
    // One that is given up leaves nothing behind.
    assert_eq!(client.run("WATCH n"), Frame::ok());
    client.run("MULTI");
    client.run("INCR n");
    assert_eq!(client.run("DISCARD"), Frame::ok());
    other.run("INCR n");
    assert_eq!(exec(&mut client, &["INCR n"]), Frame::Array(vec![Frame::Integer(6)]));
}

/// Nothing may be left watched on a lane that others get, nor the block half done.
#[test]
fn what_the_server_refuses_is_told_by_exec() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    for (forbid, allow) in
        [("-watch", "+watch"), ("-set", "+set"), ("-eval", "+eval"), ("-multi", "+multi"), ("-get", "+get")]
    {
        upstream.raw().run(&format!("ACL SETUSER default {forbid}"));
        let lines = if forbid == "-set" { &["INCR n"][..] } else { &["HINCRBY h f 1", "INCR n"] };
        client.run("MULTI");
        for line in lines {
            client.run(line);
        }
        client.send_lossy(b"EXEC\r\n");
        match client.try_read() {
            Ok(Frame::Error(text)) => assert!(text.starts_with("EXECABORT"), "{forbid}: {text}"),
            Ok(Frame::Array(items)) => assert!(items[items.len() - 1].is_error("NOPERM"), "{forbid}: {items:?}"),
            Ok(other) => panic!("{forbid}: {other:?}"),
            // The client had been told OK by then: it is cut.
            Err(_) => client = sidecar.connect(),
        }
        upstream.raw().run(&format!("ACL SETUSER default {allow}"));
        client.run("DEL n h");
        assert_eq!(
            exec(&mut client, &["HINCRBY h f 1", "INCR n"]),
            Frame::Array(vec![Frame::Integer(1), Frame::Integer(1)]),
            "{forbid}"
        );
        client.run("DEL n h");
    }
}

/// A transaction that could not be sent is over, and its client goes on.
#[test]
fn an_outage_ends_a_transaction_only() {
    let mut upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    assert_eq!(client.run("MULTI"), Frame::ok());
    client.run("INCR n");
    upstream.stop();
    let answer = client.run("EXEC");
    assert!(answer.is_error("LOADING"), "{answer:?}");
    assert!(client.run("GET n").is_error("LOADING"));
    upstream.launch();
    wait_until("the database is back", || client.run("DEL n") == Frame::Integer(0));
    assert_eq!(exec(&mut client, &["INCR n"]), Frame::Array(vec![Frame::Integer(1)]));
}

/// What was found by reading closely: each had another answer than Redis, or ran in part.
#[test]
fn what_is_not_followed_is_not_guessed() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.more = "[[encrypt]]\nid = 's'\nkeys = ['s:*']\n".into();
    });
    let mut client = sidecar.connect3();
    client.run("MSET s:n 5 s:m 100 plain 1");
    client.run("HSET s:h f 1");
    let refused = |client: &mut Raw, lines: &[&[&[u8]]], last: &str| {
        assert_eq!(client.run("MULTI"), Frame::ok());
        for line in lines {
            assert_eq!(client.command(line), Frame::Simple("QUEUED".into()));
        }
        assert!(client.run(last).is_error("WAXSEAL COMMAND_REFUSED"), "{last}");
        assert!(client.run("EXEC").is_error("EXECABORT"), "{last}");
    };
    let script: &[&[u8]] = &[b"EVAL", b"return redis.call('DEL', ARGV[1])", b"1", b"plain", b"s:n"];
    refused(&mut client, &[script], "INCR s:n");
    refused(&mut client, &[&[b"COPY", b"s:n", b"s:m", b"DB", b"0", b"REPLACE"]], "INCR s:m");
    refused(&mut client, &[&[b"HINCRBY", b"s:h", b"f", b"1"], &[b"SCRIPT", b"FLUSH"]], "HINCRBY s:h f 1");
    assert_eq!(client.run("MGET s:n s:m"), Frame::Array(vec![Frame::bulk("5"), Frame::bulk("100")]));
    // The null of the client's protocol, also where we give it.
    client.send(b"MULTI\r\nDEL s:l\r\nLMOVE s:l s:k LEFT RIGHT\r\nEXEC\r\n");
    (0..3).for_each(|_| _ = client.read());
    assert_eq!(client.read_with_bytes().1, b"*2\r\n:0\r\n_\r\n");
}

/// Those that wait for their turn on a key hold no connection of the few that there are for transactions.
#[test]
fn a_queue_for_one_key_holds_no_connections() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut clients: Vec<Raw> = (0..600).map(|_| sidecar.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(b"MULTI\r\nINCR n\r\n"));
    clients.iter_mut().for_each(|client| (0..2).for_each(|_| _ = client.read()));
    clients.iter_mut().for_each(|client| client.send(b"EXEC\r\n"));
    let mut numbers: Vec<i64> = clients.iter_mut().map(|client| client.read().items().remove(0).integer()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=600), "each number once");
}

/// What is read for a transaction counts against the budget of the process.
#[test]
fn what_a_transaction_reads_is_bounded() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.more.push_str("[limits]\nmax_bulk = \"1mb\"\nbuffers = \"4mb\"\n");
    });
    let mut client = sidecar.connect();
    for key in 0..8 {
        client.command(&[b"RPUSH", format!("l:{key}").as_bytes(), &[b'x'; 900_000], b"y"]);
    }
    client.run("SET n 1");
    assert_eq!(client.run("MULTI"), Frame::ok());
    client.run("INCR n");
    (0..8).for_each(|key| _ = client.run(&format!("LREM l:{key} 0 y")));
    client.send(b"EXEC\r\n");
    assert!(client.try_read().is_err(), "it was cut");
    let mut other = sidecar.connect();
    assert_eq!(other.run("GET n").bytes(), b"1");
    assert_eq!(other.run("LLEN l:0"), Frame::Integer(2), "and nothing was written");
}

/// Between sidecar and database, without TLS: when it is told to, it ends the connection behind so many
/// replies to WATCH and what is read with it.
fn cutter(target: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let left = Arc::new(AtomicUsize::new(0));
    let told = left.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", target)).expect("connect");
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (told, mut server, mut client) = (told.clone(), server, client);
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(len @ 1..) = server.read(&mut bytes) {
                    let reads = bytes.starts_with(b"+OK\r\n$");
                    let replies = if reads { told.swap(0, Ordering::SeqCst) } else { 0 };
                    // WATCH's answer, then values: a line with the length, and a line with what it holds.
                    let lines = (0..len).filter(|at| bytes[*at] == b'\n');
                    let end = lines.map(|at| at + 1).nth((2 * replies).saturating_sub(2));
                    let passed = if replies > 0 { end.unwrap_or(len) } else { len };
                    if client.write_all(&bytes[..passed]).is_err() || replies > 0 {
                        break;
                    }
                }
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            });
        }
    });
    (port, left)
}

/// The next connection is asked everything again; no reply of the old one counts.
#[test]
fn a_connection_that_ends_while_a_transaction_reads_leaves_nothing_behind() {
    let upstream = Upstream::start();
    let (port, cut_after) = cutter(upstream.plain_port);
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.rules.clear();
        settings.url = format!("redis://default@127.0.0.1:{port}");
        settings.more = "[[encrypt]]\nid = \"all\"\nkeys = [\"*\"]\nscope = \"rule\"\n".into();
    });
    for replies in 1..=3 {
        let mut client = sidecar.connect();
        client.run("MSET a 100 b 200 c 300");
        assert_eq!(client.run("MULTI"), Frame::ok());
        ["INCR a", "INCR b", "INCR c"].iter().for_each(|line| _ = client.run(line));
        cut_after.store(replies, Ordering::SeqCst);
        let wanted = [101, 201, 301].map(Frame::Integer).to_vec();
        assert_eq!(client.run("EXEC"), Frame::Array(wanted), "cut after {replies}");
        assert_eq!(cut_after.load(Ordering::SeqCst), 0, "it was cut");
        assert_eq!(client.run("MGET a b c"), Frame::Array(["101", "201", "301"].map(Frame::bulk).to_vec()));
    }
}

/// CLIENT CACHING speaks of the next command, which would not be the transaction.
#[test]
fn what_is_to_be_cached_is_not_read_beside_it() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect3();
    assert_eq!(client.run("CLIENT TRACKING ON OPTIN"), Frame::ok());
    client.run("SET n 1");
    for (line, runs) in [("INCR n", false), ("STRLEN n", true)] {
        assert_eq!(client.run("CLIENT CACHING YES"), Frame::ok());
        assert_eq!(client.run("MULTI"), Frame::ok());
        client.run("GET n");
        client.run(line);
        let answer = client.run("EXEC");
        assert_eq!(answer.is_error("WAXSEAL UNSUPPORTED"), !runs, "{line}: {answer:?}");
    }
    assert_eq!(client.run("GET n"), Frame::bulk("1"));
}

/// One WATCH for all, one read for each value, MULTI, EXEC, and one write for each.
#[test]
fn what_a_transaction_costs() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, encrypt_everything);
    let mut client = sidecar.connect();
    client.run("GET none");
    upstream.raw().run("CONFIG RESETSTAT");
    exec(&mut client, &["INCR n", "EXPIRE n 100", "INCR n", "INCR n", "APPEND t x"]);
    let mut counts = upstream.command_counts();
    counts.retain(|name, _| !["config|resetstat", "info", "hello", "auth", "ping"].contains(&name.as_str()));
    let wanted = [("watch", 1), ("get", 2), ("multi", 1), ("set", 4), ("expire", 1), ("exec", 1)];
    assert_eq!(counts, wanted.map(|(name, count)| (name.to_owned(), count)).into());
}

/// Transactions of several clients on the same values, through two sidecars: each is all there, once.
#[test]
fn transactions_add_up() {
    let upstream = Upstream::start();
    let one = Sidecar::start_with(&upstream, encrypt_everything);
    let keyring = one.keyring();
    let two = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.keyring = Some(keyring);
    });
    thread::scope(|scope| {
        for n in 0..8 {
            let sidecar = if n % 2 == 0 { &one } else { &two };
            scope.spawn(move || {
                let mut client = sidecar.connect();
                for _ in 0..100 {
                    let done = exec(&mut client, &["INCR n", "HINCRBY h f 2", "INCR n", "APPEND a x"]);
                    let Frame::Array(items) = done else { panic!("{done:?}") };
                    let numbers: Vec<i64> = items.into_iter().map(Frame::integer).collect();
                    assert_eq!(numbers[0] + 1, numbers[2], "nobody was in between");
                    assert_eq!(numbers[1], numbers[2]);
                }
            });
        }
    });
    let mut client = one.connect();
    assert_eq!(client.run("GET n").bytes(), b"1600");
    assert_eq!(client.run("HGET h f").bytes(), b"1600");
    assert_eq!(client.run("STRLEN a").integer(), 800);
}
