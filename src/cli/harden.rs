//! Keeps secrets out of what other processes, dumps and disks can show.
//!
//! Job: no core dumps, no reading of this process's memory by others of the same user, and no secrets in its environment.
//! Must never: stop the sidecar from starting where the system does not allow it; that is logged, and told by its manual.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

use crate::config::{Env, ProcessEnv};

/// Number of the file in which a process hands its secrets to the one that takes its place.
const HANDED: &str = "WAXSEAL_SECRETS_FD";

/// Variables that may hold a secret. An address may have a password in it.
const SECRETS: [&str; 9] = [
    "WAXSEAL_UPSTREAM_PASSWORD",
    "WAXSEAL_UPSTREAM_URL",
    "WAXSEAL_KEYRING",
    "WAXSEAL_AUDIT_KEY",
    "WAXSEAL_LISTEN_ADMIN_TOKEN",
    "UPSTASH_REDIS_REST_TOKEN",
    "UPSTASH_REDIS_REST_READONLY_TOKEN",
    "KV_REST_API_TOKEN",
    "KV_REST_API_READ_ONLY_TOKEN",
];

/// The process's environment, and what was taken out of it.
#[derive(Default)]
pub(super) struct Handed(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl Env for Handed {
    fn var(&self, name: &str) -> Option<OsString> {
        match self.0.get(name) {
            Some(value) => Some(OsString::from_vec(value.to_vec())),
            None if name == HANDED => None,
            None => ProcessEnv.var(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let own = ProcessEnv.names().into_iter().filter(|name| name != HANDED);
        own.chain(self.0.keys().cloned()).collect()
    }
}

/// What the process before this one, in whose place it is, has handed over. The file is empty afterwards.
pub(super) fn handed() -> Handed {
    let Some(number) = std::env::var(HANDED).ok().and_then(|text| text.parse::<u32>().ok()) else {
        return Handed::default();
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let read =
        OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{number}")).and_then(|mut file| {
            bytes.reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            file.set_len(0)
        });
    if let Err(error) = read {
        // Then a password is missing, which is a fault with a place and a mend.
        tracing::error!(target: "waxseal::secrets", "what was handed over cannot be read: {error}");
    }
    let entries = bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        let name = String::from_utf8(entry[..at].to_vec()).ok()?;
        Some((name, Zeroizing::new(entry[at + 1..].to_vec())))
    });
    Handed(entries.collect())
}

/// A process cannot wipe the environment that it was started with, which `/proc` shows and children inherit. So another one
/// takes its place, of the same number, that was started without the secrets and reads them from a file that is only in memory.
/// Comes back if there is nothing to hide, or if that is not possible here.
pub(super) fn out_of_environment(more: Option<&str>) {
    let secrets: Vec<&str> =
        SECRETS.into_iter().chain(more).filter(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty())).collect();
    if secrets.is_empty() {
        return;
    }
    let error = match hand_over(&secrets) {
        Ok(file) => {
            let mut arguments = std::env::args_os();
            let mut command = Command::new("/proc/self/exe");
            command.arg0(arguments.next().unwrap_or_else(|| "waxseal".into())).args(arguments);
            for name in &secrets {
                command.env_remove(name);
            }
            command.env(HANDED, file.as_raw_fd().to_string());
            command.exec()
        }
        Err(error) => error,
    };
    tracing::warn!(
        target: "waxseal::secrets",
        "secrets stay in this process's environment ({error}); put them into files, and name these with _FILE behind the \
         variable"
    );
}

/// A file without a name, which outlives the change of the process.
fn hand_over(secrets: &[&str]) -> io::Result<File> {
    let mut file = File::from(memfd_create("secrets", MemfdFlags::empty())?);
    let mut bytes = Zeroizing::new(Vec::new());
    for name in secrets {
        let value = std::env::var_os(name).unwrap_or_default();
        for part in [name.as_bytes(), b"=", OsStr::as_bytes(&value), b"\0"] {
            bytes.extend_from_slice(part);
        }
    }
    file.write_all(&bytes)?;
    Ok(file)
}

/// From here on the kernel writes no memory of this process to a file, and lets nobody but root look into it.
pub(super) fn memory() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let done = set_dumpable_behavior(DumpableBehavior::NotDumpable).and_then(|()| setrlimit(Resource::Core, none));
    if let Err(error) = done {
        tracing::warn!(target: "waxseal::secrets", "the memory of this process may end in a core dump: {error}");
    }
}

/// Nothing of it goes to swap.
///
/// # Errors
/// The limit of locked memory is too low.
pub(super) fn lock_memory() -> Result<(), String> {
    use rustix::mm::{MlockAllFlags, mlockall};
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).map_err(|error| {
        format!(
            "[server] lock_memory: the memory cannot be locked ({error}). Raise the limit of locked memory (LimitMEMLOCK= of \
             systemd, ulimit -l), or give CAP_IPC_LOCK, or switch swap off and remove the setting"
        )
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn the_kernel_writes_no_memory_to_a_file() {
        memory();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
