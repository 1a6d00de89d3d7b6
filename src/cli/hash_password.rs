//! `waxseal hash-password`: what stands in the configuration for a password.
//!
//! Must never: take the password as an argument, or show it, also on a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{complain, exit, tell};
use crate::policy::hash_password;

/// No password is longer; keeps a wrong file from being read to its end.
const MAX_PASSWORD: u64 = 4096;

pub(super) fn execute() -> ExitCode {
    match read().and_then(|password| hash_password(&password).map_err(str::to_owned)) {
        Ok(hash) => {
            tell(format!("{hash}\n").as_bytes());
            ExitCode::SUCCESS
        }
        Err(text) => {
            complain(&text);
            ExitCode::from(exit::FAILED)
        }
    }
}

/// One line, without its end.
fn read() -> Result<Zeroizing<Vec<u8>>, String> {
    let stdin = io::stdin();
    let _quiet = if stdin.is_terminal() {
        let _ = io::stderr().write_all(b"Password (it is not shown): ");
        let quiet = Quiet::new().ok_or("the terminal cannot be kept from showing the password; pipe it in")?;
        Some(quiet)
    } else {
        None
    };
    // Room at once, so that growing leaves no copies behind.
    let mut password = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_PASSWORD).unwrap_or(0) + 2));
    let mut byte = [0];
    let mut input = stdin.lock().take(MAX_PASSWORD + 1);
    while input.read(&mut byte).map_err(|error| format!("the password cannot be read: {error}"))? == 1 && byte != *b"\n"
    {
        password.push(byte[0]);
    }
    if password.last() == Some(&b'\r') {
        password.pop();
    }
    match password.len() {
        0 => Err("there is no password: write it on one line to standard input".into()),
        n if n as u64 > MAX_PASSWORD => Err(format!("the password is longer than {MAX_PASSWORD} bytes")),
        _ => Ok(password),
    }
}

/// The terminal shows nothing that is typed while this lives.
struct Quiet(Termios);

impl Quiet {
    fn new() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
        let _ = io::stderr().write_all(b"\n");
    }
}
