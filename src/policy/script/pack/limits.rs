//! Rate limiters: their keys hold counters, with which the scripts compute. One of them, `reset`, deletes the
//! keys that match a pattern, which stores nothing.

use super::{Keys, Reply, Script};
use crate::command::Shape;

const fn limiter(library: &'static str, name: &'static str, digest: &'static str) -> Script {
    Script { library, name, digest, keys: Keys::State, args: &[], reply: Reply::Shaped(Shape::Raw) }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Script] = &[
    limiter("@upstash/ratelimit",    "fixedWindowLimit",                      "b29974f7dd38ffbf64cb10518fa6c955c71cd5b1"),
    limiter("@upstash/ratelimit",    "fixedWindowRemainingTokens",            "9339e5a01c7401925d0f071fe7391baf396d02ca"),
    limiter("@upstash/ratelimit",    "slidingWindowLimit",                    "694c39b3ab8832daba225806841cfee4ef7bcd3b"),
    limiter("@upstash/ratelimit",    "slidingWindowRemainingTokens",          "015844f94a5192aac79219c48a42ae91b92bd067"),
    limiter("@upstash/ratelimit",    "tokenBucketLimit",                      "d11bf08edb4c36bb8ab74a4bffc1b4c59e9a8251"),
    limiter("@upstash/ratelimit",    "tokenBucketRemainingTokens",            "432f0ebf1cac843fd50f072fd72fbdbe5322e0f6"),
    limiter("@upstash/ratelimit",    "cachedFixedWindowLimit",                "29b05ff8bbc3ef54b8eec76e26cc67a1bfdaea51"),
    limiter("@upstash/ratelimit",    "cachedFixedWindowRemainingToken",      "614d145b951b34d46b2b0962a9f62d7f532a310a"),
    limiter("@upstash/ratelimit",    "fixedWindowLimit (several regions)",    "c7454c693feb7e2522b90a9f3fc83574dc12aced"),
    limiter("@upstash/ratelimit",    "fixedWindowRemainingTokens (several regions)", "645295d8106db8976483ffaa5b452ddf29ef1878"),
    limiter("@upstash/ratelimit",    "slidingWindowLimit (several regions)",  "ac2f9b803183ad5c6f7904d74ff26dce8a366909"),
    limiter("@upstash/ratelimit",    "slidingWindowRemainingTokens (several regions)", "448bc38eeb7fff42b81df778ac7e9dbaa7b5f0d2"),
    limiter("@upstash/ratelimit",    "reset",                                 "2f8a36c6582070a4cf5607e730e1489f71a6bd45"),
    limiter("@upstash/ratelimit",    "checkDenyList",                         "b702e20edd1acc46daf6831a7e6bc4f331bd4994"),
    limiter("rate-limiter-flexible", "incrTtlLua",                            "5cb7febfb3a0d7fed0ece01810f9d06c37bf24ba"),
    limiter("rate-limiter-flexible", "incrTtlLua",                            "25bb44d4864db67f884f6e460d947f9e5ffdbdd0"),
];
