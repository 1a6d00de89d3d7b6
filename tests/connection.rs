//! What clients ask and do about connections: CLIENT LIST, KILL, UNBLOCK, PAUSE, and COMMAND, against what redis-server
//! answers to the same.

mod support;

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::raw::End;
use support::{Frame, Raw, Sidecar, Upstream, wait_until};

/// Long enough for a command to have reached the server, or to show that nothing comes.
const SOON: Duration = Duration::from_millis(200);

fn start() -> (Upstream, Sidecar) {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&upstream);
    (upstream, sidecar)
}

/// Each side's own way to get a client.
type Connect<'a> = &'a dyn Fn() -> Raw;

/// Runs `scenario` on the server itself and through the sidecar; what it gives must be the same.
fn same<T: PartialEq + std::fmt::Debug>(upstream: &Upstream, sidecar: &Sidecar, scenario: impl Fn(Connect<'_>) -> T) {
    let run = |connect: Connect<'_>| {
        assert_eq!(upstream.raw().run("FLUSHALL"), Frame::ok());
        scenario(connect)
    };
    let direct = run(&|| upstream.raw());
    let through = run(&|| sidecar.connect());
    assert_eq!(through, direct, "left: through Waxseal; right: redis-server");
}

fn id(raw: &mut Raw) -> i64 {
    raw.run("CLIENT ID").integer()
}

fn text(frame: Frame) -> String {
    String::from_utf8(frame.bytes()).expect("text")
}

/// The line that `observer` is shown about client `id`, as fields; `None` if there is no such client.
fn line(observer: &mut Raw, id: i64) -> Option<BTreeMap<String, String>> {
    let list = text(observer.run(&format!("CLIENT LIST ID {id}")));
    let line = list.lines().next()?;
    let field = |field: &str| field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(line.split(' ').filter_map(field).collect())
}

fn flags(observer: &mut Raw, id: i64) -> String {
    line(observer, id).map_or_else(String::new, |fields| fields["flags"].clone())
}

#[test]
fn arguments_are_judged_as_redis_judges_them() {
    let (upstream, sidecar) = start();
    for hello in ["HELLO 2", "HELLO 3"] {
        for command in [
            "CLIENT KILL",
            "CLIENT KILL 192.0.2.1:1",
            "CLIENT KILL ID 0",
            "CLIENT KILL ID -5",
            "CLIENT KILL ID x",
            "CLIENT KILL ID 99999999",
            "CLIENT KILL TYPE master",
            "CLIENT KILL ID 99999999 ADDR",
            "CLIENT KILL ID 99999999 TYPE normal SKIPME no",
            "CLIENT KILL SKIPME maybe",
            "CLIENT KILL NOTHING x",
            "CLIENT KILL LADDR 192.0.2.1:1 USER default",
            "CLIENT UNBLOCK",
            "CLIENT UNBLOCK x",
            "CLIENT UNBLOCK -1",
            "CLIENT UNBLOCK 99999999",
            "CLIENT UNBLOCK 99999999 ERROR",
            "CLIENT UNBLOCK 1 MAYBE",
            "CLIENT UNBLOCK 1 ERROR MORE",
            "CLIENT PAUSE",
            "CLIENT PAUSE x",
            "CLIENT PAUSE -1",
            "CLIENT PAUSE 1 MAYBE",
            "CLIENT PAUSE 1 ALL MORE",
            "CLIENT PAUSE 1",
            "CLIENT PAUSE 1 WRITE",
            "CLIENT UNPAUSE",
            "CLIENT UNPAUSE x",
            "CLIENT LIST ID x",
            "CLIENT LIST ID 99999999",
            "CLIENT LIST TYPE",
            "CLIENT LIST TYPE master",
            "CLIENT LIST TYPE slave",
            "CLIENT LIST TYPE pubsub",
            "CLIENT LIST NOTHING x",
            "CLIENT GETREDIR",
            "CLIENT TRACKINGINFO",
            "CLIENT NO-EVICT ON",
            "CLIENT NO-EVICT MAYBE",
            "COMMAND COUNT",
            "COMMAND COUNT x",
            "COMMAND INFO get config|get nosuch",
            "COMMAND GETKEYS MSET a 1 b 2",
            "COMMAND GETKEYS PING",
            "COMMAND DOCS get",
            "COMMAND LIST FILTERBY MODULE nosuch",
            "LOLWUT VERSION 1",
        ] {
            same(&upstream, &sidecar, |connect| {
                let mut raw = connect();
                raw.run(hello);
                (command, raw.run(command), raw.run("PING"))
            });
        }
    }
    // Both know the same commands, in whatever order.
    same(&upstream, &sidecar, |connect| {
        let mut names: Vec<Vec<u8>> = connect().run("COMMAND LIST").items().into_iter().map(Frame::bytes).collect();
        names.sort();
        (names, connect().run("COMMAND").items().len())
    });
    // Where Redis repeats the argument, Waxseal does not.
    let mut raw = sidecar.connect();
    assert_eq!(raw.run("CLIENT KILL USER nobody"), Frame::Error("ERR No such user".into()));
    assert_eq!(raw.run("CLIENT LIST TYPE strange"), Frame::Error("ERR Unknown client type".into()));
    assert_eq!(raw.run("CLIENT KILL TYPE strange"), Frame::Error("ERR Unknown client type".into()));
    // Redis has it from 7.4 on.
    assert!(raw.run("CLIENT KILL MAXAGE x").is_error("ERR maxage is not an integer or out of range"));
    assert!(raw.run("CLIENT KILL MAXAGE 0").is_error("ERR maxage should be greater than 0"));
    assert_eq!(raw.run("CLIENT KILL MAXAGE 100000 SKIPME NO"), Frame::Integer(0));
    let help = raw.run("CLIENT HELP").items();
    assert!(help.contains(&Frame::Simple("UNBLOCK <id> [TIMEOUT|ERROR]".into())), "{help:?}");
}

#[test]
fn client_list_tells_what_clients_are_doing() {
    const SHOWN: [&str; 11] = ["name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp"];
    let (upstream, sidecar) = start();
    for lines in [
        &["GET a"][..],
        &["PING"],
        &["SELECT 3"],
        &["SELECT 3", "SET a 1"],
        &["HELLO 3", "GET a"],
        &["CLIENT SETNAME app", "GET a"],
        &["SUBSCRIBE c d"],
        &["PSUBSCRIBE p*"],
        &["HELLO 3", "SSUBSCRIBE s", "SUBSCRIBE c", "GET a"],
        &["SUBSCRIBE c", "UNSUBSCRIBE c", "PING"],
        &["MULTI"],
        &["MULTI", "SET a 1", "GET a"],
        &["MULTI", "SET a 1", "EXEC"],
        &["WATCH a", "MULTI", "SET a 1"],
        &["WATCH a", "GET a"],
        &["CONFIG GET save"],
        &["CLIENT NO-EVICT ON", "GET a"],
        &["CLIENT GETNAME"],
        &["NOSUCHCOMMAND"],
        &["GET"],
        &["SELECT 2", "CLIENT SETNAME app", "RESET"],
        &["BLPOP nothing 0"],
        &["XREAD BLOCK 0 STREAMS nothing $"],
    ] {
        same(&upstream, &sidecar, |connect| {
            let (mut observer, mut raw) = (connect(), connect());
            let id = id(&mut raw);
            for line in lines {
                raw.send(&support::raw::encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
                sleep(Duration::from_millis(10));
            }
            sleep(Duration::from_millis(50));
            let fields = line(&mut observer, id).expect("a client is listed");
            (lines, SHOWN.map(|name| (name, fields[name].clone())))
        });
    }
    let mut observer = sidecar.connect();
    let mut local = Raw::unix(&sidecar.unix_path());
    let local_id = id(&mut local);
    assert_eq!(flags(&mut observer, local_id), "U");

    // By type and by id, in the order asked for.
    let mut subscriber = sidecar.connect();
    let subscriber_id = id(&mut subscriber);
    subscriber.run("SUBSCRIBE c");
    let pubsub = text(observer.run("CLIENT LIST TYPE PUBSUB"));
    assert!(pubsub.starts_with(&format!("id={subscriber_id} ")) && pubsub.lines().count() == 1, "{pubsub}");
    assert!(!text(observer.run("CLIENT LIST TYPE normal")).contains(&format!("id={subscriber_id} ")));
    let both = text(observer.run(&format!("CLIENT LIST ID {subscriber_id} {local_id}")));
    let first: Vec<&str> = both.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(first, [format!("id={subscriber_id}"), format!("id={local_id}")]);
}

#[test]
fn idle_starts_again_with_each_command_and_each_reply() {
    let (_upstream, sidecar) = start();
    let (mut observer, mut raw) = (sidecar.connect(), sidecar.connect());
    let id = id(&mut raw);
    let idle = |observer: &mut Raw| line(observer, id).expect("listed")["idle"].parse::<u64>().expect("a number");
    sleep(Duration::from_millis(2100));
    assert!(idle(&mut observer) >= 1);
    raw.run("GET a");
    assert!(idle(&mut observer) <= 1);
    raw.send(b"BLPOP list 0\r\n");
    sleep(Duration::from_millis(2100));
    assert!(idle(&mut observer) >= 1);
    observer.run("RPUSH list element");
    raw.read();
    assert!(idle(&mut observer) <= 1);
}

#[test]
fn kill_ends_whom_it_names() {
    let (upstream, sidecar) = start();
    let closed = |raw: &mut Raw| raw.try_read() == Err(End::Closed);
    same(&upstream, &sidecar, |connect| {
        let (mut killer, mut one, mut two) = (connect(), connect(), connect());
        let (mut blocked, mut subscriber) = (connect(), connect());
        let ids = [id(&mut one), id(&mut two), id(&mut blocked)];
        blocked.send(b"BLPOP nothing 0\r\n");
        subscriber.run("SUBSCRIBE c");
        wait_until("it is blocked", || flags(&mut killer, ids[2]) == "b");
        let mut said = Vec::new();
        let address = line(&mut killer, ids[0]).expect("listed")["addr"].clone();
        said.push(killer.run(&format!("CLIENT KILL {address}")));
        // At once it is as if it had never been.
        said.push(killer.run(&format!("CLIENT KILL {address}")));
        said.push(killer.run(&format!("CLIENT UNBLOCK {}", ids[0])));
        assert!(line(&mut killer, ids[0]).is_none());
        said.push(killer.run(&format!("CLIENT KILL ID {} TYPE pubsub", ids[1])));
        said.push(killer.run(&format!("CLIENT KILL TYPE normal ID {}", ids[1])));
        said.push(killer.run(&format!("CLIENT KILL ID {}", ids[2])));
        said.push(killer.run("CLIENT KILL TYPE pubsub"));
        let gone = [closed(&mut one), closed(&mut two), closed(&mut blocked), closed(&mut subscriber)];
        // What waits for an element is gone at the server too, as soon as it has noticed: nobody takes it.
        let mut server = upstream.raw();
        wait_until("nobody is blocked", || !text(server.run("CLIENT LIST")).contains(" flags=b "));
        killer.run("RPUSH nothing element");
        sleep(SOON);
        said.push(killer.run("LLEN nothing"));
        (said, gone)
    });
    same(&upstream, &sidecar, |connect| {
        let mut raw = connect();
        let id = id(&mut raw);
        let mut said = vec![raw.run(&format!("CLIENT KILL ID {id}"))];
        raw.send(&format!("CLIENT KILL ID {id} SKIPME no\r\nPING\r\n").into_bytes());
        said.push(raw.read());
        let end = raw.try_read();
        let mut raw = connect();
        let own = text(raw.run("CLIENT INFO"));
        let address = own.split("addr=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address").to_owned();
        said.push(raw.run(&format!("CLIENT KILL {address}")));
        (said, end, raw.try_read())
    });
    // Everybody else, on whatever worker, and through it all the count is right.
    let mut crowd: Vec<Raw> = (0..12).map(|_| sidecar.connect()).collect();
    crowd.iter_mut().for_each(|raw| assert_eq!(raw.run("SET a 1"), Frame::ok()));
    let mut killer = sidecar.connect();
    wait_until("the clients of before have left", || text(killer.run("CLIENT LIST")).lines().count() == 13);
    let local = line(&mut killer, 1 + id(&mut crowd[0]) - 1).expect("listed")["laddr"].clone();
    assert_eq!(killer.run(&format!("CLIENT KILL LADDR {local} USER default")), Frame::Integer(12));
    assert!(crowd.iter_mut().all(closed));
    assert_eq!(text(killer.run("CLIENT LIST")).lines().count(), 1);
    assert_eq!(killer.run("GET a"), Frame::bulk("1"));
}

/// Blocks with each command in turn, has it unblocked, and gives the bytes that it is answered with.
fn unblocked(connect: Connect<'_>, hello: &str, how: &str) -> Vec<(Frame, Vec<u8>, Frame)> {
    let mut asker = connect();
    let mut raw = connect();
    let id = id(&mut raw);
    asker.run("XADD stream 1-1 field value");
    raw.run(hello);
    let mut all = Vec::new();
    for command in [
        "BLPOP list 0",
        "BRPOPLPUSH list other 0",
        "BLMPOP 0 1 list LEFT",
        "BZPOPMIN set 0",
        "XREAD BLOCK 0 STREAMS stream $",
        "BLPOP list 0",
    ] {
        raw.send(format!("{command}\r\nPING\r\n").as_bytes());
        wait_until("it is blocked", || flags(&mut asker, id) == "b");
        sleep(SOON);
        let said = asker.run(format!("CLIENT UNBLOCK {id} {how}").trim_end());
        let (_, bytes) = raw.read_with_bytes();
        all.push((said, bytes, raw.read()));
        assert_eq!(asker.run(&format!("CLIENT UNBLOCK {id}")), Frame::Integer(0), "it is not blocked any more");
    }
    // What comes now is nobody's. A lane that was given up must first be seen to be gone by the server.
    sleep(SOON);
    asker.run("RPUSH list element");
    sleep(SOON);
    assert_eq!(asker.run("LRANGE list 0 -1"), Frame::Array(vec![Frame::bulk("element")]));
    assert_eq!(raw.run("BLPOP list 0").items().len(), 2);
    all
}

#[test]
fn unblock_ends_a_blocking_command_as_redis_does() {
    let (upstream, sidecar) = start();
    for hello in ["HELLO 2", "HELLO 3"] {
        for how in ["", "TIMEOUT", "ERROR"] {
            same(&upstream, &sidecar, |connect| unblocked(connect, hello, how));
        }
    }
    let used = upstream.command_counts();
    assert!(used["client|unblock"] > 0, "the server's own was to be used: {used:?}");
    // An element that comes in the same instant is either delivered or still there.
    let (mut waiting, mut asker, mut pusher) = (sidecar.connect(), sidecar.connect(), upstream.raw());
    let id = id(&mut waiting);
    for _ in 0..50 {
        pusher.run("DEL race");
        waiting.send(b"BLPOP race 0\r\n");
        wait_until("it is blocked", || flags(&mut asker, id) == "b");
        asker.send(format!("CLIENT UNBLOCK {id}\r\n").as_bytes());
        pusher.run("RPUSH race element");
        let delivered = waiting.read() != Frame::Null;
        asker.read();
        assert_eq!(pusher.run("LLEN race"), Frame::Integer(i64::from(!delivered)));
    }
}

#[test]
fn unblock_with_a_connection_of_its_own() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| settings.lanes = Some("dedicated"));
    let (mut asker, mut raw) = (sidecar.connect(), sidecar.connect());
    let id = id(&mut raw);
    for _ in 0..2 {
        raw.send(b"BLPOP list 0\r\nSET a 1\r\n");
        wait_until("it is blocked", || flags(&mut asker, id) == "b");
        sleep(SOON);
        assert_eq!(asker.run(&format!("CLIENT UNBLOCK {id}")), Frame::Integer(1));
        assert_eq!((raw.read(), raw.read()), (Frame::Null, Frame::ok()));
    }
}

/// Upstash knows no CLIENT UNBLOCK: then the lane is given up.
#[test]
fn unblock_where_the_server_will_not() {
    let (upstream, sidecar) = start();
    assert_eq!(upstream.raw().run("ACL SETUSER default -client|unblock"), Frame::ok());
    for (hello, how, expected) in [
        ("HELLO 2", "TIMEOUT", &b"*-1\r\n"[..]),
        ("HELLO 3", "TIMEOUT", b"_\r\n"),
        ("HELLO 3", "ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
    ] {
        for (said, bytes, after) in unblocked(&|| sidecar.connect(), hello, how) {
            assert_eq!((said, after), (Frame::Integer(1), Frame::Simple("PONG".into())));
            assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
        }
        upstream.raw().run("FLUSHALL");
    }
}

#[test]
fn pause_holds_commands_back() {
    const PAUSE: Duration = Duration::from_millis(500);
    let (upstream, sidecar) = start();
    // For each command, whether it had to wait.
    let waited = |connect: Connect<'_>, mode: &str, commands: &[&str]| {
        let (mut asker, mut raw) = (connect(), connect());
        let paused = Instant::now();
        assert_eq!(asker.run(&format!("CLIENT PAUSE {} {mode}", PAUSE.as_millis())), Frame::ok());
        let mut all = Vec::new();
        for command in commands {
            all.push((raw.run(command), paused.elapsed() >= PAUSE));
        }
        all
    };
    for (mode, commands) in [
        ("ALL", &["GET a", "SET a 1"][..]),
        ("ALL", &["PING"]),
        ("ALL", &["SET a", "BLPOP", "GET a b", "GET a"]),
        ("WRITE", &["SET a", "EXEC now", "GET a", "SET a 1"]),
        ("WRITE", &["GET a", "PING", "SET a 1", "GET a"]),
        ("WRITE", &["GET a", "PUBLISH c message"]),
        ("WRITE", &["MULTI", "GET a", "EXEC", "MULTI", "SET a 2", "EXEC"]),
        ("WRITE", &["WATCH a", "MULTI", "GET a", "EXEC", "UNWATCH", "BLPOP list 1"]),
        ("WRITE", &["EVAL_RO return(1) 0", "EVAL return(1) 0"]),
    ] {
        same(&upstream, &sidecar, |connect| (mode, waited(connect, mode, commands)));
    }
    // A transaction that was queued before the pause began.
    same(&upstream, &sidecar, |connect| {
        let (mut asker, mut writer, mut reader) = (connect(), connect(), connect());
        for (raw, command) in [(&mut writer, "SET a 1"), (&mut reader, "GET a")] {
            assert_eq!((raw.run("MULTI"), raw.run(command)), (Frame::ok(), Frame::Simple("QUEUED".into())));
        }
        let paused = Instant::now();
        assert_eq!(asker.run("CLIENT PAUSE 500 WRITE"), Frame::ok());
        reader.run("EXEC");
        let first = paused.elapsed() >= PAUSE;
        writer.run("EXEC");
        (first, paused.elapsed() >= PAUSE)
    });
    // The longer and stricter of two counts; UNPAUSE ends it for all who wait.
    same(&upstream, &sidecar, |connect| {
        let (mut asker, mut raw) = (connect(), connect());
        assert_eq!(asker.run("CLIENT PAUSE 60000 WRITE"), Frame::ok());
        assert_eq!(asker.run("CLIENT PAUSE 1 WRITE"), Frame::ok());
        raw.send(b"SET a 1\r\nGET a\r\n");
        sleep(SOON);
        let (early, _) = raw.some(Duration::from_millis(1));
        let said = asker.run("CLIENT UNPAUSE");
        (early, said, raw.read(), raw.read())
    });
    // Whoever waits can be killed, and the sidecar still stops at once.
    let (mut asker, mut raw) = (sidecar.connect(), sidecar.connect());
    let id = id(&mut raw);
    assert_eq!(asker.run("CLIENT PAUSE 60000 WRITE"), Frame::ok());
    raw.send(b"SET a 1\r\n");
    assert_eq!(asker.run(&format!("CLIENT KILL ID {id}")), Frame::Integer(1));
    assert_eq!(raw.try_read(), Err(End::Closed));
    let mut raw = sidecar.connect();
    raw.send(b"SET a 1\r\n");
    sleep(SOON);
    let (stopping, mut sidecar) = (Instant::now(), sidecar);
    sidecar.terminate();
    assert!(sidecar.wait_for_exit().success());
    assert!(stopping.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_acts_on_others_is_not_queued_and_needs_the_right_to() {
    let (upstream, sidecar) = start();
    let mut raw = sidecar.connect();
    for command in ["CLIENT KILL ID 1", "CLIENT UNBLOCK 1", "CLIENT PAUSE 1", "CLIENT UNPAUSE"] {
        raw.run("MULTI");
        assert!(raw.run(command).is_error("WAXSEAL UNSUPPORTED"), "{command}");
        assert!(raw.run("EXEC").is_error("EXECABORT"), "{command}");
    }
    let reader = Sidecar::start_with(&upstream, |settings| settings.more = "[access]\nread_only = true\n".into());
    let mut raw = reader.connect();
    for command in ["CLIENT KILL ID 1", "CLIENT UNBLOCK 1", "CLIENT PAUSE 1", "CLIENT UNPAUSE"] {
        assert!(raw.run(command).is_error("NOPERM"), "{command}");
    }
    assert_eq!(raw.run("GET a"), Frame::Null);
}
