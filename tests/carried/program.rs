//! Lines of random programs about what goes between keys.

use crate::support::{self, MARKER};

/// The same seed, the same program.
pub struct Roll(pub u64);

impl Roll {
    pub fn below(&mut self, below: usize) -> usize {
        support::random::below(&mut self.0, below)
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// One letter stands for a word: K key of any type; T, L, S, Z and Y, H, G key that is mostly a string, list, set, sorted set, hash, geo index; M member or
    /// element; F field, N score, W weight, I index, B bound of scores, E end of a list, O timeout, A way to aggregate.
    pub fn word(&mut self, word: &str) -> Vec<u8> {
        let key = |letter: char, n: usize| format!("{letter}:{n}").into_bytes();
        match word {
            "K" => {
                let letter = ['t', 'l', 's', 'z', 'h', 'x'][self.below(6)];
                key(letter, self.below(3))
            }
            "G" => key('g', self.below(3)),
            "T" => key('t', self.below(3)),
            "L" => key('l', self.below(3)),
            "S" => key('s', self.below(3)),
            "Z" => key('z', self.below(3)),
            "Y" => key('y', self.below(3)),
            "H" => key('h', self.below(3)),
            "M" => format!("{MARKER}-{}", self.below(6)).into_bytes(),
            "F" => format!("f{}", self.below(4)).into_bytes(),
            "N" => self.pick(&["0", "1", "2", "-1.5", "0.1", "3.3333333333333335", "inf", "-inf", "1e300"]).into(),
            "W" => self.pick(&["1", "2", "0", "-1", "0.1", "inf", "-inf", "x", "0x10", "1e400", " 1", ""]).into(),
            "I" => self.pick(&["0", "1", "2", "-1", "-2", "5", "-7", "x"]).into(),
            "B" => self.pick(&["-inf", "+inf", "0", "(1", "1", "(0.1", "-1", "x", ""]).into(),
            "E" => self.pick(&["LEFT", "RIGHT", "left", "RIGHT", "x"]).into(),
            "O" => self.pick(&["0.01", "0.01", "x", "-1", "", "0x0.1"]).into(),
            "A" => self.pick(&["SUM", "MIN", "MAX", "sum", "x"]).into(),
            word => word.as_bytes().to_vec(),
        }
    }
}

/// Redis promises no order of the reply, which consists of groups of so many.
pub fn in_no_order(line: &str) -> Option<usize> {
    let name = line.split(' ').next().unwrap_or_default();
    match name {
        "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" => Some(1),
        "HGETALL" => Some(2),
        // In clear equal scores are in the order of the members; encrypted, in that of the ciphertexts.
        "ZRANGE" => Some(2),
        _ => None,
    }
}

pub const PROGRAM: &[&str] = &[
    "SET T M",
    "SET T M PXAT 4000000000456",
    "RPUSH L M M M",
    "LPUSH L M",
    "SADD S M M M",
    "SADD S M",
    "SREM S M",
    "ZADD Z N M N M",
    "ZADD Z N M",
    "ZADD Y N M N M",
    "ZRANGE Y 0 -1 WITHSCORES",
    "HSET H F M F M",
    "DEL K",
    "DEL K K",
    "TYPE K",
    "GET T",
    "LRANGE L 0 -1",
    "SMEMBERS S",
    "ZRANGE Z 0 -1 WITHSCORES",
    "HGETALL H",
    "EXISTS K K",
    "PEXPIREAT K 4000000000123",
    "PEXPIRETIME K",
    "PERSIST K",
    // Whole keys.
    "RENAME K K",
    "RENAME T T",
    "RENAME L L",
    "RENAME Z Z",
    "RENAMENX K K",
    "RENAMENX H H",
    "RENAME S",
    "COPY K K",
    "COPY K K REPLACE",
    "COPY S S REPLACE",
    "COPY H H replace",
    "COPY K K REPLACE REPLACE",
    "COPY K K x",
    "COPY K K DB",
    "COPY K K DB x",
    // Elements and members.
    "LMOVE L L E E",
    "LMOVE K K E E",
    "LMOVE L L LEFT RIGHT",
    "RPOPLPUSH L L",
    "RPOPLPUSH K K",
    "RPOPLPUSH L",
    "BLMOVE L L LEFT RIGHT O",
    "BRPOPLPUSH K K O",
    "SMOVE S S M",
    "SMOVE S S M",
    "SMOVE K K M",
    "SMOVE S S",
    // Members together.
    "SINTER S S",
    "SINTER S S S",
    "SINTER S K",
    "SUNION S S",
    "SUNION S K S",
    "SDIFF S S",
    "SDIFF S S S",
    "SDIFF K S",
    "SINTERCARD 2 S S",
    "SINTERCARD 2 S S LIMIT I",
    "SINTERCARD 2 S S LIMIT",
    "SINTERCARD 2 S K x",
    "SINTERSTORE S S S",
    "SINTERSTORE K S S",
    "SUNIONSTORE S S S",
    "SUNIONSTORE K S K",
    "SDIFFSTORE S S S",
    "SDIFFSTORE K S K",
    "SUNIONSTORE S S",
    "ZUNION 2 Z Y",
    "ZUNION 3 Z S Y WITHSCORES",
    "ZUNION 3 Z S Y WEIGHTS W W W WITHSCORES",
    "ZUNION 2 Z S AGGREGATE A WITHSCORES",
    "ZUNION 2 Z Y WEIGHTS W",
    "ZUNION 2 Y K x",
    "ZINTER 2 Z Y WITHSCORES",
    "ZINTER 3 Z S Y WEIGHTS W W W AGGREGATE A WITHSCORES",
    "ZINTER 2 Z S WITHSCORES",
    "ZINTER 2 Y K AGGREGATE A",
    "ZDIFF 2 Z Y WITHSCORES",
    "ZDIFF 3 Z Y S",
    "ZDIFF 2 Z Y WEIGHTS 1 1",
    "ZINTERCARD 2 Z Y",
    "ZINTERCARD 2 Z S LIMIT I",
    "ZINTERCARD 2 Z S LIMIT x",
    "ZINTERCARD 2 Y K WITHSCORES",
    "ZUNIONSTORE Z 2 Z Y",
    "ZUNIONSTORE K 2 Z S WEIGHTS W W AGGREGATE A",
    "ZUNIONSTORE Z 2 Z S WEIGHTS 2 0.1",
    "ZUNIONSTORE Z 2 Z Y WITHSCORES",
    "ZINTERSTORE Z 2 Z Y",
    "ZINTERSTORE K 2 Y K AGGREGATE MAX",
    "ZDIFFSTORE Z 2 Z Y",
    "ZDIFFSTORE K 2 Y K",
    "ZRANGESTORE Y Z I I",
    "ZRANGESTORE Y Z 0 -1",
    "ZRANGESTORE Y K I I REV",
    "ZRANGESTORE Y Z B B BYSCORE",
    "ZRANGESTORE Y Z B B BYSCORE LIMIT I I",
    "ZRANGESTORE Y Z B B REV BYSCORE LIMIT I I",
    "ZRANGESTORE Y Z +inf -inf REV BYSCORE LIMIT 1 2",
    "ZRANGESTORE Y Z 0 -1 LIMIT 0 1",
    "ZRANGESTORE Y Z 0 -1 WITHSCORES",
    "ZRANGESTORE Y K 0 -1 BYSCORE BYSCORE",
    // Geo indexes.
    "GEOADD G 13.36 38.11 M",
    "GEOADD G 15.08 37.5 M 2.35 48.85 M",
    "GEOADD G 13.37 38.12 M",
    "ZRANGE G 0 -1 WITHSCORES",
    "DEL G",
    // Without COUNT: among places of equal distance the server chooses by the order of what it has, ciphertext.
    "GEOSEARCHSTORE G G FROMLONLAT 15 37 BYRADIUS 400 km",
    "GEOSEARCHSTORE K G FROMLONLAT 15 37 BYBOX 4000 4000 km ASC",
    "GEOSEARCHSTORE G G FROMMEMBER M BYRADIUS 3000 km STOREDIST",
    "GEOSEARCHSTORE G G FROMMEMBER M BYBOX 900 900 mi DESC STOREDIST",
    "GEOSEARCHSTORE G K FROMLONLAT 15 37 BYRADIUS 400 km",
    "GEOSEARCHSTORE G G FROMLONLAT 15 37 BYRADIUS 400 km WITHDIST",
    "GEORADIUS G 15 37 500 km STORE G",
    "GEORADIUS G 15 37 5000 km STOREDIST G DESC",
    "GEORADIUS K 15 37 500 km STORE K",
    "GEORADIUSBYMEMBER G M 500 km STORE G",
    "GEORADIUSBYMEMBER G M 5000 km STOREDIST G",
    "GEORADIUS G 15 37 500 km STORE G WITHDIST",
];
