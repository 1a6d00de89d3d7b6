//! The documentation against the source: error codes, settings, the example, cited tests and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 12] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/applications.md",
    "docs/audit.md",
    "docs/commands.md",
    "docs/configuration.md",
    "docs/emulation.md",
    "docs/errors.md",
    "docs/observability.md",
    "docs/performance.md",
    "docs/quickstart.md",
    "docs/threat-model.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Everything under `src/`, comments excepted.
fn source() -> String {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    let mut text = String::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines().filter(|l| !l.trim_start().starts_with("//")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A stable code: capitals and underscores.
fn code(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(text.len());
    (end >= 2).then(|| &text[..end])
}

#[test]
fn every_error_code_has_its_entry_and_every_entry_its_code() {
    let (source, page) = (source(), read("docs/errors.md"));
    let used: BTreeSet<&str> = source.split("WAXSEAL ").skip(1).filter_map(code).collect();
    let headings = page.lines().filter_map(|l| l.strip_prefix("## "));
    let listed: BTreeSet<&str> = headings.filter(|h| code(h) == Some(h)).collect();
    assert!(used.len() > 10, "the search of the source finds nothing");

    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/errors.md has no heading `## CODE` for {missing:?}");
    // Redis's own words begin an error text.
    let stale: Vec<_> = listed.difference(&used).filter(|c| !source.contains(&format!("\"{c} "))).collect();
    assert!(stale.is_empty(), "docs/errors.md explains {stale:?}, which the source does not say");
}

#[test]
fn readme_has_the_example_that_the_tests_load() {
    assert!(
        read("README.md").contains(&read("src/config/example.toml")),
        "the example in README.md differs from src/config/example.toml"
    );
}

#[test]
fn every_setting_of_the_example_is_documented_with_its_variable() {
    let page = read("docs/configuration.md");
    let mut section = String::new();
    let mut missing = Vec::new();
    for line in read("src/config/example.toml").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            section = name.trim_start_matches('[').to_owned();
            continue;
        }
        // What is commented out is a setting as well.
        let Some((name, _)) = line.trim_start_matches("# ").split_once(" = ") else { continue };
        if section.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        let variable = format!("`WAXSEAL_{}_{}`", section.to_uppercase(), name.to_uppercase());
        // Rules have no variable of each setting, and a table has those of its own settings.
        let known = page.contains(&variable) || section == "encrypt" || ["per_connection", "tls"].contains(&name);
        if !known || !page.contains(&format!("`{name}`")) {
            missing.push(format!("[{section}] {name}"));
        }
    }
    assert!(missing.is_empty(), "docs/configuration.md says nothing of {missing:?}");
}

/// Pages cite tests as `file.rs::name` in backticks.
#[test]
fn cited_tests_exist() {
    let mut cited = 0;
    for page in PAGES {
        for quoted in read(page).split('`').skip(1).step_by(2) {
            let Some((file, name)) = quoted.split_once(".rs::") else { continue };
            cited += 1;
            assert!(read(&format!("{file}.rs")).contains(&format!("fn {name}(")), "{page} cites {quoted}");
        }
    }
    assert!(cited > 20, "the search finds no citations");
}

#[test]
fn links_within_the_repository_lead_somewhere() {
    for page in PAGES {
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in read(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(page) } else { folder.join(file) };
            assert!(target.exists(), "{page} links to {link}, which does not exist");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let found = text.lines().filter(|l| l.starts_with('#')).any(|l| anchor_of(l) == anchor);
                assert!(found, "{page} links to {link}: there is no such heading");
            }
        }
    }
}

/// As GitHub makes it: lower case, hyphens for spaces, punctuation dropped.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
