//! Random programs: the same seed, the same program.

use waxseal::command::{Verdict, find};

use super::MARKER;
use super::support::random;
use super::templates::{EVERYWHERE, TRANSACTIONS};

/// So many keys, fields and members that commands meet.
const FEW: u64 = 5;
/// In so many steps one is of any type's commands.
const EVERYWHERE_IN: u64 = 6;
/// In so many steps one begins, or means, a transaction; and within one, in so many one ends it.
const TRANSACTION_IN: u64 = 20;
const END_IN: u64 = 7;
/// Commands sent in one piece: mostly few, sometimes very many.
const FEW_AT_ONCE: u64 = 12;
const MANY_AT_ONCE: u64 = 600;

/// One command of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub template: &'static str,
    pub words: Vec<Vec<u8>>,
    /// As a line of words instead of an array of bulk strings.
    pub inline: bool,
    /// Whether what has gathered is sent and its replies awaited.
    pub last_of_piece: bool,
}

/// What a program is made by.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        random::next(&mut self.0) % below
    }

    pub fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }

    /// A program of so many commands of this type, with transactions and what there is for every type among them.
    pub fn program(&mut self, kind: &str, templates: &[&'static str], steps: usize) -> Vec<Step> {
        let (mut in_transaction, mut watching) = (false, false);
        let mut left = 0;
        let mut program = Vec::with_capacity(steps);
        while program.len() < steps {
            let template = if in_transaction && self.roll(END_IN) == 0 {
                self.pick(&["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD"])
            } else if !in_transaction && self.roll(TRANSACTION_IN) == 0 {
                self.pick(TRANSACTIONS)
            } else if self.roll(EVERYWHERE_IN) == 0 {
                self.pick(EVERYWHERE)
            } else {
                self.pick(templates)
            };
            match template {
                "MULTI" => in_transaction = true,
                "EXEC" | "DISCARD" if in_transaction => (in_transaction, watching) = (false, false),
                "WATCH K" => watching = true,
                "UNWATCH" => watching = in_transaction,
                _ if watching && template.starts_with("SELECT") => continue,
                _ if in_transaction && !goes_into_a_transaction(template) => continue,
                _ => {}
            }
            if left == 0 {
                left = if self.roll(40) == 0 { self.roll(MANY_AT_ONCE) } else { self.roll(FEW_AT_ONCE) };
            } else {
                left -= 1;
            }
            let words = self.fill(template, kind, program.len() + 1);
            let inline = words.iter().all(|word| is_plain(word)) && self.roll(8) == 0;
            program.push(Step { template, words, inline, last_of_piece: left == 0 });
        }
        program
    }

    fn fill(&mut self, template: &str, kind: &str, number: usize) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> = template.split(' ').map(|word| self.word(word, kind)).collect();
        // Ids that both servers give themselves would differ.
        if let Some(id) = words.iter_mut().find(|word| *word == b"*" && template.starts_with("XADD")) {
            *id = format!("{number}-1").into_bytes();
        }
        words
    }

    /// K key, O key without a rule, C channel, F field, M member, E element, V value, P value under a key without a rule,
    /// N number, D some number, I index, S score, A degrees, T time far away.
    fn word(&mut self, word: &str, kind: &str) -> Vec<u8> {
        match word {
            "K" => format!("{kind}:{}", self.roll(FEW)).into_bytes(),
            "O" => format!("open:{}", self.roll(FEW)).into_bytes(),
            "C" => format!("channel:{}", self.roll(3)).into_bytes(),
            "open:C" => format!("open:channel:{}", self.roll(3)).into_bytes(),
            "F" => format!("field-{}", self.roll(FEW)).into_bytes(),
            "M" => format!("{MARKER}-member-{}", self.roll(FEW * 2)).into_bytes(),
            // Few enough that no two of them fall together in a HyperLogLog, with which key whatever.
            "E" => format!("{MARKER}-element-{}", self.roll(3)).into_bytes(),
            "V" => {
                let mut value = format!("{MARKER}-{}-", self.roll(1000)).into_bytes();
                let more = self.roll(40);
                value.extend((0..more).map(|_| u8::try_from(self.roll(256)).unwrap()));
                value
            }
            "P" => format!("{}", self.roll(100)).into_bytes(),
            "N" => (1 + self.roll(4)).to_string().into_bytes(),
            "I" => (i64::try_from(self.roll(9)).unwrap() - 4).to_string().into_bytes(),
            // Different members get different scores as good as always: what ties do is not promised. And such
            // as binary floats hold exactly: how others are printed depends on how the server stores the set.
            "S" => format!("{}.25", self.roll(1_000_000)).into_bytes(),
            "A" => format!("{}.{}", self.roll(80), self.roll(1_000_000)).into_bytes(),
            // Mostly an integer, sometimes another number or none.
            "D" => match self.roll(12) {
                0 => b"1.5".to_vec(),
                1 => b"x".to_vec(),
                2 => i64::MAX.to_string().into_bytes(),
                number => number.to_string().into_bytes(),
            },
            "T" => (9_000_000_000 + self.roll(4)).to_string().into_bytes(),
            word => word.as_bytes().to_vec(),
        }
    }
}

/// Not yet: what is carried out in several steps. And not what Waxseal refuses when it is queued.
fn goes_into_a_transaction(template: &str) -> bool {
    let name = template.split(' ').next().unwrap_or_default().to_lowercase();
    let emulated = find(&name).is_some_and(|spec| matches!(spec.verdict, Verdict::Emulate(_)));
    // Of keys without a rule they are what they are.
    let emulated = emulated && !template.split(' ').any(|word| word == "O");
    !emulated && !super::templates::MALFORMED.contains(&template)
}

/// Whether a word can stand in an inline command as it is.
fn is_plain(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'".contains(byte))
}
