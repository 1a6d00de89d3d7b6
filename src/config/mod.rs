//! The configuration: raw settings in, a checked [`Config`] out.
//!
//! Job: read the file, the environment and the command line; check everything; report every fault at
//! once, each with its place, its cause and its mend.
//! Inputs: [`Overrides`] from the command line, an [`Env`]; the files that they name (configuration,
//! keyring, roots, password), each read here and nowhere else.
//! Output: [`Config`], plain data, or [`Faults`].
//! Must never: let an unknown setting pass, fall back where a setting is wrong, open a socket, or show
//! what a setting holds in a fault.

mod access;
mod audit;
mod defaults;
mod encrypt;
mod env;
mod fault;
mod files;
mod identity;
mod keyring;
mod levels;
mod listen;
mod listen_tls;
mod observe;
mod rates;
mod secret;
mod sections;
mod source;
mod types;
mod units;
mod upstream;
mod url;
mod words;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use defaults::MAX_FILE;
pub use env::{Env, ProcessEnv};
pub use fault::{Fault, Faults};
pub use levels::LogLevels;
pub use secret::Secret;
pub use types::{
    Access, Admin, Audit, AuditKeys, Auth, Config, Deterministic, EncryptRule, Identity, KeyLists, KeyringOrigin,
    Lanes, Limits, Listen, ListenAddress, ListenTls, LoadedKeyring, Log, LogFormat, LogLevel, Observe, Plaintext,
    RuleScripts, Scope, Scripts, Server, Tls, UndeclaredKeys, Upstream, Warning,
};
pub use units::{show_duration, show_size};

use source::Sources;

/// The name of the variable that names the configuration file.
const CONFIG_VARIABLE: &str = "WAXSEAL_CONFIG";

/// What the command line says. Each beats the environment, which beats the file; `encrypt` adds to both.
#[derive(Clone, Default)]
pub struct Overrides {
    pub config: Option<PathBuf>,
    pub listen: Vec<String>,
    pub upstream: Option<String>,
    pub ca_file: Option<String>,
    pub keyring: Option<String>,
    pub encrypt: Vec<String>,
    pub insecure_upstream: bool,
    pub admin: Option<String>,
    pub lanes: Option<String>,
    pub log_level: Option<String>,
    pub log_format: Option<String>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All faults. Only a file that cannot be read or is no TOML stops the search early, because
    /// whatever else were said about it would be wrong.
    pub fn load(overrides: &Overrides, env: &dyn Env) -> Result<Self, Faults> {
        let file = match &overrides.config {
            Some(path) => Some(("--config", path.clone())),
            None => env.var(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(|path| (CONFIG_VARIABLE, path.into())),
        };
        let table = match &file {
            Some((place, path)) => read_table(place, path)?,
            None => Table::new(),
        };
        let path = file.map(|(_, path)| path);
        let mut sources = Sources::new(table, env);
        sources.variable(CONFIG_VARIABLE);
        flags(&mut sources, overrides);

        let identities = identity::read(&mut sources);
        let listen = listen::read(&mut sources, path.as_deref(), &identities);
        let observe = observe::read(&mut sources, path.as_deref());
        let upstream = upstream::read(&mut sources, path.as_deref());
        let keyring = keyring::read(&mut sources, path.as_deref());
        let encrypt = encrypt::read(&mut sources, &overrides.encrypt);
        let access = access::read(&mut sources);
        let scripts = sections::scripts(&mut sources);
        let limits = sections::limits(&mut sources);
        let server = sections::server(&mut sources);
        let log = sections::log(&mut sources);
        let audit = audit::read(&mut sources, path.as_deref());

        if !encrypt.is_empty() && keyring.is_none() && !sources.faulty("keyring", "KEYRING") {
            sources.fault(
                "[keyring]",
                "is missing, and there are rules that need keys",
                "make a keyring with: waxseal keygen --out keyring.json; then set file in [keyring] \
                 (or --keyring), or put its content into WAXSEAL_KEYRING",
            );
        }
        if listen.auth == Auth::Required
            && identities.is_empty()
            && upstream.as_ref().is_some_and(|one| one.password.is_none())
        {
            sources.fault(
                "[listen] auth",
                "is \"required\", but there is no password that clients could send",
                "set WAXSEAL_UPSTREAM_PASSWORD; clients send the upstream's password",
            );
        }
        let warnings = sources.finish()?;
        Ok(Self {
            file: path,
            listen,
            observe,
            upstream: upstream.expect("without an upstream there was a fault"),
            keyring,
            encrypt,
            access,
            identities,
            scripts,
            limits,
            server,
            log,
            audit,
            warnings,
        })
    }
}

fn flags(sources: &mut Sources<'_>, overrides: &Overrides) {
    let texts = [
        (("upstream", "url"), "--upstream", &overrides.upstream),
        (("upstream", "ca_file"), "--ca-file", &overrides.ca_file),
        (("upstream", "lanes"), "--lanes", &overrides.lanes),
        (("keyring", "file"), "--keyring", &overrides.keyring),
        (("listen", "admin"), "--admin", &overrides.admin),
        (("log", "level"), "--log-level", &overrides.log_level),
        (("log", "format"), "--log-format", &overrides.log_format),
    ];
    for (at, flag, text) in texts {
        if let Some(text) = text {
            sources.flag(at, flag, Value::String(text.clone()));
        }
    }
    if !overrides.listen.is_empty() {
        let list = overrides.listen.iter().cloned().map(Value::String).collect();
        sources.flag(("listen", "redis"), "--listen", Value::Array(list));
    }
    if overrides.insecure_upstream {
        let at = ("upstream", "insecure");
        sources.flag(at, "--insecure-upstream", Value::Boolean(true));
    }
}

fn read_table(place: &str, path: &Path) -> Result<Table, Faults> {
    let one = |place: String, cause: String, mend: &str| Faults(vec![Fault::new(place, cause, mend)]);
    let bytes = files::read(path).map_err(|(cause, mend)| one(place.into(), cause, &mend))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| one(place.into(), "the file is not UTF-8 text".into(), "save it as UTF-8"))?;
    text.parse::<Table>().map_err(|error| {
        // The parser's own display quotes the line, which may hold a password.
        let line = error.span().map_or(1, |span| {
            text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
        });
        one(
            format!("{place}, line {line}"),
            "is not TOML".into(),
            "look for a missing quote, bracket or equals sign there, or a setting given twice",
        )
    })
}

#[cfg(test)]
mod tests;
