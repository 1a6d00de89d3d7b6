//! `waxseal audit`: the key of an audit log, and whether the log is as it was written.
//!
//! Must never: print the key, or call a log sound whose end cannot be told.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use super::args::{AuditCommand, AuditKeyArgs, AuditVerifyArgs};
use super::keygen::write_new;
use super::{complain, exit, tell};
use crate::crypto::AuditKey;
use crate::observe::audit::{Anchor, Report, verify};

pub(super) fn execute(command: &AuditCommand) -> ExitCode {
    let outcome = match command {
        AuditCommand::Key(args) => make_key(args),
        AuditCommand::Verify(args) => check(args),
    };
    match outcome {
        Ok((text, sound)) => {
            tell(text.as_bytes());
            if sound { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) }
        }
        Err(text) => {
            complain(&text);
            ExitCode::from(exit::FAILED)
        }
    }
}

fn make_key(args: &AuditKeyArgs) -> Result<(String, bool), String> {
    let shown = args.out.display();
    let key = AuditKey::generate().map_err(|error| format!("no random numbers: {error}"))?;
    let mut text = key.to_text();
    text.push('\n');
    write_new(&args.out, text.as_bytes()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            format!("{shown} exists and is left as it is: without the old key the old log cannot be checked. Name another file.")
        }
        _ => format!("{shown} cannot be written: {error}. Nothing was left behind."),
    })?;
    let told = format!(
        "wrote {shown}, which only its owner may read\nWhoever has it can write lines that pass for the sidecar's: keep a \
         copy where the log is checked, and no other.\n"
    );
    Ok((told, true))
}

fn check(args: &AuditVerifyArgs) -> Result<(String, bool), String> {
    let shown = args.key_file.display();
    let text = std::fs::read_to_string(&args.key_file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let key = AuditKey::parse(&text).ok_or_else(|| format!("{shown} is not the key of an audit log"))?;
    let known = match &args.anchor {
        Some(text) => Some(Anchor::parse(text).ok_or("--anchor: write it as the sidecar's log tells it, SEQ:MAC")?),
        None => None,
    };
    let anchor = args.anchor_file.clone().unwrap_or_else(|| {
        let mut beside = args.file.as_os_str().to_owned();
        beside.push(".anchor");
        PathBuf::from(beside)
    });
    let report = verify(&args.file, &anchor, &key, known)?;
    Ok((told(&report), report.is_sound()))
}

fn told(report: &Report) -> String {
    let Report { lines, first, last, files, lost, .. } = report;
    let mut text = String::new();
    for fault in &report.faults {
        text.push_str(fault);
        text.push('\n');
    }
    if report.more_faults > 0 {
        text.push_str(&format!("and {} more\n", report.more_faults));
    }
    let verdict = if report.is_sound() { "The log is as it was written" } else { "The log is NOT as it was written" };
    text.push_str(&format!("{verdict}: {lines} lines, number {first} to {last}, in {files} files.\n"));
    if *lost > 0 {
        text.push_str(&format!("By its own account {lost} things happened for which there was no room.\n"));
    }
    text
}
