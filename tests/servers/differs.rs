//! Where servers disagree. A row takes the wider arity, and a flag that any of them sets.

/// A property in which a row is not as some server says.
pub struct Differs {
    pub command: &'static str,
    /// `arity`, `key`, or the flag.
    pub what: &'static str,
    pub reason: &'static str,
}

const fn differs(command: &'static str, what: &'static str, reason: &'static str) -> Differs {
    Differs { command, what, reason }
}

const SCRIPTS_MAY: &str = "since 7.2 a script may call it, and then it does not wait";
const ALONE: &str = "7.0 wants the command to have an argument, later ones do not";
const WITH_SCORE: &str = "7.0 has no WITHSCORE";

pub const DIFFERS: [Differs; 16] = [
    differs("blmove", "noscript", SCRIPTS_MAY),
    differs("blpop", "noscript", SCRIPTS_MAY),
    differs("brpop", "noscript", SCRIPTS_MAY),
    differs("brpoplpush", "noscript", SCRIPTS_MAY),
    differs("bzpopmax", "noscript", SCRIPTS_MAY),
    differs("bzpopmin", "noscript", SCRIPTS_MAY),
    differs("cluster|replicate", "arity", "Valkey has NO ONE"),
    differs("command|getkeys", "arity", ALONE),
    differs("command|getkeysandflags", "arity", ALONE),
    differs("script|debug", "arity", "Valkey hands further arguments to the script engine"),
    differs("sinterstore", "key", "7.0 says that it reads its destination"),
    differs("wait", "blocking", "7.0 does not say so"),
    differs("wait", "noscript", SCRIPTS_MAY),
    differs("waitaof", "noscript", SCRIPTS_MAY),
    differs("zrank", "arity", WITH_SCORE),
    differs("zrevrank", "arity", WITH_SCORE),
];

const NO_CATEGORIES: &str = "the module of vector sets registers none; ours follow from the flags";

/// A category that a server does not have a command in, or all `categories` of one that a module brings.
pub const CATEGORIES_DIFFER: [(&str, &str, &str); 13] = [
    ("vadd", "categories", NO_CATEGORIES),
    ("vcard", "categories", NO_CATEGORIES),
    ("vdim", "categories", NO_CATEGORIES),
    ("vemb", "categories", NO_CATEGORIES),
    ("vgetattr", "categories", NO_CATEGORIES),
    ("vinfo", "categories", NO_CATEGORIES),
    ("vismember", "categories", NO_CATEGORIES),
    ("vlinks", "categories", NO_CATEGORIES),
    ("vrandmember", "categories", NO_CATEGORIES),
    ("vrem", "categories", NO_CATEGORIES),
    ("vsetattr", "categories", NO_CATEGORIES),
    ("vsim", "categories", NO_CATEGORIES),
    ("wait", "blocking", "7.0 does not say so"),
];

/// Rows that none of the three servers knows, in groups that they do know.
pub const ELSEWHERE: [(&str, &str); 9] = [
    ("acl|gentoken", "Upstash"),
    ("acl|resttoken", "Upstash"),
    ("client|maint_notifications", "Redis Enterprise and Cloud"),
    ("delex", "Upstash, and Redis from 8.4"),
    ("digest", "Upstash, and Redis from 8.4"),
    ("sdiffcard", "Upstash, and Redis from 8.10"),
    ("sentinel", "a server in its Sentinel mode"),
    ("sunioncard", "Upstash, and Redis from 8.10"),
    ("vrange", "Redis from 8.4"),
];

/// Commands that may need memory and yet carry no value.
pub const CARRY_NONE: [&str; 3] = ["xgroup|create", "xgroup|createconsumer", "xsetid"];
