//! Which room may import which: the direction in which a command passes them, held by reading the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room and what it may import. A room may always import itself.
const ROOMS: [(&str, &[&str]); 13] = [
    ("resp", &[]),
    ("command", &["resp"]),
    ("crypto", &[]),
    ("policy", &["command"]),
    ("meter", &["command", "crypto"]),
    ("trail", &["command", "policy"]),
    ("transform", &["resp", "command", "policy", "crypto"]),
    ("client", &["resp", "command", "policy", "meter", "transform"]),
    // Keys, JSON paths and rate limits are parsed while the configuration is checked, so that a bad one is among its faults.
    ("config", &["crypto", "resp", "command", "policy"]),
    ("upstream", &["resp", "meter", "transform"]),
    ("server", &["resp", "command", "policy", "meter", "trail", "transform", "client", "upstream", "crypto"]),
    (
        "observe",
        &[
            "resp",
            "command",
            "crypto",
            "policy",
            "meter",
            "trail",
            "transform",
            "client",
            "config",
            "upstream",
            "server",
        ],
    ),
    (
        "cli",
        &[
            "observe",
            "resp",
            "command",
            "crypto",
            "policy",
            "meter",
            "trail",
            "transform",
            "client",
            "config",
            "upstream",
            "server",
        ],
    ),
];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The rooms named after `crate::` anywhere in the file, comments excepted.
fn imports(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        for after in line.split("crate::").skip(1) {
            if let Some(grouped) = after.strip_prefix('{') {
                // `use crate::{a, b}` would hide rooms from this test.
                panic!("write one `use crate::room` per room, not crate::{{{grouped}");
            }
            rooms.insert(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
}

#[test]
fn rooms_import_only_what_comes_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        let mut files = Vec::new();
        source_files(&src.join(room), &mut files);
        assert!(!files.is_empty(), "room {room} has no files");
        for file in files {
            // Tests may look at other rooms to set their scene.
            if file.components().any(|c| c.as_os_str() == "tests") || file.to_string_lossy().ends_with("tests.rs") {
                continue;
            }
            for import in imports(&fs::read_to_string(&file).unwrap()) {
                if import != room && !allowed.contains(&import.as_str()) {
                    wrong.push(format!("{} imports {import}", file.strip_prefix(&src).unwrap().display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction of the rooms:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_listed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders: BTreeSet<String> = fs::read_dir(src)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(folders, listed);
}
