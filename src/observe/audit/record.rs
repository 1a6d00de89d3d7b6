//! What is told becomes lines.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::line::{Line, hex};
use super::log::AuditLog;
use crate::command::CommandClass;
use crate::crypto::{AuditKey, MacKey, MacUse};
use crate::policy::IdentityId;
use crate::trail::{Entry, Event, What};

/// Different lines that are gathered before they are written early.
const MAX_GATHERED: usize = 20_000;
/// Different refusals, and new connections, that have lines of their own between two flushes: whoever makes more of them wants
/// the log to run over.
const MAX_EVENTS: usize = 1000;

/// Whether and how lines name Redis keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyNames {
    /// The rule is named, not the key.
    #[default]
    None,
    /// A keyed hash: the same key can be followed, and a name that is known can be looked for by whoever has the audit key.
    Hashed,
    Clear,
}

/// The names behind the numbers.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub identities: Vec<String>,
    pub rules: Vec<String>,
    pub decoys: Vec<String>,
}

impl Names {
    #[must_use]
    pub fn identity(&self, id: IdentityId) -> &str {
        self.identities.get(usize::from(id.0)).map_or("default", String::as_str)
    }
}

/// Identity, client, command, reason.
type Refusal = (IdentityId, u64, &'static str, &'static str);
type Gathered = (IdentityId, usize, usize, Option<Box<[u8]>>);

/// Gathers what was done, and writes one line for the same thing done often.
#[derive(Debug)]
pub struct Recorder {
    log: AuditLog,
    names: Names,
    keys: KeyNames,
    name_key: MacKey,
    gathered: BTreeMap<Gathered, u64>,
    refused: BTreeMap<Refusal, (SystemTime, u64)>,
    connected: usize,
}

impl Recorder {
    pub fn new(log: AuditLog, names: Names, keys: KeyNames, key: &AuditKey) -> Self {
        Self {
            log,
            names,
            keys,
            name_key: key.derive(MacUse::AuditKeyName),
            gathered: BTreeMap::new(),
            refused: BTreeMap::new(),
            connected: 0,
        }
    }

    pub fn entries(&mut self, entries: Vec<Entry>) {
        for Entry { identity, class, rule, key, count } in entries {
            *self.gathered.entry((identity, class as usize, rule, key)).or_default() += count;
        }
        if self.gathered.len() > MAX_GATHERED {
            self.gathered_to_lines();
        }
    }

    pub fn event(&mut self, event: &Event) {
        match event.what {
            What::Refused { command, reason } => {
                let what = (event.who.identity, event.who.client, command, reason);
                if self.refused.len() >= MAX_EVENTS && !self.refused.contains_key(&what) {
                    return self.log.note_lost(1);
                }
                self.refused.entry(what).or_insert((event.at, 0)).1 += 1;
                return;
            }
            What::Connected { .. } if self.connected >= MAX_EVENTS => return self.log.note_lost(1),
            What::Connected { .. } => self.connected += 1,
            _ => {}
        }
        let mut line = Line::of("", event.at);
        line.identity = Some(self.names.identity(event.who.identity).into());
        line.client = Some(event.who.client).filter(|client| *client != 0);
        let command = |command: &str| Some(command.to_owned()).filter(|command| !command.is_empty());
        let (name, line) = match &event.what {
            What::Refused { .. } => return,
            What::OpenFailed { count } => ("open_failed", Line { count: Some(*count), ..line }),
            What::LoggedIn => ("login", line),
            What::LoginFailed => ("login_failed", line),
            What::Administrative { command: of } => ("administrative", Line { command: command(of), ..line }),
            What::Decoy { decoy, command: of } => {
                ("decoy", Line { rule: self.names.decoys.get(*decoy).cloned(), command: command(of), ..line })
            }
            What::Library { name } => ("library", Line { text: Some(name.clone()), ..line }),
            What::Connected { address } => ("connected", Line { address: Some(address.clone()), ..line }),
            What::Closed { reason } => ("closed", Line { reason: Some((*reason).into()), ..line }),
            What::Started => ("started", Line { identity: None, text: Some(env!("CARGO_PKG_VERSION").into()), ..line }),
            What::Stopping => ("stopping", Line { identity: None, ..line }),
            What::LogLevels { to } => ("log_levels", Line { identity: None, text: Some(to.clone()), ..line }),
        };
        self.log.append(Line { event: name.into(), ..line });
    }

    /// Somebody was alarmed.
    pub fn alert(&mut self, kind: &str, identity: IdentityId, client: Option<u64>, text: &str) {
        self.log.append(Line {
            identity: Some(self.names.identity(identity).into()),
            client,
            reason: Some(kind.into()),
            text: Some(text.into()),
            ..Line::of("alert", SystemTime::now())
        });
    }

    pub fn lost(&mut self, count: u64) {
        self.log.note_lost(count);
    }

    /// One line for each thing that was done since the last time.
    pub fn gathered_to_lines(&mut self) {
        let now = SystemTime::now();
        for ((identity, class, rule, key), count) in std::mem::take(&mut self.gathered) {
            let mut line = Line::of("access", now);
            line.identity = Some(self.names.identity(identity).into());
            line.class = CommandClass::ALL.get(class).map(|class| class.name().into());
            line.rule = self.names.rules.get(rule).cloned();
            line.count = Some(count);
            if let Some(key) = key {
                match (self.keys, std::str::from_utf8(&key)) {
                    (KeyNames::None, _) => {}
                    (KeyNames::Hashed, _) => line.key_hash = Some(hex(&self.name_key.mac(&key, b"")[..16])),
                    (KeyNames::Clear, Ok(text)) => line.key = Some(text.into()),
                    (KeyNames::Clear, Err(_)) => line.key_base64 = Some(STANDARD.encode(&key)),
                }
            }
            self.log.append(line);
        }
    }

    /// What was appended is on the disk afterwards, or counted as lost.
    pub fn flush(&mut self) {
        self.connected = 0;
        for ((identity, client, command, reason), (at, count)) in std::mem::take(&mut self.refused) {
            self.log.append(Line {
                identity: Some(self.names.identity(identity).into()),
                client: Some(client),
                command: Some(command.to_owned()).filter(|command| !command.is_empty()),
                reason: Some(reason.into()),
                count: Some(count),
                ..Line::of("refused", at)
            });
        }
        self.log.flush();
    }

    /// See [`AuditLog::position`].
    #[must_use]
    pub fn position(&self) -> (u64, String) {
        self.log.position()
    }
}
