//! Lines of random programs that look for, order or combine what is stored.

use crate::support::{Dice, MARKER};

/// L key of a list, E element, R rank or count.
pub fn position(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "L" => format!("l:{}", dice.roll(2)).into_bytes(),
        "E" => format!("{MARKER}-{}", dice.roll(3)).into_bytes(),
        "R" => dice.pick(&["0", "1", "2", "-1", "-2", "5", "x", "-9223372036854775807"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

pub const POSITION: &[&str] = &[
    "RPUSH L E E",
    "RPUSH L E",
    "LPUSH L E",
    "LPOP L 3",
    "SET L E",
    "DEL L",
    "LPOS L E",
    "LPOS L E",
    "LPOS L E RANK R",
    "LPOS L E COUNT R",
    "LPOS L E COUNT 0",
    "LPOS L E COUNT R RANK R",
    "LPOS L E MAXLEN R COUNT R RANK -1",
    "LPOS L E MAXLEN R",
    "LPOS L E RANK",
    "LPOS L E x",
    "LPOS L",
    "LPOS none E COUNT 2",
    "LPOS none E",
];

/// Z key of a sorted set with equal scores, Y of one with others, M member, B bound, O offset or count, S score.
pub fn lexical(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "Z" => format!("z:{}", dice.roll(2)).into_bytes(),
        "M" => format!("{}{MARKER}{}", dice.pick(&["", "a", "b", "B", "\u{ff}"]), dice.roll(4)).into_bytes(),
        "B" => match dice.roll(8) {
            0 => dice.pick(&["-", "+"]).into(),
            1 => dice.pick(&["-", "+", "[", "(", "", "x", "-x", "(\u{ff}\u{ff}"]).into(),
            _ => [dice.pick(&["[", "("]).as_bytes().to_vec(), lexical(dice, "M")].concat(),
        },
        "O" => dice.pick(&["0", "1", "2", "-1", "10", "x"]).into(),
        "S" => dice.pick(&["0", "1", "-1", "2.5", "inf", "-inf", "-0"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

pub const LEXICAL: &[&str] = &[
    "ZADD Z 0 M 0 M",
    "ZADD Z 0 M",
    "ZADD y S M",
    "ZREM Z M",
    "ZREM y M",
    "ZCARD Z",
    "ZRANGEBYLEX Z - +",
    "ZRANGEBYLEX Z B B",
    "ZRANGEBYLEX y B B",
    "ZRANGEBYLEX Z B B LIMIT O O",
    "ZRANGEBYLEX y B B LIMIT O O",
    "ZREVRANGEBYLEX Z B B",
    "ZREVRANGEBYLEX y B B LIMIT O O",
    "ZREVRANGEBYLEX y + -",
    "ZLEXCOUNT Z B B",
    "ZLEXCOUNT y B B",
    "ZRANGE Z B B BYLEX",
    "ZRANGE y B B REV BYLEX LIMIT O O",
    "ZRANGE Z B B bylex limit O O REV",
    "ZRANGE Z B B BYLEX WITHSCORES",
    "ZRANGE Z B B BYLEX BYSCORE",
    "ZRANGE Z B B BYSCORE BYLEX",
    "ZRANGE Z B B BYLEX LIMIT 1",
    "ZRANGE Z B B LIMIT BYLEX 1",
    "ZRANGE string - + BYLEX",
    "ZRANGEBYLEX Z B B REV",
    "ZRANGEBYLEX Z B B BYLEX",
    "ZRANGEBYLEX Z B B WITHSCORES",
    "ZLEXCOUNT none - +",
    "ZLEXCOUNT string - +",
    "ZLEXCOUNT Z -",
    "SET string M",
    "ZREMRANGEBYLEX Z B B",
    "ZREMRANGEBYLEX y B B",
    "ZREMRANGEBYLEX string - +",
    "ZREMRANGEBYLEX none B B",
    "ZREMRANGEBYLEX Z -",
    "ZRANGESTORE Z Z B B BYLEX",
    "ZRANGESTORE Z Z B B BYLEX LIMIT O O",
    "ZRANGESTORE Z y B B REV BYLEX LIMIT O O",
    "ZRANGESTORE Z string - + BYLEX",
    "ZRANGESTORE string Z - + BYLEX",
    "ZRANGESTORE Z none B B BYLEX",
    "ZRANGESTORE Z Z B B BYLEX BYSCORE",
    "ZRANGESTORE Z Z B B BYLEX WITHSCORES",
    "ZRANGESTORE Z Z B B LIMIT BYLEX 1",
    "ZADD Z 0 M 0 M 0 M 0 M",
];

/// K key, V text of few letters, C count.
pub fn common(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" => format!("k:{}", dice.roll(3)).into_bytes(),
        "V" => {
            let letters = dice.roll(150);
            let text: String = (0..letters).map(|_| dice.pick(&["a", "b", "c"])).collect();
            format!("{text}{}", dice.pick(&["", "", MARKER])).into_bytes()
        }
        "C" => dice.pick(&["0", "1", "2", "3", "-1", "x"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

pub const COMMON: &[&str] = &[
    "SET K V",
    "SET K V",
    "APPEND K V",
    "DEL K",
    "RPUSH list V",
    "LCS K K",
    "LCS K K",
    "LCS K K LEN",
    "LCS K K IDX",
    "LCS K K IDX WITHMATCHLEN",
    "LCS K K IDX MINMATCHLEN C WITHMATCHLEN",
    "LCS K K minmatchlen C idx",
    "LCS K K MINMATCHLEN C",
    "LCS K K WITHMATCHLEN LEN",
    "LCS K K LEN IDX",
    "LCS K K MINMATCHLEN",
    "LCS K K x",
    "LCS K list x",
    "LCS list K",
    "LCS K",
    "LCS none K",
];

/// K key, V text, N name of an operation.
pub fn bits(dice: &mut Dice, word: &str) -> Vec<u8> {
    match word {
        "K" => format!("k:{}", dice.roll(4)).into_bytes(),
        "V" => (0..dice.roll(20)).map(|_| u8::try_from(dice.roll(256)).expect("a byte")).collect(),
        "N" => dice.pick(&["AND", "or", "XOR", "DIFF", "DIFF1", "andor", "ONE", "NOT", "x"]).into(),
        word => word.as_bytes().to_vec(),
    }
}

pub const BITS: &[&str] = &[
    "SET K V",
    "SET K V PXAT 4000000000123",
    "DEL K",
    "GET K",
    "GET K",
    "PEXPIRETIME K",
    "RPUSH list V",
    "DEL list",
    "BITOP N K K K",
    "BITOP N K K K",
    "BITOP N K K K K",
    "BITOP N K K none",
    "BITOP N K none none",
    "BITOP AND K K",
    "BITOP XOR K K",
    "BITOP NOT K K",
    "BITOP NOT K K K",
    "BITOP OR K K list",
    "BITOP OR list K K",
    "BITOP OR K",
];
