//! The three scripts with which an emulated command reads and writes: SNAPSHOT reads whole keys, LOOKUP
//! what one of them leads to, SWAP writes if what was read is still there.
//!
//! Job: hold their text and the names that the server has for them.
//! In: nothing. Out: [`Script`]s.
//! Must never: get a plaintext, but for names of keys. All see what is stored.

use std::sync::LazyLock;

use crate::policy::script::sha_hex;

/// Upstash's own: a script locks the keys that it names, not the database. Redis and Valkey refuse it, those
/// before 7 with what Lua says of the line.
const LOCKING: &str = "#!lua flags=allow-key-locking\n";
const NOT_LOCKING: [&[u8]; 2] = [b"shebang", b"Error compiling script"];

/// A script, with that flag and without.
pub(super) struct Script {
    plain: Text,
    locking: Text,
}

/// A text and what EVALSHA calls it.
pub(super) struct Text {
    pub body: String,
    pub sha1: String,
}

impl Script {
    fn new<const N: usize>(parts: [&str; N]) -> Self {
        let body = parts.concat();
        Self { locking: Text::new([LOCKING, &body].concat()), plain: Text::new(body) }
    }

    pub fn text(&self, locking: bool) -> &Text {
        if locking { &self.locking } else { &self.plain }
    }
}

impl Text {
    fn new(body: String) -> Self {
        Self { sha1: sha_hex(body.as_bytes()), body }
    }
}

/// Does the server take that flag?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    #[default]
    Unknown,
    Taken,
    Refused,
}

/// The error of a command that a script ran, as it is without the script.
pub fn without_script(error: &[u8]) -> &[u8] {
    const BEHIND: &[u8] = b" script: ";
    error.windows(BEHIND.len()).position(|part| part == BEHIND).map_or(error, |at| &error[..at])
}

/// Is this what a script is told that ran a command which the server has not got?
pub fn is_unknown_command(error: &[u8]) -> bool {
    let error = error.to_ascii_lowercase();
    error.starts_with(b"err unknown ") && error.ends_with(b" command called from script")
}

/// Is this the error of a server that does not?
pub(super) fn refuses_locking(error: &[u8]) -> bool {
    NOT_LOCKING.iter().any(|words| error.windows(words.len()).any(|part| part == *words))
}

/// `look(k)`: the type of a key and all that it holds, in the server's order; `mark(t, v)`: a digest of that. The
/// lengths are part of it, so that no two contents give the same text. A stream is not looked into.
const LOOK: &str = "\
local function look(k)
  local t = redis.call('TYPE', k).ok
  if t == 'string' then return t, {redis.call('GET', k)} end
  if t == 'list' then return t, redis.call('LRANGE', k, 0, -1) end
  if t == 'set' then return t, redis.call('SMEMBERS', k) end
  if t == 'zset' then return t, redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') end
  if t == 'hash' then return t, redis.call('HGETALL', k) end
  return t, {}
end
local function mark(t, v)
  local lengths = {}
  for i, one in ipairs(v) do lengths[i] = #one end
  return redis.sha1hex(t .. ' ' .. table.concat(lengths, ' ') .. ' ' .. table.concat(v))
end
";

/// `find(from, n)`: what `n` pairs of arguments ask for: the number of a key, and a field of the hash that is there, or
/// nothing for a string. `false` where there is no such thing. `told(v)` makes strings of all that was found, for `mark`.
const FIND: &str = "\
local function find(from, n)
  local v = {}
  for i = 1, n do
    local k, f, one = KEYS[tonumber(ARGV[from + 2 * i - 2])], ARGV[from + 2 * i - 1], false
    local t = redis.call('TYPE', k).ok
    if f == '' then
      if t == 'string' then one = redis.call('GET', k) end
    elseif t == 'hash' then
      one = redis.call('HGET', k, f)
    end
    v[i] = one
  end
  return v
end
local function told(v)
  local all = {}
  for i = 1, #v do all[i] = v[i] and '+' .. v[i] or '-' end
  return all
end
";

/// For each key its type, its digest, and what it holds; of keys behind so many as the argument says, the type alone, in
/// the database that another argument names. Which one a script has selected is forgotten when it is over.
pub(super) static SNAPSHOT: LazyLock<Script> = LazyLock::new(|| {
    Script::new([
        LOOK,
        "\
local all, whole = {}, tonumber(ARGV[1] or #KEYS)
for i, k in ipairs(KEYS) do
  if i == whole + 1 and ARGV[2] then redis.call('SELECT', ARGV[2]) end
  local t, v
  if i <= whole then t, v = look(k) else t, v = redis.call('TYPE', k).ok, {} end
  all[i] = {t, mark(t, v), v}
end
return all",
    ])
});

/// What the other keys hold, if the first one still has this digest, or any if that is empty, as where a transaction's commands
/// before have changed it; else 0. Arguments: the digest, then pairs for `find`.
pub(super) static LOOKUP: LazyLock<Script> = LazyLock::new(|| {
    Script::new([
        LOOK,
        FIND,
        "\
if ARGV[1] ~= '' and mark(look(KEYS[1])) ~= ARGV[1] then return 0 end
return find(2, (#ARGV - 1) / 2)",
    ])
});

/// Arguments: the number of guards, the guards, the number of commands, the commands. A guard is a kind, the
/// number of its key and what the kind needs. A command is the number of its words and the words. If one guard
/// does not hold, nothing is written and the answer is 0, else 1. A key of another type than a guard expects is
/// an error that `pcall` gives as a table, which equals nothing.
///
/// A string or field is told by its length, its first 32 bytes (magic, key id and nonce) and its last 16 (the
/// tag): the nonce is random, so that no two values share them, and a large value is not sent twice.
///
/// Beside Redis's commands there are words of its own: FIELD sets a field of a hash and keeps its time to live; IF runs a command that has to say that it did something; KEEP notes
/// a key's time to live, KEPT gives it to a key, FIELDS and TIMED do the same for fields of hashes under other names; SCORES takes a sorted set away
/// and keeps its scores, SCORED gives them to members of other names; ABSENT, before anything is written, is the guard
/// of a key in a database that was selected. A server that has no times to live for fields says so, which is as good as none.
pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new([
        LOOK,
        FIND,
        "\
local at, scores, times, expires = 0, {}, {}
local function take() at = at + 1 return ARGV[at] end
local function holds(kind, k)
  if kind == 'string' then
    return redis.pcall('STRLEN', k) == tonumber(take())
      and redis.call('GETRANGE', k, 0, 31) == take() and redis.call('GETRANGE', k, -16, -1) == take()
  end
  if kind == 'field' then
    local old = redis.pcall('HGET', k, take())
    return type(old) == 'string' and #old == tonumber(take())
      and string.sub(old, 1, 32) == take() and string.sub(old, -16) == take()
  end
  if kind == 'none' then return redis.call('EXISTS', k) == 0 end
  if kind == 'nofield' then return redis.pcall('HEXISTS', k, take()) == 0 end
  if kind == 'all' then return mark(look(k)) == take() end
  if kind == 'end' then
    local one = redis.pcall('LINDEX', k, take())
    return type(one) == 'string' and redis.sha1hex(one) == take()
  end
  if kind == 'reply' then
    local from = at + 2
    at = from + tonumber(ARGV[from - 1]) - 1
    local v = redis.pcall(unpack(ARGV, from, at))
    return not v.err and mark('list', v) == take()
  end
  if kind == 'found' then
    local n = tonumber(take())
    local v = find(at + 1, n)
    at = at + 2 * n
    return mark('list', told(v)) == take()
  end
  if kind == 'member' then return redis.pcall('SISMEMBER', k, take()) == 1 end
  return redis.call('TYPE', k).ok == take()
end
local function run(...)
  local word, a, b, c = ...
  if word == 'FIELD' then
    local e = redis.pcall('HPEXPIRETIME', a, 'FIELDS', '1', b)
    redis.call('HSET', a, b, c)
    if type(e) == 'table' and not e.err and e[1] and e[1] > 0 then redis.call('HPEXPIREAT', a, e[1], 'FIELDS', '1', b) end
  elseif word == 'IF' then
    local done = redis.call(select(2, ...))
    return done and done ~= 0
  elseif word == 'KEEP' then
    expires = {'PEXPIREAT', redis.pcall('PEXPIRETIME', a)}
    if type(expires[2]) ~= 'number' then expires = {'PEXPIRE', redis.call('PTTL', a)} end
  elseif word == 'KEPT' then
    if expires[2] >= 0 then redis.call(expires[1], a, expires[2]) end
  elseif word == 'ABSENT' then
    return redis.call('EXISTS', a) == 0
  elseif word == 'SCORES' then
    local v = redis.call('ZRANGE', a, 0, -1, 'WITHSCORES')
    for i = 1, #v, 2 do scores[v[i]] = v[i + 1] end
    redis.call('DEL', a)
  elseif word == 'SCORED' then
    for i = 3, select('#', ...), 2 do
      local old, new = select(i, ...)
      redis.call('ZADD', a, scores[old], new)
    end
  elseif word == 'FIELDS' then
    local w, from = {...}, {}
    for i = 3, #w, 2 do from[#from + 1] = w[i] end
    local e = redis.pcall('HPEXPIRETIME', a, 'FIELDS', #from, unpack(from))
    for i = 1, e.err and 0 or #e do
      if e[i] > 0 then times[w[2 * i + 2]] = e[i] end
    end
  elseif word == 'TIMED' then
    for f, e in pairs(times) do redis.call('HPEXPIREAT', a, e, 'FIELDS', 1, f) end
  else
    redis.call(...)
  end
end
for _ = 1, tonumber(take()) do
  if not holds(take(), KEYS[tonumber(take())]) then return 0 end
end
for _ = 1, tonumber(take()) do
  local from = at + 2
  at = from + tonumber(ARGV[from - 1]) - 1
  if run(unpack(ARGV, from, at)) == false then return 0 end
end
return 1",
    ])
});
