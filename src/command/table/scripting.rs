//! Scripts and functions, which run where only ciphertext is.

use super::row::*;

const DEBUGGER: &str = "it turns the connection into a debugger's, which speaks another protocol";

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("eval",             -3, NOSCRIPT | RUNS,     Shared,          Counted { count_at: 2, access: Update }, refuse(Script)),
    row("eval_ro",          -3, R | NOSCRIPT | RUNS, Shared,          Counted { count_at: 2, access: Read },   refuse(Script)),
    row("evalsha",          -3, NOSCRIPT | RUNS,     Shared,          Counted { count_at: 2, access: Update }, refuse(Script)),
    row("evalsha_ro",       -3, R | NOSCRIPT | RUNS, Shared,          Counted { count_at: 2, access: Read },   refuse(Script)),
    row("fcall",            -3, NOSCRIPT | RUNS,     Shared,          Counted { count_at: 2, access: Update }, refuse(Script)),
    row("fcall_ro",         -3, R | NOSCRIPT | RUNS, Shared,          Counted { count_at: 2, access: Read },   refuse(Script)),
    container("function", -2, Shared),
    row("function|delete",  3,  W | NOSCRIPT,        Shared,          NO_KEYS,                                 PASS),
    row("function|dump",    2,  NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    row("function|flush",   -2, W | NOSCRIPT,        Shared,          NO_KEYS,                                 PASS),
    row("function|help",    2,  0,                   Shared,          NO_KEYS,                                 PASS),
    row("function|kill",    2,  NOSCRIPT,            Exclusive,       NO_KEYS,                                 PASS),
    row("function|list",    -2, NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    row("function|load",    -3, W | NOSCRIPT,        Shared,          NO_KEYS,                                 PASS),
    row("function|restore", -3, W | NOSCRIPT,        Shared,          NO_KEYS,                                 PASS),
    row("function|stats",   2,  NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    container("script", -2, Shared),
    row("script|debug",     -3, NOSCRIPT,            Never(DEBUGGER), NO_KEYS,                                 PASS),
    row("script|exists",    -3, NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    row("script|flush",     -2, NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    row("script|help",      2,  0,                   Shared,          NO_KEYS,                                 PASS),
    row("script|kill",      2,  NOSCRIPT,            Exclusive,       NO_KEYS,                                 PASS),
    row("script|load",      3,  NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
    row("script|show",      3,  NOSCRIPT,            Shared,          NO_KEYS,                                 PASS),
];
