//! How each command that may have several keys is asked, and what the keys hold before.
//!
//! A, B and C are keys. What is written under one of them is `vA`, a value of its own, or `mA`, a member that it has.

/// What is stored under a key before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nothing,
    String,
    Hash,
    List,
    /// A list whose elements may become names of keys, and so are no secret.
    Numbers,
    Set,
    SortedSet,
    Geo,
    Stream,
    HyperLogLog,
}

use Kind::{Geo, Hash, HyperLogLog, List, Nothing, Numbers, Set, SortedSet, Stream};

/// When the command must run. `Row` says: as the row of THE TABLE has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    Row,
    /// Only between keys of one scope: what is sealed anew for the others is not of this kind.
    OneScope,
    /// Never beside a rule.
    Never,
}

pub struct Form {
    pub before: Kind,
    pub line: &'static str,
    pub runs: Runs,
}

const fn form(before: Kind, line: &'static str) -> Form {
    Form { before, line, runs: Runs::Row }
}

const fn one_scope(before: Kind, line: &'static str) -> Form {
    Form { before, line, runs: Runs::OneScope }
}

const fn never(before: Kind, line: &'static str) -> Form {
    Form { before, line, runs: Runs::Never }
}

pub const FORMS: &[Form] = &[
    // Any type.
    form(Kind::String, "copy A B"),
    form(Kind::String, "copy A B REPLACE"),
    form(Hash, "copy A B REPLACE"),
    form(List, "copy A B REPLACE"),
    form(Set, "copy A B REPLACE"),
    form(SortedSet, "copy A B REPLACE"),
    one_scope(Stream, "copy A B REPLACE"),
    form(Kind::String, "copy A B DB 1"),
    form(Hash, "copy A B DB 1 REPLACE"),
    form(Kind::String, "move A 1"),
    form(Kind::String, "rename A B"),
    form(Hash, "rename A B"),
    form(List, "rename A B"),
    form(Set, "rename A B"),
    form(SortedSet, "rename A B"),
    one_scope(Stream, "rename A B"),
    form(Kind::String, "renamenx A B"),
    form(Kind::String, "del A B"),
    form(Kind::String, "unlink A B"),
    form(Kind::String, "exists A B"),
    form(Kind::String, "touch A B"),
    form(Kind::String, "watch A B"),
    form(Kind::String, "dump A"),
    // A port where nobody listens: what is not refused fails there.
    form(Kind::String, "migrate 127.0.0.1 1 A 0 10 COPY REPLACE"),
    form(Kind::String, "migrate 127.0.0.1 1 \"\" 0 10 COPY KEYS A B"),
    form(Kind::String, "debug object A"),
    form(Kind::String, "debug digest-value A B"),
    form(List, "sort A ALPHA STORE B"),
    form(Set, "sort A ALPHA STORE B"),
    form(List, "sort A BY nosort GET # STORE B"),
    form(Numbers, "sort A BY w_* STORE B"),
    form(Numbers, "sort A ALPHA GET k:* STORE B"),
    form(Numbers, "sort A BY k:*->f GET # GET k:* STORE B"),
    form(List, "sort_ro A ALPHA"),
    form(Numbers, "sort_ro A ALPHA GET B*"),
    // Strings.
    form(Kind::String, "mget A B"),
    form(Kind::String, "mset A vA B vB"),
    form(Nothing, "msetnx A vA B vB"),
    form(Kind::String, "msetex 2 A vA B vB EX 100"),
    form(Kind::String, "msetex 2 A vA B vB XX KEEPTTL"),
    form(Kind::String, "lcs A B"),
    form(Kind::String, "lcs A B IDX WITHMATCHLEN"),
    form(Kind::String, "bitop AND A B C"),
    form(Kind::String, "bitop XOR A B C"),
    form(Kind::String, "bitop NOT A B"),
    form(Kind::String, "bitop DIFF A B C"),
    form(Kind::String, "bitop ONE A B C"),
    form(HyperLogLog, "pfcount A B"),
    form(HyperLogLog, "pfmerge A B C"),
    one_scope(HyperLogLog, "rename A B"),
    one_scope(HyperLogLog, "copy A B REPLACE"),
    form(Kind::String, "pfmerge A B"),
    // Lists.
    form(List, "lmove A B LEFT RIGHT"),
    form(List, "rpoplpush A B"),
    form(List, "blmove A B RIGHT LEFT 1"),
    form(List, "brpoplpush A B 1"),
    form(List, "blpop A B 1"),
    form(List, "brpop A B 1"),
    form(List, "lmpop 2 A B LEFT COUNT 2"),
    form(List, "blmpop 1 2 A B RIGHT"),
    // Sets.
    form(Set, "sdiff A B"),
    form(Set, "sinter A B"),
    form(Set, "sunion A B"),
    form(Set, "sintercard 2 A B LIMIT 3"),
    form(Set, "sdiffcard 2 A B"),
    form(Set, "sunioncard 2 A B"),
    form(Set, "sdiffstore A B C"),
    form(Set, "sinterstore A B C"),
    form(Set, "sunionstore A B C"),
    form(Set, "sunionstore A B"),
    form(Set, "smove A B mA"),
    // Sorted sets, also of sets, whose members they take.
    form(SortedSet, "zdiff 2 A B WITHSCORES"),
    form(SortedSet, "zinter 2 A B"),
    form(SortedSet, "zunion 2 A B WEIGHTS 2 3 AGGREGATE MAX WITHSCORES"),
    form(SortedSet, "zintercard 2 A B"),
    form(SortedSet, "zdiffstore A 2 B C"),
    form(SortedSet, "zinterstore A 2 B C AGGREGATE MIN"),
    form(SortedSet, "zunionstore A 2 B C WEIGHTS 1 2"),
    form(Set, "zunionstore A 2 B C"),
    form(Geo, "zunionstore A 1 B"),
    form(SortedSet, "zrangestore A B 0 -1"),
    form(SortedSet, "zrangestore A B -inf +inf BYSCORE LIMIT 0 2"),
    form(SortedSet, "zrangestore A B - + BYLEX"),
    form(SortedSet, "zrangestore A B + [a REV BYLEX LIMIT 0 1"),
    form(SortedSet, "zmpop 2 A B MIN"),
    form(SortedSet, "bzmpop 1 2 A B MAX COUNT 2"),
    form(SortedSet, "bzpopmin A B 1"),
    form(SortedSet, "bzpopmax A B 1"),
    // Geo indexes.
    form(Geo, "geosearchstore A B FROMLONLAT 15 37 BYRADIUS 500 km"),
    form(Geo, "geosearchstore A B FROMMEMBER mB BYBOX 900 900 km STOREDIST"),
    form(Geo, "georadius A 15 37 500 km STORE B"),
    form(Geo, "georadius A 15 37 500 km STOREDIST B"),
    form(Geo, "georadiusbymember A mA 500 km STORE B"),
    form(Geo, "georadiusbymember A mA 500 km WITHDIST"),
    // Streams.
    form(Stream, "xread STREAMS A B 0 0"),
    form(Stream, "xread BLOCK 1 STREAMS A B 0 0"),
    form(Stream, "xreadgroup GROUP g c STREAMS A B > >"),
    // Code on the server, and commands that carry another.
    form(Kind::String, "eval return(redis.call('COPY',KEYS[1],KEYS[2])) 2 A B"),
    form(Kind::String, "eval return(redis.call('SET',KEYS[1],ARGV[1])) 1 A vA"),
    form(Kind::String, "eval_ro return(redis.call('GET',KEYS[1])) 2 A B"),
    never(Kind::String, "eval return(redis.call('COPY',ARGV[1],ARGV[2])) 0 A B"),
    form(Kind::String, "evalsha ffffffffffffffffffffffffffffffffffffffff 2 A B"),
    form(Kind::String, "evalsha_ro ffffffffffffffffffffffffffffffffffffffff 2 A B"),
    never(Kind::String, "fcall f 2 A B"),
    never(Kind::String, "fcall_ro f 2 A B"),
    form(Kind::String, "acl dryrun default mset A vA B vB"),
    form(Kind::String, "command getkeys mset A vA B vB"),
    form(Kind::String, "command getkeysandflags mset A vA B vB"),
    // Of modules: refused here, or unknown to the servers of this test.
    form(Nothing, "json.mget A B $"),
    form(Nothing, "json.mset A $ vA B $ vB"),
    form(Nothing, "cms.merge A 2 B C"),
    form(Nothing, "tdigest.merge A 2 B C"),
    form(Nothing, "ts.madd A 1 1 B 1 1"),
    form(Nothing, "ts.createrule A B AGGREGATION avg 1"),
    form(Nothing, "ts.deleterule A B"),
];
