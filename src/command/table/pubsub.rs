//! Publish and subscribe: messages are sealed under the name of their channel.

use super::row::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Spec] = &[
    row("psubscribe",           -2, PUBSUB | NOSCRIPT, Subscribe, ChannelPatterns { first: 1 },    PASS),
    row("publish",              3,  FAST | PUBSUB,     Shared,    Channels { first: 1, last: 1 },  seal(Fixed, Message { channel: 1, value: 2 })),
    container("pubsub", -2, Shared),
    row("pubsub|channels",      -2, PUBSUB,            Shared,    ChannelPatterns { first: 2 },    PASS),
    row("pubsub|help",          2,  0,                 Shared,    NO_KEYS,                         PASS),
    row("pubsub|numpat",        2,  PUBSUB,            Shared,    NO_KEYS,                         PASS),
    row("pubsub|numsub",        -2, PUBSUB,            Shared,    Channels { first: 2, last: -1 }, PASS),
    row("pubsub|shardchannels", -2, PUBSUB,            Shared,    ChannelPatterns { first: 2 },    PASS),
    row("pubsub|shardnumsub",   -2, PUBSUB,            Shared,    Channels { first: 2, last: -1 }, PASS),
    row("punsubscribe",         -1, PUBSUB | NOSCRIPT, Subscribe, ChannelPatterns { first: 1 },    PASS),
    row("spublish",             3,  FAST | PUBSUB,     Shared,    Channels { first: 1, last: 1 },  seal(Fixed, Message { channel: 1, value: 2 })),
    row("ssubscribe",           -2, PUBSUB | NOSCRIPT, Subscribe, Channels { first: 1, last: -1 }, PASS),
    row("subscribe",            -2, PUBSUB | NOSCRIPT, Subscribe, Channels { first: 1, last: -1 }, PASS),
    row("sunsubscribe",         -1, PUBSUB | NOSCRIPT, Subscribe, Channels { first: 1, last: -1 }, PASS),
    row("unsubscribe",          -1, PUBSUB | NOSCRIPT, Subscribe, Channels { first: 1, last: -1 }, PASS),
];
