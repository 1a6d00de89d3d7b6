//! The two scripts with which an emulated command reads and writes: SNAPSHOT reads whole keys, SWAP writes if
//! what was read is still there.
//!
//! Job: hold their text and the names that the server has for them.
//! In: nothing. Out: [`Script`]s.
//! Must never: get a plaintext. Both see what is stored.

use std::sync::LazyLock;

use crate::policy::script::sha_hex;

/// A script and its name.
pub(super) struct Script {
    pub body: String,
    /// What EVALSHA calls it.
    pub sha1: String,
}

impl Script {
    fn new(parts: [&str; 2]) -> Self {
        let body = parts.concat();
        Self { sha1: sha_hex(body.as_bytes()), body }
    }
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

/// For each key its type, its digest, and what it holds.
pub(super) static SNAPSHOT: LazyLock<Script> = LazyLock::new(|| {
    Script::new([
        LOOK,
        "\
local all = {}
for i, k in ipairs(KEYS) do
  local t, v = look(k)
  all[i] = {t, mark(t, v), v}
end
return all",
    ])
});

/// Arguments: the number of guards, the guards, the number of commands, the commands. A guard is a kind, the
/// number of its key and what the kind needs. A command is the number of its words and the words. If one guard
/// does not hold, nothing is written and the answer is 0, else 1.
///
/// A string or field is told by its length, its first 32 bytes (magic, key id and nonce) and its last 16 (the
/// tag): the nonce is random, so that no two values share them, and a large value is not sent twice.
///
/// Beside Redis's commands there are two words: FIELD sets a field of a hash and keeps its time to live, TTL gives
/// one key the time to live of another. A server that has no times to live for fields says so, which is as good as none.
pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new([
        LOOK,
        "\
local at = 0
local function take() at = at + 1 return ARGV[at] end
local function field(_, k, f, v)
  local e = redis.pcall('HPEXPIRETIME', k, 'FIELDS', '1', f)
  redis.call('HSET', k, f, v)
  if type(e) == 'table' and not e.err and e[1] and e[1] > 0 then redis.call('HPEXPIREAT', k, e[1], 'FIELDS', '1', f) end
end
local function ttl(_, from, to)
  local e = redis.pcall('PEXPIRETIME', from)
  if type(e) == 'number' then
    if e >= 0 then redis.call('PEXPIREAT', to, e) end
  else
    e = redis.call('PTTL', from)
    if e >= 0 then redis.call('PEXPIRE', to, e) end
  end
end
local guards = {}
guards['none'] = function(k) return redis.call('EXISTS', k) == 0 end
guards['string'] = function(k)
  local len, head, tag = tonumber(take()), take(), take()
  return redis.call('TYPE', k).ok == 'string' and redis.call('STRLEN', k) == len
    and redis.call('GETRANGE', k, 0, 31) == head and redis.call('GETRANGE', k, -16, -1) == tag
end
guards['field'] = function(k)
  local f, len, head, tag = take(), tonumber(take()), take(), take()
  if redis.call('TYPE', k).ok ~= 'hash' then return false end
  local old = redis.call('HGET', k, f)
  return old and #old == len and string.sub(old, 1, 32) == head and string.sub(old, -16) == tag
end
guards['nofield'] = function(k)
  local f, t = take(), redis.call('TYPE', k).ok
  return t == 'none' or (t == 'hash' and redis.call('HEXISTS', k, f) == 0)
end
guards['all'] = function(k)
  local digest = take()
  return mark(look(k)) == digest
end
guards['type'] = function(k)
  return redis.call('TYPE', k).ok == take()
end
for _ = 1, tonumber(take()) do
  local guard = guards[take()]
  if not guard(KEYS[tonumber(take())]) then return 0 end
end
for _ = 1, tonumber(take()) do
  local words = {}
  for i = 1, tonumber(take()) do words[i] = take() end
  if words[1] == 'FIELD' then field(unpack(words))
  elseif words[1] == 'TTL' then ttl(unpack(words))
  else redis.call(unpack(words)) end
end
return 1",
    ])
});
