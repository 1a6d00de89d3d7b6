//! The client's own connection: answered here, because many clients share one upstream.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("auth",                       -2, FAST | NOSCRIPT | NOAUTH,  Local, NO_KEYS, PASS),
    container("client", -2, Local),
    row("client|caching",             3,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|capa",                -3, NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|getname",             2,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|getredir",            2,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|help",                2,  0,                         Local, NO_KEYS, PASS),
    row("client|id",                  2,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|import-source",       3,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|info",                2,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|kill",                -3, ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("client|list",                -2, ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("client|maint_notifications", -3, NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|no-evict",            3,  ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("client|no-touch",            3,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|pause",               -3, ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("client|reply",               3,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|setinfo",             4,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|setname",             3,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|tracking",            -3, NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|trackinginfo",        2,  NOSCRIPT,                  Local, NO_KEYS, PASS),
    row("client|unblock",             -3, ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("client|unpause",             2,  ADMIN | DANGER | NOSCRIPT, Local, NO_KEYS, PASS),
    row("echo",                       2,  FAST,                      Local, NO_KEYS, PASS),
    row("hello",                      -1, FAST | NOSCRIPT | NOAUTH,  Local, NO_KEYS, PASS),
    row("ping",                       -1, FAST,                      Local, NO_KEYS, PASS),
    row("quit",                       -1, FAST | NOSCRIPT | NOAUTH,  Local, NO_KEYS, PASS),
    row("reset",                      1,  FAST | NOSCRIPT | NOAUTH,  Local, NO_KEYS, PASS),
    row("select",                     2,  FAST,                      Local, NO_KEYS, PASS),
];
