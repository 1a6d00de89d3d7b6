//! The file form of what a client sends: a head of comments, then for each connection a line `connection` and one
//! line per command. Arguments stand between blanks; one with other bytes than printable ones in double quotes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::support::raw::encode;
use super::support::upstream::PASSWORD;

/// Stands for the upstream's password, which is this test's own.
const PASSWORD_WORD: &str = "{password}";

pub type Command = Vec<Vec<u8>>;

#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub command: Command,
}

impl Sent {
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.command.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// How many frames come back: of a subscription one for each channel.
    pub fn replies(&self) -> usize {
        let name = self.command[0].to_ascii_lowercase();
        if name.ends_with(b"subscribe") { (self.command.len() - 1).max(1) } else { 1 }
    }

    pub fn shown(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }
}

#[derive(Debug, PartialEq)]
pub struct Fixture {
    pub head: Vec<String>,
    pub connections: Vec<Vec<Sent>>,
}

/// All there are, by the file's name without its ending.
pub fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).expect("the fixtures");
    let name = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<String> = files.map(|file| name(file.expect("a file").path())).collect();
    names.sort();
    names
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/connect")
}

impl Fixture {
    pub fn load(name: &str) -> Self {
        let path = folder().join(name).with_extension("txt");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut fixture = Self { head: Vec::new(), connections: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                fixture.head.push(comment.into());
            } else if line == "connection" {
                fixture.connections.push(Vec::new());
            } else {
                let connection = fixture.connections.last_mut().expect("`connection` comes first");
                connection.push(Sent { command: words(line) });
            }
        }
        assert!(!fixture.head.is_empty() && fixture.connections.iter().all(|c| !c.is_empty()), "{name} is incomplete");
        fixture
    }

    pub fn save(&self, name: &str) {
        let mut text: String = self.head.iter().map(|line| format!("# {line}\n")).collect();
        for connection in &self.connections {
            text.push_str("\nconnection\n");
            for sent in connection {
                writeln!(text, "{}", sent.shown()).expect("a String takes all");
            }
        }
        std::fs::write(folder().join(name).with_extension("txt"), text).expect("write the fixture");
    }
}

fn quoted(word: &[u8]) -> String {
    if word == PASSWORD.as_bytes() {
        return PASSWORD_WORD.into();
    }
    if !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"') {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::from('"');
    for byte in word {
        match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
            b' '..=b'~' => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        }
        .expect("a String takes all");
    }
    text + "\""
}

fn words(line: &str) -> Command {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inner) => unquoted(inner),
            None => {
                let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
                let word = if word == PASSWORD_WORD { PASSWORD } else { word };
                (word.as_bytes().to_vec(), after)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn unquoted(inner: &str) -> (Vec<u8>, &str) {
    let mut word = Vec::new();
    let mut rest = inner;
    loop {
        let byte = rest.bytes().next().expect("a closing quote");
        rest = match byte {
            b'"' => return (word, &rest[1..]),
            b'\\' if rest[1..].starts_with('x') => {
                word.push(u8::from_str_radix(&rest[2..4], 16).expect("two hexadecimal digits"));
                &rest[4..]
            }
            b'\\' => {
                word.push(rest.as_bytes()[1]);
                &rest[2..]
            }
            byte => {
                word.push(byte);
                &rest[1..]
            }
        };
    }
}
