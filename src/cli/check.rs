//! `waxseal check`: what the configuration protects, and what the database still sees.
//!
//! Inputs: the configuration, no network. Output: a report for people; every fault at once if there are
//! any (exit code 78).

use std::fmt::Write;
use std::process::ExitCode;

use super::{CheckArgs, load, rule_set, tell};
use crate::command::table;
use crate::config::{self, Auth, Config, EncryptRule, KeyringOrigin, Lanes, Plaintext, RuleScripts, Scope};
use crate::crypto::OVERHEAD;
use crate::policy::rules::{Rule, RuleSet};

pub(super) fn execute(args: CheckArgs) -> ExitCode {
    let config = match load(args.common) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let rules = rule_set(&config.encrypt);
    let text = match args.key {
        Some(key) => one_key(&config, &rules, &key),
        None => report(&config, &rules),
    };
    tell(text.as_bytes());
    ExitCode::SUCCESS
}

/// Writing to a `String` does not fail.
macro_rules! line {
    ($out:expr, $($format:tt)*) => { let _ = writeln!($out, $($format)*); };
}

fn report(config: &Config, rules: &RuleSet) -> String {
    let mut out = String::new();
    let file = config.file.as_ref().map(|path| path.display().to_string());
    line!(out, "The configuration is good ({}).", file.as_deref().unwrap_or("no file"));
    line!(out, "");
    surroundings(&mut out, config);
    line!(out, "");
    if rules.is_empty() {
        line!(out, "*** NOTHING IS ENCRYPTED: there is no rule. Every value is stored in clear. ***");
    } else {
        line!(out, "Encrypted are the values of these keys; the first rule that matches counts:");
        for (number, rule) in rules.rules().iter().enumerate() {
            describe(&mut out, config, rules, rule, number);
        }
        if config.encrypt.iter().any(covers_all) {
            line!(out, "");
            line!(out, "That is every key.");
        } else {
            line!(out, "");
            line!(out, "Everything else is stored in clear.");
        }
        line!(out, "");
        leaks(&mut out, config);
    }
    if !config.warnings.is_empty() {
        line!(out, "");
        line!(out, "Warnings:");
        for warning in &config.warnings {
            line!(out, "  ! {warning}");
        }
    }
    out
}

fn covers_all(rule: &EncryptRule) -> bool {
    rule.except.is_empty() && rule.keys.iter().any(|key| key.bytes().all(|byte| byte == b'*'))
}

fn surroundings(out: &mut String, config: &Config) {
    let listen: Vec<String> = config.listen.redis.iter().map(ToString::to_string).collect();
    let auth = match config.listen.auth {
        Auth::None => "clients need no password",
        Auth::Required => "clients send the upstream's password",
    };
    line!(out, "Listens on   {} ({auth})", listen.join(", "));
    let upstream = &config.upstream;
    let tls = match &upstream.tls {
        None => "WITHOUT TLS".to_owned(),
        Some(tls) => {
            let roots = if tls.ca_pem.is_some() { "ca_file" } else { "the public roots" };
            format!("TLS, verified as {} by {roots}", tls.server_name.to_str())
        }
    };
    let host = if upstream.host.contains(':') { format!("[{}]", upstream.host) } else { upstream.host.clone() };
    line!(out, "Upstream     {host}:{} ({tls})", upstream.port);
    let user = upstream.username.as_deref().unwrap_or("the default user");
    let password = if upstream.password.is_some() { "a password" } else { "NO password" };
    let lanes = match upstream.lanes {
        Lanes::Shared => "clients share connections",
        Lanes::Dedicated => "a connection for each client",
    };
    line!(out, "             as {user} with {password}; {lanes}");
    if let Some(loaded) = &config.keyring {
        let origin = match &loaded.origin {
            KeyringOrigin::File(path) => path.display().to_string(),
            KeyringOrigin::Environment(name) => format!("environment {name}"),
        };
        line!(out, "Keyring      {origin}; new values under key {}", loaded.keyring.active());
    }
    for rate in &config.limits.rates {
        line!(out, "Rate limit   {rate}");
    }
    if config.access.read_only {
        line!(out, "Access       read-only: commands that write are refused");
    }
    if let Some(text) = permitted(&config.access) {
        line!(out, "Access       {text}");
    }
    for identity in &config.identities {
        let ways = [
            (!identity.password_hashes.is_empty(), "password"),
            (!identity.certificates.is_empty(), "certificate"),
            (!identity.uids.is_empty(), "user id"),
            (identity.default, "whoever says nothing"),
        ];
        let known: Vec<&str> = ways.into_iter().filter(|(is, _)| *is).map(|(_, way)| way).collect();
        let sees = match identity.plaintext {
            Plaintext::Allow => "sees plaintext",
            Plaintext::Ciphertext => "sees ciphertext",
            Plaintext::Refuse => "is refused what would show plaintext",
        };
        let writes = if identity.access.read_only { "; read-only" } else { "" };
        let may = permitted(&identity.access).map_or(String::new(), |text| format!("; {text}"));
        line!(out, "Identity     {} ({}): {sees}{writes}{may}", identity.name, known.join(", "));
    }
}

/// What is not permitted to all, in a few words.
fn permitted(access: &config::Access) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(commands) = &access.commands {
        let rows = || table().iter().filter(|spec| !spec.is_container());
        parts.push(format!("{} of {} commands", rows().filter(|spec| commands.contains(spec)).count(), rows().count()));
    }
    if let Some(keys) = &access.keys {
        let read = keys.read.iter().map(|pattern| format!("{pattern} (read only)"));
        let all: Vec<String> = keys.all.iter().cloned().chain(read).collect();
        parts.push(format!("keys {}", if all.is_empty() { "none".into() } else { all.join("  ") }));
    }
    if let Some(channels) = &access.channels {
        parts.push(format!("channels {}", if channels.is_empty() { "none".into() } else { channels.join("  ") }));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn describe(out: &mut String, config: &Config, rules: &RuleSet, rule: &Rule, number: usize) {
    let source = &config.encrypt[number];
    line!(out, "");
    line!(out, "  {}. {}", number + 1, rule.id);
    line!(out, "     keys     {}", source.keys.join("  "));
    if !source.except.is_empty() {
        line!(out, "     except   {}  (in clear, unless a later rule has them)", source.except.join("  "));
    }
    if let Some(channels) = &source.channels {
        let channels = if channels.is_empty() { "none: messages pass in clear".into() } else { channels.join("  ") };
        line!(out, "     channels {channels}");
    }
    if let Some(fields) = &source.fields {
        line!(
            out,
            "     fields   {}  (of hashes and streams; the values of all others are in clear)",
            fields.join("  ")
        );
    }
    for (on, what) in [
        (source.deterministic.field_names, "names of hash fields, which are encrypted, too"),
        (source.deterministic.list_elements, "list elements"),
    ] {
        if on {
            line!(out, "     equal    {what}: the database sees which are equal, as with members");
        }
    }
    let scope = match source.scope {
        Scope::Key => "key: each Redis key has a derived key of its own",
        Scope::Tag => "tag: keys with the same {tag} share a derived key; values can be swapped among them",
        Scope::Rule => "rule: all its keys share a derived key; values can be swapped among them",
    };
    line!(out, "     scope    {scope}");
    if let Some(paths) = &source.json {
        let paths: Vec<&str> = paths.texts().collect();
        line!(out, "     json     {}  (JSON documents: the rest of them is in clear)", paths.join("  "));
    }
    if source.scripts == RuleScripts::Ciphertext {
        line!(out, "     scripts  those proven to leave values as they are run, and see ciphertext");
    }
    let (members, moves) = match source.scope {
        Scope::Key => (
            "looks the same each time it is written to one key, never in two",
            "are carried out by Waxseal, in two or three commands; PFADD is refused",
        ),
        Scope::Tag => ("looks the same in all keys with the same {tag}", "run among these keys"),
        Scope::Rule => ("looks the same in all its keys", "run among its keys"),
    };
    line!(out, "     members  of sets, sorted sets and geo indexes: one {members}");
    line!(out, "     moves    RENAME, COPY, LMOVE, SMOVE, SINTER, ZUNIONSTORE and their like {moves}");
    let example = rule.patterns().iter().find_map(|pattern| {
        let key = pattern.example()?;
        let winner = rules.find(&key)?;
        Some((key, winner.index == rule.index, winner.id.clone()))
    });
    match example {
        Some((key, true, _)) => {
            line!(out, "     example  {}", key.escape_ascii());
        }
        Some((key, false, winner)) => {
            line!(out, "     example  {}  goes to the earlier rule {winner}", key.escape_ascii());
        }
        None => {
            line!(out, "     example  none: its own except patterns may leave no key");
        }
    }
}

fn leaks(out: &mut String, config: &Config) {
    line!(out, "Of an encrypted value the database, its backups and its MONITOR still see:");
    line!(out, "  - the key's name, type, time to live, and when it is read and written");
    line!(out, "  - its length: that of the value plus {OVERHEAD} bytes");
    let hidden = config.encrypt.iter().any(|rule| rule.deterministic.field_names);
    let unless = if hidden { "; under a rule that encrypts the names, which are equal" } else { "" };
    line!(out, "  - of a hash: the names and the number of its fields{unless}");
    line!(out, "  - of a list: the number of its elements and their order");
    line!(out, "  - of a set: the number of its members, and which are equal, as said with each rule");
    line!(out, "  - of a sorted set or geo index: the same, and scores or coordinates");
    line!(out, "  - of a HyperLogLog: how many elements it has counted");
    line!(out, "  - of a stream: ids, and the names of fields, groups and consumers");
    line!(out, "  - of a message: the channel's name");
    line!(out, "It can delete a value or put back an older one of the same place: freshness is not promised.");
    line!(out, "It can reorder a list, give a stream's values other ids, and change scores and coordinates.");
    line!(out, "Members of equal score come in another order than Redis has: by ciphertext, not by member.");
    if config.encrypt.iter().any(|rule| rule.scope != Scope::Key) {
        line!(out, "Under scope tag or rule it can also swap values among the keys that share a derived key.");
    }
}

fn one_key(config: &Config, rules: &RuleSet, key: &str) -> String {
    let mut out = String::new();
    match rules.find(key.as_bytes()) {
        Some(rule) => {
            let source = &config.encrypt[rule.index];
            line!(out, "encrypted: rule {} (number {}), scope {}", rule.id, rule.index + 1, source.scope);
            if let Some(fields) = &source.fields {
                line!(out, "if it is a hash or a stream, of these fields only: {}", fields.join("  "));
            }
        }
        None => {
            line!(out, "in clear: no rule covers this key");
        }
    }
    for rule in rules.rules() {
        let matches = rule.patterns().iter().any(|one| one.matches(key.as_bytes()));
        if matches && rule.excepts(key.as_bytes()) {
            line!(out, "rule {} matches it, but an except pattern takes it out", rule.id);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Overrides;

    fn config(encrypt: &[&str], text: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("waxseal.toml");
        std::fs::write(&path, text).unwrap();
        let keyring = crate::crypto::Keyring::generate().unwrap();
        let env = BTreeMap::from([
            ("WAXSEAL_UPSTREAM_URL".to_owned(), "rediss://u:SECRET@db:1".to_owned()),
            ("WAXSEAL_KEYRING".to_owned(), keyring.to_json().to_string()),
        ]);
        let overrides = Overrides {
            config: Some(path),
            encrypt: encrypt.iter().map(|one| (*one).to_owned()).collect(),
            ..Overrides::default()
        };
        let mut config = Config::load(&overrides, &env).unwrap();
        config.file = None;
        config
    }

    #[test]
    fn the_report_names_rules_leaks_and_no_secret() {
        let config = config(
            &["a:*", "a:b:*"],
            "[[encrypt]]\nid = 's'\nkeys = ['s:*', 't?']\nexcept = ['s:c:*']\nscope = 'rule'",
        );
        let text = report(&config, &rule_set(&config.encrypt));
        let key = config.keyring.as_ref().unwrap().keyring.active();
        let expected = format!(
            "The configuration is good (no file).

Listens on   127.0.0.1:6380 (clients need no password)
Upstream     db:1 (TLS, verified as db by the public roots)
             as u with a password; clients share connections
Keyring      environment WAXSEAL_KEYRING; new values under key {key}

Encrypted are the values of these keys; the first rule that matches counts:

  1. s
     keys     s:*  t?
     except   s:c:*  (in clear, unless a later rule has them)
     scope    rule: all its keys share a derived key; values can be swapped among them
     members  of sets, sorted sets and geo indexes: one looks the same in all its keys
     moves    RENAME, COPY, LMOVE, SMOVE, SINTER, ZUNIONSTORE and their like run among its keys
     example  s:1

  2. cli-1
     keys     a:*
     scope    key: each Redis key has a derived key of its own
     members  of sets, sorted sets and geo indexes: one looks the same each time it is written to one key, never in two
     moves    RENAME, COPY, LMOVE, SMOVE, SINTER, ZUNIONSTORE and their like are carried out by Waxseal, in two or three commands; PFADD is refused
     example  a:1

  3. cli-2
     keys     a:b:*
     scope    key: each Redis key has a derived key of its own
     members  of sets, sorted sets and geo indexes: one looks the same each time it is written to one key, never in two
     moves    RENAME, COPY, LMOVE, SMOVE, SINTER, ZUNIONSTORE and their like are carried out by Waxseal, in two or three commands; PFADD is refused
     example  a:b:1  goes to the earlier rule cli-1

Everything else is stored in clear.

Of an encrypted value the database, its backups and its MONITOR still see:
  - the key's name, type, time to live, and when it is read and written
  - its length: that of the value plus 48 bytes
  - of a hash: the names and the number of its fields
  - of a list: the number of its elements and their order
  - of a set: the number of its members, and which are equal, as said with each rule
  - of a sorted set or geo index: the same, and scores or coordinates
  - of a HyperLogLog: how many elements it has counted
  - of a stream: ids, and the names of fields, groups and consumers
  - of a message: the channel's name
It can delete a value or put back an older one of the same place: freshness is not promised.
It can reorder a list, give a stream's values other ids, and change scores and coordinates.
Members of equal score come in another order than Redis has: by ciphertext, not by member.
Under scope tag or rule it can also swap values among the keys that share a derived key.
"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_tag_is_said_to_be_shared() {
        let config = config(&[], "[[encrypt]]\nid = 't'\nkeys = ['t:*']\nscope = 'tag'");
        let text = report(&config, &rule_set(&config.encrypt));
        assert!(text.contains("one looks the same in all keys with the same {tag}\n"), "{text}");
        assert!(text.contains("and their like run among these keys\n"), "{text}");
        assert!(text.contains("Under scope tag or rule it can also swap values"), "{text}");
    }

    #[test]
    fn what_a_rule_says_beside_its_keys_is_shown() {
        let text = "[[encrypt]]\nid = 'a'\nkeys = ['a:*']\nfields = ['ssn', 'card-*']\nchannels = []\n\
                    [[encrypt]]\nid = 'b'\nkeys = ['b:*']\nchannels = ['c:*']\ndeterministic = ['field-names', 'list-elements']";
        let config = config(&[], text);
        let rules = rule_set(&config.encrypt);
        assert!(one_key(&config, &rules, "a:1").ends_with("a stream, of these fields only: ssn  card-*\n"));
        assert!(!one_key(&config, &rules, "b:1").contains("fields"));
        let text = report(&config, &rules);
        for line in [
            "     channels none: messages pass in clear\n",
            "     channels c:*\n",
            "     fields   ssn  card-*  (of hashes and streams; the values of all others are in clear)\n",
            "     equal    names of hash fields, which are encrypted, too: the database sees which are equal",
            "     equal    list elements: the database sees which are equal",
            "the number of its fields; under a rule that encrypts the names, which are equal\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn no_rules_at_all_is_said_loudly() {
        let config = config(&[], "");
        let text = report(&config, &rule_set(&config.encrypt));
        assert!(text.contains("*** NOTHING IS ENCRYPTED"), "{text}");
        assert!(text.contains("Warnings:"), "{text}");
        assert!(!text.contains("SECRET"));
    }

    #[test]
    fn one_key_is_explained() {
        let config = config(&["*:vip"], "[[encrypt]]\nid = 's'\nkeys = ['s:*']\nexcept = ['s:c:*']");
        let rules = rule_set(&config.encrypt);
        assert_eq!(one_key(&config, &rules, "s:1"), "encrypted: rule s (number 1), scope key\n");
        assert_eq!(
            one_key(&config, &rules, "s:c:vip"),
            "encrypted: rule cli-1 (number 2), scope key\nrule s matches it, but an except pattern \
             takes it out\n"
        );
        assert_eq!(one_key(&config, &rules, "x"), "in clear: no rule covers this key\n");
    }
}
