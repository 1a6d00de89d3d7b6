//! Requests: for the rows whose keys depend on more than their place, and the words of random ones.

pub const SAMPLES: [&str; 40] = [
    "sort k by w_* limit 0 1 get # get g_* store d",
    "sort k",
    "sort k alpha desc",
    "sort_ro k by w_* get # limit 0 1",
    "georadius k 1 2 3 m store d",
    "georadius k 1 2 3 m withcoord count 3 any storedist e",
    "georadius k 1 2 3 m asc",
    "georadiusbymember k mem 3 m store d",
    "migrate h 1 k 0 10",
    "migrate h 1 k 0 10 copy replace auth p",
    "migrate h 1 \"\" 0 10 copy keys a b",
    "migrate h 1 \"\" 0 10 auth2 keys keys keys a b",
    "xread count 1 streams a b 0 0",
    "xread streams streams 0",
    "xread block 0 streams a $",
    "xreadgroup group g c streams a >",
    "xreadgroup group g c count 1 block 0 noack streams a b > >",
    "eval s 0 x",
    "eval s 1 a b",
    "eval_ro s 2 a b c",
    "evalsha s 1 a",
    "evalsha_ro s 1 a",
    "fcall f 1 a b",
    "fcall_ro f 1 a b",
    "zunionstore d 2 a b weights 1 2",
    "zinterstore d 1 a",
    "zdiffstore d 2 a b",
    "zunion 2 a b withscores",
    "zinter 1 a",
    "zdiff 2 a b",
    "zintercard 2 a b limit 3",
    "sintercard 2 a b limit 3",
    "lmpop 2 a b left",
    "zmpop 1 a min",
    "blmpop 0 2 a b left",
    "bzmpop 0 1 a max",
    "msetex 1 a v",
    "msetex 2 a v b w nx ex 9",
    "spublish a b",
    "ssubscribe a b",
];

/// How a random request begins.
pub const HEADS: [&str; 9] = [
    "sort k",
    "sort_ro k",
    "georadius k 1 2 3 m",
    "georadiusbymember k m 3 m",
    "migrate h 1 k 0 9",
    "migrate h 1 \"\" 0 9",
    "msetex",
    "xread",
    "xreadgroup group g c",
];

/// What follows in a random request.
pub const WORDS: [&str; 20] = [
    "store",
    "storedist",
    "by",
    "get",
    "limit",
    "1",
    "2",
    "a*",
    "#",
    "asc",
    "withdist",
    "count",
    "keys",
    "copy",
    "auth",
    "auth2",
    "streams",
    "block",
    "noack",
    "b",
];

/// Options of SET and GETEX.
pub const SET_OPTIONS: [&str; 11] =
    ["EX 99", "PX 9999", "EXAT 9999999999", "PXAT 9999999999999", "EX", "NX", "XX", "GET", "KEEPTTL", "PERSIST", "x"];

/// Options of HSCAN and HRANDFIELD.
pub const HASH_OPTIONS: [&str; 5] = ["MATCH *", "COUNT 5", "MATCH", "WITHVALUES", "x"];
