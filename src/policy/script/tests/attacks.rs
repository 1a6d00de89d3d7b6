//! Every way around the analysis that came to mind, by what it would get hold of.

use super::*;

/// As BullMQ and Sidekiq build the names of further keys from a prefix.
#[test]
fn names_that_are_built() {
    refused(
        Why::Key,
        &[
            "local rcall = redis.call
             local jobId = rcall('INCR', KEYS[1])
             rcall('HSET', KEYS[2] .. jobId, 'data', ARGV[1])",
            "local prefix = KEYS[1] redis.call('GET', prefix .. ':meta')",
            "redis.call('SET', 'session:1', 'x')",
            "redis.call('SET', ARGV[1], 'x')",
            "redis.call('SET', KEYS[1]..'x', 'x')",
            "redis.call('SET', KEYS[1] or 'session:1', 'x')",
            "redis.call('SET', (KEYS[1]), 'x')",
            "redis.call('SET', KEYS[1]:sub(1, 3), 'x')",
            "redis.call('SET', KEYS[1].x, 'x')",
            "redis.call('SET', -KEYS[1], 'x')",
            "redis.call('SET', not KEYS[1], 'x')",
            "redis.call('SET', [[session:1]], 'x')",
            "redis.call('SET', '\\115ession:1', 'x')",
            "redis.call('MSET', KEYS[1], 'x', 'session:1', 'y')",
            "redis.call('RENAME', KEYS[1], 'session:1')",
            "redis.call('COPY', KEYS[1], ARGV[1])",
            "redis.call('BITOP', 'AND', KEYS[1], KEYS[2], 'session:1')",
            "redis.call('ZUNIONSTORE', 'session:1', 1, KEYS[1])",
            "redis.call('ZUNIONSTORE', KEYS[1], 2, KEYS[1], 'session:1')",
            "redis.call('OBJECT', 'ENCODING', 'session:1')",
            "local k = KEYS[1] .. '' redis.call('GET', k)",
            "local a, k = KEYS[1], 'session:1' redis.call('GET', k)",
            "local k, b = 'session:1', KEYS[1] redis.call('GET', k)",
            "local a, k = (function() return 1, 'session:1' end)() redis.call('GET', k)",
            "local k = KEYS[1] do local k = 'session:1' redis.call('GET', k) end",
            "do local k = KEYS[1] end local k = 'session:1' redis.call('GET', k)",
            "local k = KEYS[1] local function f(k) redis.call('GET', k) end f('session:1')",
            "for k in pairs(KEYS) do redis.call('GET', k) end",
            "for i, k in ipairs(ARGV) do redis.call('GET', k) end",
            "for i, k in ipairs({'session:1'}) do redis.call('GET', k) end",
            "for _, k in ipairs(KEYS) do end for _, k in ipairs(ARGV) do redis.call('GET', k) end",
        ],
    );
}

/// Arguments that could be more than they look, or move the places of keys.
#[test]
fn places_that_are_not_certain() {
    refused(
        Why::Places,
        &[
            "redis.call('MSET', KEYS[1], unpack(ARGV))",
            "redis.call('MSET', KEYS[1], (function() return 'x', 'session:1', 'y' end)())",
            "redis.call('PFCOUNT', unpack(ARGV))",
            "redis.call('PFCOUNT', KEYS[1], unpack(ARGV))",
            "redis.call('ZDIFF', ARGV[1], KEYS[1])",
            "redis.call('GEORADIUS', KEYS[1], 1, 1, 1, 'm', ARGV[1], ARGV[2])",
            "redis.call('ZUNIONSTORE', KEYS[1], ARGV[1], KEYS[2])",
            "redis.call('ZUNIONSTORE', KEYS[1], #KEYS, KEYS[2])",
            "redis.call('ZUNIONSTORE', KEYS[1], 3, KEYS[2])",
            "redis.call('COMMAND', 'GETKEYS', 'GET', 'session:1')",
        ],
    );
    refused(Why::Key, &["redis.call('SET', unpack(ARGV))", "redis.call('RENAME', KEYS[1], unpack(ARGV))"]);
    refused(
        Why::CommandName,
        &[
            "redis.call(ARGV[1], KEYS[1])",
            "redis.call(unpack(ARGV))",
            "redis.call('S' .. 'ET', KEYS[1], 1)",
            "redis.call([[SET]], KEYS[1], 1)",
            "redis.call('\\83ET', KEYS[1], 1)",
            "redis.call(KEYS[1])",
            "redis.call()",
        ],
    );
    refused(
        Why::UnknownCommand,
        &[
            "redis.call('NO.SUCH', KEYS[1])",
            "redis.call('SET ', KEYS[1], 1)",
            "redis.call('OBJECT', ARGV[1], 'session:1')",
            "redis.call('OBJECT', unpack(ARGV))",
        ],
    );
}

#[test]
fn commands_that_are_not_followed() {
    refused(
        Why::NotInScripts,
        &[
            "redis.call('SORT', KEYS[1], 'BY', 'session:*', 'GET', 'session:*', 'STORE', 'session:1')",
            "redis.call('SORT_RO', KEYS[1], 'GET', 'session:*')",
            "redis.call('MIGRATE', 'host', 1, KEYS[1], 0, 1)",
            "redis.call('EVAL', ARGV[1], 0)",
            "redis.call('EVALSHA', ARGV[1], 0)",
            "redis.call('FCALL', 'f', 0)",
            "redis.call('SCRIPT', 'LOAD', ARGV[1])",
            "redis.call('FUNCTION', 'LOAD', ARGV[1])",
            "redis.call('CONFIG', 'SET', 'dir', '/')",
            "redis.call('DEBUG', 'POPULATE', 1, 'session')",
            "redis.call('RESTORE', KEYS[1], 0, ARGV[1])",
            "redis.call('SELECT', 1)",
            "redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', KEYS[1], 0)",
            "redis.call('BLPOP', KEYS[1], 0)",
            "redis.call('SUBSCRIBE', 'session:1')",
            "redis.call('FT.SEARCH', 'index', '*')",
        ],
    );
}

/// `redis`, `redis.call` and KEYS under another name, or in other hands.
#[test]
fn what_everything_rests_on() {
    refused(
        Why::Redis,
        &[
            "local r = redis r.call('SET', 'session:1', 'x')",
            "redis['call']('SET', 'session:1', 'x')",
            "redis:call('SET', 'session:1')",
            "local redis = {call = tostring}",
            "local function redis() end",
            "local function f(redis) return redis.call('GET', KEYS[1]) end",
            "for redis = 1, 2 do end",
            "for i, redis in ipairs(KEYS) do end",
            "local c = redis.call local d = c d('SET', 'session:1', 'x')",
            "local c = redis.call return c",
            "local c = redis.call pcall(c, 'SET', 'session:1', 'x')",
            "local c = redis.call c{'SET'}",
            "local c = redis.call c'SET'",
            "local c = redis.call c = tostring",
            "local c, d = 1, 2, redis.call",
            "return redis.call",
            "pcall(redis.call, 'SET', 'session:1', 'x')",
            "xpcall(redis.pcall, tostring)",
            "local t = {redis.call} t[1]('SET', 'session:1', 'x')",
            "local t = {call = redis.call}",
            "local t = {[redis.call] = 1}",
            "local t = {} t.c = redis.call",
            "local c = (redis.call) c('SET', 'session:1', 'x')",
            "local c = redis.call or redis.pcall c('SET', 'session:1', 'x')",
            "local c = nil or redis.call",
            "local c = #redis.call",
            "(redis.call)('SET', 'session:1', 'x')",
            "redis.call 'TIME'",
            "redis.call{'TIME'}",
            "redis.call[1]('x')",
            "redis.call.x = 1",
            "redis.call:x()",
            "redis.call = tostring",
            "redis.call, redis.pcall = redis.pcall, redis.call",
            "local function f(c) c('SET', 'session:1', 'x') end f(redis.call)",
            "string.gsub('SET', '.*', redis.call)",
            "('SET'):gsub('.*', redis.call)",
            "table.foreach(ARGV, redis.call)",
            "if redis.call then end",
            "redis.breakpoint()",
            "redis.set_repl(0)",
            "redis.register_function('f', tostring)",
            "return redis",
            "for k, f in pairs(redis) do f('SET', 'session:1', 'x') end",
            "local t = {redis = redis}",
        ],
    );
    refused(
        Why::Keys,
        &[
            "KEYS[1] = 'session:1' redis.call('GET', KEYS[1])",
            "local a a, KEYS[1] = 1, 'session:1'",
            "KEYS[1], KEYS[2] = 'session:1', 'session:2'",
            "KEYS = {'session:1'}",
            "local KEYS = {'session:1'} redis.call('GET', KEYS[1])",
            "local function f(KEYS) redis.call('GET', KEYS[1]) end f({'session:1'})",
            "local f = function(a, KEYS) end",
            "for KEYS = 1, 2 do end",
            "for i, KEYS in ipairs(ARGV) do redis.call('GET', KEYS[1]) end",
            "local function KEYS() end",
            "table.insert(KEYS, 'session:1') redis.call('GET', KEYS[#KEYS])",
            "table.insert(KEYS, 1, 'session:1')",
            "local k = KEYS k[1] = 'session:1' redis.call('GET', KEYS[1])",
            "local function f(t) t[1] = 'session:1' end f(KEYS)",
            "local t = {KEYS} t[1][1] = 'session:1'",
            "return (KEYS)",
            "(KEYS)[1] = 'session:1'",
            "KEYS.x = 1",
            "KEYS:x()",
            "unpack(KEYS)",
            "redis.call('DEL', unpack(KEYS))",
            "table.sort(KEYS)",
            "local k = KEYS[1] k = 'session:1' redis.call('GET', k)",
            "local k = KEYS[1] local function f() k = 'session:1' end f() redis.call('GET', k)",
            "local k = KEYS[1] while true do redis.call('GET', k) k = 'session:1' end",
            "local a local k = KEYS[1] a, k = 1, 'session:1'",
            "for i, k in ipairs(KEYS) do k = 'session:1' redis.call('GET', k) end",
            "local ipairs = function() return next, {'session:1'} end for i, k in ipairs(KEYS) do redis.call('GET', k) end",
            "local function ipairs() end for i, k in ipairs(KEYS) do end",
            "for i, k in ipairs(KEYS), 1 do end",
            "for i, k in next, KEYS do end",
            "local n = #KEYS.x",
        ],
    );
}

/// Ways to the globals, to code made at run time, and to what other scripts share.
#[test]
fn globals() {
    for script in [
        "_G.redis.call('SET', 'session:1', 'x')",
        "_G['redis']['call']('SET', 'session:1', 'x')",
        "loadstring(ARGV[1])()",
        "load(ARGV[1])()",
        "dofile('x')",
        "require('x')",
        "module('x', package.seeall)",
        "setfenv(1, {KEYS = {'session:1'}})",
        "getfenv(0).KEYS = {'session:1'}",
        "getfenv().redis.call('SET', 'session:1', 'x')",
        "setmetatable({}, {__index = tostring})",
        "getmetatable('').__index = tostring",
        "rawset({}, 'x', 1)",
        "rawget({}, 'x')",
        "debug.sethook(tostring)",
        "coroutine.wrap(tostring)",
        "newproxy(true)",
        "collectgarbage()",
        "package.loaded.string = 1",
        "server.call('SET', 'session:1', 'x')",
        "print(1)",
        "x = 1",
        "tostring = tonumber",
        "function f() end",
        "function redis.call() end",
        "function KEYS.f() end",
        "local t = {} function t.f() end",
        "function ipairs(t) return next, {'session:1'} end",
        "ARGV[1] = 1",
        "string.format = tostring",
        "string.format.x = 1",
        "local s = string s.format = tostring",
        "local t = {string}",
        "return math",
        "string['format']('x')",
        "local k = KEYS[1] k.x = 1",
        "do local loadstring = tostring end loadstring(ARGV[1])()",
    ] {
        assert_eq!(why(script), Some(Why::Global), "{script}");
    }
    assert_eq!(why("return ..."), Some(Why::Varargs));
    assert_eq!(why("local f = function(...) return arg end"), Some(Why::Varargs));
    assert_eq!(why("redis.call('SET', ...)"), Some(Why::Varargs));
    // Bytecode is of no use without a way to run it.
    proven("return string.dump(function() end)");
}

/// What one reader takes for a comment, a string or the end, and another for code.
#[test]
fn where_readers_differ() {
    for script in [
        "-- comment\rredis.call('SET', 'session:1', 'x')",
        "--[[ comment\rmore ]] return 1",
        "return 'a\\x41'",
        "return 'a\\z  b'",
        "return 'a\\u{41}'",
        "return 'a\nb'",
        "return 'a\\\r\nb'",
        "return 'a",
        "return [[a",
        "--[[ a",
        "--[==[ a ]=] ",
        "return [[ a [[ b ]]",
        "return [=a",
        "return 1\0",
        "return 'a\0b'",
        "-- a\0b\nreturn 1",
        "return\u{0b}1",
        "local \u{e9} = 1",
        "return 3..2",
        "return 0x",
        "return 0x1p4",
        "return 1e",
        "return 12abc",
        "return 1LL",
        "goto x",
        "::x::",
        "local goto = 1",
        "return 7 // 2",
        "return 7 & 2",
        "return 7 ~ 2",
        "return 1 << 2",
        "return 1 != 2",
        "local x <const> = 1",
        "local x = 1 x += 1",
        "#!lua",
        "#!js\nreturn 1",
        "#comment\nreturn 1",
        "\u{1b}Lua",
        "\u{feff}return 1",
        "local f = tostring\n(KEYS[1] or 'x'):rep(2)",
        "redis.call\n('TIME')",
    ] {
        assert_eq!(why(script), Some(Why::Syntax), "{script:?}");
    }
    // Hidden from a search, not from a lexer.
    refused(
        Why::Key,
        &[
            "redis . call ( 'SET' , 'session:1' , 1 )",
            "redis--[[ x ]].--y\ncall('SET', 'session:1', 1)",
            "local s = '--[[' redis.call('SET', 'session:1', 1) --]]",
            "local s = \"\\\"\" redis.call('SET', 'session:1', 1) --\"",
            "local s = '\\\\' redis.call('SET', 'session:1', 1) --'",
            "--[==[ ]] ]==] redis.call('SET', 'session:1', 1)",
            "---[[ x\nredis.call('SET', 'session:1', 1) --]]",
            "local s = [[\n]] redis.call('SET', 'session:1', 1)",
            "if false then redis.call('SET', 'session:1', 1) end",
            "local t = {f = function() redis.call('SET', 'session:1', 1) end}",
            "return redis.call('GET', KEYS[redis.call('GET', 'session:1')])",
            "return redis.call('SET', KEYS[1], redis.call('GET', 'session:1'))",
        ],
    );
}

/// Redis puts the body inside a function; what closes that function is not a script.
#[test]
fn the_whole_body_is_one_block() {
    for script in [
        "end redis.call('SET', 'session:1', 'x') function f()",
        "return 1 end function f() return 2",
        "return 1 return 2",
        "return 1; local x",
        "else",
        "until true",
        "if true then",
        "if true then else elseif true then end",
        "do do end",
        "repeat end",
        "local",
        "local x =",
        "local 1 = 2",
        "f(",
        "1 + 1",
        "'x'",
        "{}",
        "KEYS[1]",
        "local t = {1 2}",
        "local x = 1 +",
        "for i do end",
        ")",
        ";",
    ] {
        assert!(why(script).is_some(), "{script}");
    }
}

/// What a later reader of the rules above could loosen by mistake.
#[test]
fn names_and_their_scopes() {
    refused(
        Why::Key,
        &[
            // A parameter, a loop's variable and a later local hide the key of that name.
            "local k = KEYS[1] local f = function(k) return redis.call('GET', k) end return f('session:1')",
            "local k = KEYS[1] for k = 1, 2 do redis.call('GET', k) end",
            "local k = KEYS[1] local k = ARGV[1] redis.call('GET', k)",
            // A local is in scope after its statement, a key's name no longer than its block.
            "local k = ARGV[1] local function f() redis.call('GET', k) end local k = KEYS[1] f()",
            "local k = ARGV[1] if true then local k = KEYS[1] end redis.call('GET', k)",
            "local k = ARGV[1] repeat local k = KEYS[1] until k redis.call('GET', k)",
            "local k = ARGV[1] for i, k in ipairs(KEYS) do end redis.call('GET', k)",
        ],
    );
    for script in [
        "local k = ARGV[1] repeat local k = KEYS[1] until redis.call('GET', k)",
        "local k = ARGV[1] do local k = KEYS[1] redis.call('GET', k) end",
        "local k = KEYS[1] local k = KEYS[2] redis.call('GET', k)",
        "local k = KEYS[1] local function f() return redis.call('GET', k) end return f()",
    ] {
        proven(script);
    }
    // The name of a command under another meaning of the name.
    refused(Why::Redis, &["local c = redis.call local function f(g) g('GET', ARGV[1]) end f(c)"]);
    proven("local c = redis.call do local c = tostring c('SET', 'session:1') end");
}
