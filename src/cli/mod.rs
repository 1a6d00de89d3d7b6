//! The command line: one file per subcommand.
//!
//! Job: read the arguments, hand them to the subcommand, turn its outcome into an exit code.
//! Must never: take a password or token as an argument, or print one.

mod access;
mod args;
mod audit;
mod check;
mod demo;
mod doctor;
mod explain;
mod harden;
mod hash_password;
mod health;
mod inspect;
mod keygen;
mod progress;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

pub use args::{
    AuditCommand, AuditKeyArgs, AuditVerifyArgs, CheckArgs, Cli, Command, CommonArgs, DemoArgs, DoctorArgs,
    ExplainArgs, HealthArgs, InspectArgs, KeygenArgs, RunArgs,
};

use crate::config::{self, Config, EncryptRule, ProcessEnv};
use crate::policy::rules::{Deterministic, RuleSet, RuleSource, Scope, ScriptMode};

/// Exit codes, from BSD's `sysexits.h` where they have a meaning of their own.
pub mod exit {
    /// Something went wrong that is none of the others.
    pub const FAILED: u8 = 1;
    /// The command line was wrong (EX_USAGE).
    pub const USAGE: u8 = 64;
    /// The upstream cannot be reached or does not let us in (EX_UNAVAILABLE).
    pub const UNAVAILABLE: u8 = 69;
    /// The configuration is wrong (EX_CONFIG).
    pub const CONFIG: u8 = 78;
}

/// What `main` calls.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            redact(&mut error);
            // Help and version come this way too, and go to standard output.
            let wrong = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if wrong { exit::USAGE } else { 0 });
        }
    };
    match cli.command {
        Command::Run(args) => run::execute(args),
        Command::Demo(args) => demo::execute(args),
        Command::Keygen(args) => keygen::execute(&args),
        Command::HashPassword => hash_password::execute(),
        Command::Check(args) => check::execute(args),
        Command::Explain(args) => explain::execute(args),
        Command::Inspect(args) => inspect::execute(&args),
        Command::Doctor(args) => doctor::execute(args),
        Command::Audit(command) => audit::execute(&command),
        Command::Health(args) => health::execute(args),
    }
}

/// Keeps what could be an address with a password in it out of clap's message, which may end in a log.
fn redact(error: &mut clap::Error) {
    let kinds = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];
    for kind in kinds {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && text.contains(['@', '/'])
        {
            error.insert(kind, ContextValue::String("(not shown)".into()));
        }
    }
}

/// Loads the configuration, or prints every fault and gives the exit code.
pub(crate) fn load(common: CommonArgs) -> Result<Config, ExitCode> {
    load_from(common, &ProcessEnv)
}

/// The same, from this environment.
fn load_from(common: CommonArgs, env: &impl config::Env) -> Result<Config, ExitCode> {
    Config::load(&common.into(), env).map_err(|faults| {
        complain(&faults);
        ExitCode::from(exit::CONFIG)
    })
}

/// The rules as the matching room takes them, in their order.
pub(crate) fn rule_set(rules: &[EncryptRule]) -> RuleSet {
    let bytes = |patterns: &[String]| patterns.iter().map(|one| one.as_bytes().to_vec()).collect();
    RuleSet::new(
        rules
            .iter()
            .map(|rule| RuleSource {
                id: rule.id.clone(),
                keys: bytes(&rule.keys),
                except: bytes(&rule.except),
                deterministic: Deterministic {
                    field_names: rule.deterministic.field_names,
                    list_elements: rule.deterministic.list_elements,
                },
                fields: rule.fields.as_deref().map(bytes),
                channels: rule.channels.as_deref().map(bytes),
                json: rule.json.clone(),
                scope: match rule.scope {
                    config::Scope::Key => Scope::Key,
                    config::Scope::Tag => Scope::Tag,
                    config::Scope::Rule => Scope::Rule,
                },
                refuses_computing: rule.refuses_computing,
                scripts: match rule.scripts {
                    config::RuleScripts::Refuse => ScriptMode::Refuse,
                    config::RuleScripts::Ciphertext => ScriptMode::Ciphertext,
                },
            })
            .collect(),
    )
}

/// Prints an error for people.
pub(crate) fn complain(what: &impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "waxseal: {what}");
}

/// Prints the outcome. A reader that left early (`| head`) is no reason to panic.
pub(crate) fn tell(text: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documented_line_is_understood() {
        let cli = Cli::try_parse_from([
            "waxseal",
            "run",
            "--listen",
            "127.0.0.1:6380",
            "--listen",
            "unix:/run/waxseal.sock",
            "--upstream",
            "rediss://default@host:6379",
            "--ca-file",
            "ca.pem",
            "--keyring",
            "keyring.json",
            "--encrypt",
            "session:*",
            "--encrypt",
            "user:*",
            "--insecure-upstream",
            "--lanes",
            "dedicated",
            "--log-level",
            "debug",
            "--log-format",
            "json",
        ]);
        let Ok(Cli { command: Command::Run(args) }) = cli else {
            panic!("not understood");
        };
        assert_eq!(args.common.listen.len(), 2);
        assert_eq!(args.common.encrypt, ["session:*", "user:*"]);
    }

    #[test]
    fn a_misplaced_address_is_not_repeated() {
        let lines: [&[&str]; 3] = [
            &["waxseal", "run", "rediss://u:SECRET@h"],
            &["waxseal", "rediss://u:SECRET@h"],
            &["waxseal", "inspect", "--scope", "rediss://u:SECRET@h"],
        ];
        for line in lines {
            let Err(mut error) = Cli::try_parse_from(line) else {
                panic!("it was taken");
            };
            redact(&mut error);
            let text = error.to_string();
            assert!(!text.contains("SECRET"), "{text}");
        }
    }

    #[test]
    fn there_is_no_flag_for_a_password() {
        for flag in ["--password", "--token", "--secret"] {
            assert!(Cli::try_parse_from(["waxseal", "run", flag, "x"]).is_err());
        }
    }
}
