//! Scripts that are in wide use, the bounds, and what is remembered.

mod attacks;

use super::*;

fn why(script: &str) -> Option<Why> {
    analyse(script.as_bytes()).err().map(|unproven| unproven.why)
}

#[track_caller]
fn proven(script: &str) {
    assert_eq!(analyse(script.as_bytes()).map(|_| ()), Ok(()), "{script}");
}

#[track_caller]
fn refused(expected: Why, scripts: &[&str]) {
    for script in scripts {
        assert_eq!(why(script), Some(expected), "{script}");
    }
}

/// The Lock of redis-py, which celery, rq and django-redis use as well.
#[test]
fn redis_py_lock() {
    // release
    proven(
        "
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('del', KEYS[1])
        return 1
        ",
    );
    // extend
    proven(
        "
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        local expiration = redis.call('pttl', KEYS[1])
        if not expiration then
            expiration = 0
        end
        if expiration < 0 then
            return 0
        end

        local newttl = ARGV[2]
        if ARGV[3] == \"0\" then
            newttl = ARGV[2] + expiration
        end
        redis.call('pexpire', KEYS[1], newttl)
        return 1
        ",
    );
    // reacquire
    proven(
        "
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('pexpire', KEYS[1], ARGV[2])
        return 1
        ",
    );
}

/// Redlock, as the algorithm's page has it and as node-redlock does it with several resources.
#[test]
fn redlock() {
    proven(
        r#"if redis.call("get",KEYS[1]) == ARGV[1] then
            return redis.call("del",KEYS[1])
        else
            return 0
        end"#,
    );
    proven(
        r#"
        -- Return 0 if an entry already exists.
        for i, key in ipairs(KEYS) do
          if redis.call("exists", key) == 1 then
            return 0
          end
        end

        -- Create an entry for each provided key.
        for i, key in ipairs(KEYS) do
          redis.call("set", key, ARGV[1], "PX", ARGV[2])
        end

        -- Return the number of entries added.
        return #KEYS
        "#,
    );
    proven(
        r#"
        local count = 0
        for i, key in ipairs(KEYS) do
          -- Only remove entries for *this* lock value.
          if redis.call("get", key) == ARGV[1] then
            redis.pcall("del", key)
            count = count + 1
          end
        end
        return count
        "#,
    );
}

#[test]
fn rate_limiters() {
    // Fixed window.
    proven(
        r#"
        local key = KEYS[1]
        local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
        local current = redis.call("INCR", key)
        if current == 1 then redis.call("PEXPIRE", key, window) end
        if current > limit then return {0, redis.call("PTTL", key)} end
        return {1, limit - current}
        "#,
    );
    // Sliding window log.
    proven(
        r#"
        local now = redis.call('TIME')
        local at = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, at - tonumber(ARGV[1]))
        local count = redis.call('ZCARD', KEYS[1])
        if count < tonumber(ARGV[2]) then
            redis.call('ZADD', KEYS[1], at, string.format('%d-%s', at, ARGV[3]))
            redis.call('PEXPIRE', KEYS[1], ARGV[1])
            return 1
        end
        return redis.error_reply('over the limit')
        "#,
    );
    // Sliding window over two counters.
    proven(
        r#"
        local currentKey  = KEYS[1]           -- identifier including prefixes
        local previousKey = KEYS[2]           -- key of the previous bucket
        local tokens      = tonumber(ARGV[1]) -- tokens per window
        local increment   = ARGV[2]
        local requested = redis.call("GET", currentKey)
        if requested == false then requested = 0 end
        local before = redis.call("GET", previousKey)
        if before == false then before = 0 end
        if before + requested >= tokens then return -1 end
        return tokens - redis.call("INCRBY", currentKey, increment)
        "#,
    );
}

#[test]
fn more_that_is_proven() {
    for script in [
        "",
        "return 1",
        "return #KEYS",
        "return {KEYS[1], KEYS[2], ARGV[1], #ARGV}",
        "local call = redis.call return call('HGETALL', KEYS[1])",
        "local get, set = redis.pcall, redis.call; set('SET', KEYS[1], get('GET', KEYS[2]))",
        "return redis.call('HSET', KEYS[1], unpack(ARGV))",
        "redis.call('SET', KEYS[1], cjson.encode({a = 1, ['b'] = 2; 3}), 'EX', 10)",
        "return redis.call('ZUNIONSTORE', KEYS[1], 2, KEYS[2], KEYS[3], 'WEIGHTS', 1, 2)",
        "return redis.call('MSET', KEYS[1], ARGV[1], KEYS[2], ARGV[2])",
        "for i = 1, #KEYS do redis.call('DEL', KEYS[i]) end",
        "for i, v in pairs(redis.call('HGETALL', KEYS[1])) do redis.call('RPUSH', KEYS[2], v) end",
        "local f = function(a, b) return a .. b end return f(KEYS[1], 'x')",
        "local function f(n) if n == 0 then return 0 end return f(n - 1) end return f(3)",
        "repeat local done = redis.call('LPOP', KEYS[1]) until not done",
        "local t = {} t[1] = 2 t.a = {} t.a.b = 3 return t[1]",
        "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])",
        "return redis.call('PUBLISH', KEYS[1], ARGV[1])",
        "return redis.call('OBJECT', 'ENCODING', KEYS[1])",
        "local s = [==[ ]] redis.call('SET', 'session:1', 'x') ]==] return s --[[ ' ]] -- \"",
        "return ('x'):rep(3) .. tostring(1.5e3) .. 0xFF",
    ] {
        proven(script);
    }
}

/// What neither stores nor shows anything of a key's content may name any key, as Celery's and RQ's scripts do.
#[test]
fn keys_as_a_whole() {
    for script in [
        "for _, key in ipairs({KEYS[1], KEYS[2]}) do redis.call('EXPIRE', key, ARGV[1]) end",
        "if redis.call('EXISTS', ARGV[1] .. 'x') == 0 then redis.call('DEL', ARGV[2] .. 'x') end",
        "redis.call('DEL', unpack(ARGV))",
        "redis.call('unlink', KEYS[1], 'session:1')",
        "return {redis.call('TTL', 'session:1'), redis.call('TYPE', ARGV[1])}",
    ] {
        proven(script);
    }
    refused(Why::Keys, &["redis.call('DEL', unpack(KEYS))"]);
    refused(Why::Key, &["redis.call('DEL', ARGV[1]) redis.call('SET', ARGV[1], 'x')"]);
}

/// A row has the flag only if nothing on it is sealed or opened.
#[test]
fn rows_of_keys_as_a_whole_carry_no_value() {
    use crate::command::{Flags, Reply, Values, Verdict, table};
    let rows: Vec<_> = table().iter().filter(|row| row.flags.has(Flags::WHOLE_KEY)).collect();
    assert!(rows.len() > 10);
    for row in rows {
        assert!(
            matches!((row.verdict, row.values, row.reply), (Verdict::Pass, Values::None, Reply::Raw)),
            "{}",
            row.name
        );
    }
}

#[test]
fn channels_are_told() {
    let found = analyse(b"redis.call('PUBLISH', 'session:room', ARGV[1])").unwrap();
    assert_eq!(*found.channels[0].0, *b"session:room");
    refused(Why::Channel, &["redis.call('PUBLISH', ARGV[1], ARGV[2])", "redis.call('SPUBLISH', 'a' .. 'b', 1)"]);
    assert!(!format!("{found:?}").contains("room"));
}

#[test]
fn bounds() {
    let deep = |n: usize| format!("return {}1{}", "(".repeat(n), ")".repeat(n));
    proven(&deep(90));
    assert_eq!(why(&deep(10_000)), Some(Why::TooDeep));
    assert_eq!(why(&"do ".repeat(10_000)), Some(Why::TooDeep));
    assert_eq!(why(&format!("return {}", "{".repeat(10_000))), Some(Why::TooDeep));
    assert_eq!(why(&"local f = function() ".repeat(3000)), Some(Why::TooDeep));
    assert_eq!(why(&"local a ".repeat(3000)), Some(Why::TooDeep));
    proven(&format!("return 1{}", " + 1".repeat(10_000)));
    assert_eq!(why(&" ".repeat(MAX_SCRIPT_BYTES + 1)), Some(Why::TooLong));
}

#[test]
fn lines_are_told() {
    let unproven = analyse(b"return redis.call('GET', KEYS[1])\n\nor redis.call('SET',\n'session:1', 1)").unwrap_err();
    assert_eq!(unproven.to_string(), "line 3: a key is not simply an element of KEYS");
    assert_eq!(analyse(b"#!lua flags=x\nreturn x").unwrap_err().line, 2);
}

/// Whatever the bytes are, the analysis ends with a verdict.
#[test]
fn no_input_panics() {
    let script =
        "local k = KEYS[1] for i, v in ipairs(KEYS) do if v then redis.call('SET', v, {'a'; b = [[x]]}) end end";
    for cut in 0..script.len() {
        let _ = analyse(&script.as_bytes()[..cut]);
        let _ = analyse(&script.as_bytes()[cut..]);
        for byte in [0, b'\r', b'[', b'=', b'"', b'\\', b'.', 0xff] {
            let mut changed = script.as_bytes().to_vec();
            changed[cut] = byte;
            let _ = analyse(&changed);
        }
    }
}

#[test]
fn a_library_remembers_and_forgets() {
    let library = Library::default();
    // SHA-1 of "return 1", as SCRIPT LOAD answers it.
    let name = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert!(library.find(name).is_none());
    assert!(library.learn(b"return 1").verdict.is_ok());
    assert!(library.find(name).is_some());
    assert!(library.find(&name.to_ascii_uppercase()).is_some());
    assert!(library.find(b"e0e1").is_none());
    assert!(library.find(&[b'x'; 40]).is_none());
    assert!(library.learn(b"return x").verdict.is_err());
    library.forget();
    assert!(library.find(name).is_none());
    library.learn(b"return 1");
    for number in 0..MAX_SCRIPTS {
        library.learn(format!("return {number} ").as_bytes());
    }
    assert!(library.find(name).is_none(), "the oldest goes first");
}
