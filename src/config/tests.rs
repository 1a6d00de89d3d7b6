use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;

mod observe;

type Vars<'a> = &'a [(&'a str, &'a str)];

/// The example of the documentation; kept loadable here.
const EXAMPLE: &str = include_str!("example.toml");

fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    let keyring = crate::crypto::Keyring::generate().unwrap();
    fs::write(&path, keyring.to_json().as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("ca.pem"), key.cert.pem()).unwrap();
    directory
}

fn env(vars: Vars<'_>) -> BTreeMap<String, String> {
    vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn load_in(directory: &Path, text: &str, vars: Vars<'_>) -> Result<Config, Faults> {
    let path = directory.join("waxseal.toml");
    fs::write(&path, text).unwrap();
    let overrides = Overrides { config: Some(path), ..Overrides::default() };
    Config::load(&overrides, &env(vars))
}

fn load(text: &str, vars: Vars<'_>) -> Result<Config, Faults> {
    load_in(directory().path(), text, vars)
}

fn faults(text: &str, vars: Vars<'_>) -> String {
    load(text, vars).expect_err("a fault").to_string()
}

fn from_env(vars: Vars<'_>) -> Result<Config, Faults> {
    Config::load(&Overrides::default(), &env(vars))
}

#[test]
fn the_example_loads_without_a_warning() {
    let config = load(EXAMPLE, &[("WAXSEAL_UPSTREAM_PASSWORD", "pw")]).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.encrypt[0].id, "sessions");
    assert_eq!(config.encrypt[0].except, ["session:counter:*"]);
    assert_eq!(config.upstream.username.as_deref(), Some("default"));
    assert_eq!(config.limits.buffers, 1 << 30);
    assert_eq!(config.limits.rates.len(), 1);
    assert_eq!(config.limits.rates[0].to_string(), "1000 commands per 1 s (burst 2000) on this connection");
}

#[test]
fn the_example_states_the_defaults() {
    let stated = load(EXAMPLE, &[("WAXSEAL_UPSTREAM_PASSWORD", "pw")]).unwrap();
    let default = load("upstream.url = 'rediss://h'\n", &[]).unwrap();
    assert_eq!(stated.limits.max_clients, default.limits.max_clients);
    assert_eq!(Limits { rates: Vec::new(), ..stated.limits }, default.limits);
    assert_eq!(stated.listen.redis, default.listen.redis);
    assert_eq!(stated.listen.unix_mode, default.listen.unix_mode);
    assert_eq!(stated.server.drain_timeout, default.server.drain_timeout);
    assert_eq!(stated.log, default.log);
    assert_eq!(stated.access, default.access);
    assert_eq!(stated.scripts, default.scripts);
}

#[test]
fn every_fault_is_named_at_once() {
    let text = faults(
        r#"
        colour = "red"
        [listen]
        redis = ["0.0.0.0:6380", "nonsense"]
        [upstream]
        url = "redis://10.0.0.1:6379"
        password = "SECRET"
        lanes = "both"
        ca_file = "none.pem"
        [keyring]
        file = "missing.json"
        [[encrypt]]
        id = "a"
        keys = []
        [[encrypt]]
        id = "a"
        keys = ["x[", ""]
        scop = "key"
        [limits]
        buffers = "1xb"
        max_clents = 5
        per_connection = { burst = 7 }
        [server]
        workers = 0
        drain_timeout = 10
        "#,
        &[("WAXSEAL_LOG_LEVEL", "loud"), ("WAXSEAL_ENCRPYT", "session:*")],
    );
    let expected = r#"the configuration has 20 faults
  [listen] redis[0]: is not a loopback address: whoever reaches it would read every value decrypted
    -> listen on 127.0.0.1; or have clients log in, by auth = "required" in [listen] or an [[identity]] each; or have them show certificates, by tls: and client_ca_file in [listen.tls]
  [listen] redis[1]: is not an address to listen on
    -> write IP:PORT, [IPv6]:PORT, localhost:PORT, tls: in front of one of these, or unix:/path (at most 107 bytes)
  [upstream] ca_file: there is no such file
    -> check the path
  [upstream] lanes: is not understood
    -> set it to "shared" or "dedicated"
  [upstream] url: would send the password and all key names over the network without TLS
    -> use rediss://; redis:// is for a loopback address only
  [keyring] file: there is no such file
    -> check the path; a keyring is made by: waxseal keygen --out keyring.json
  [[encrypt]] #1 (id 'a') keys: is missing or empty
    -> list the key patterns to encrypt, such as keys = ["session:*"]
  [[encrypt]] #2 (id 'a') keys[0]: has a [ that is never closed
    -> close it with ], or write \[ for the character itself
  [[encrypt]] #2 (id 'a') keys[1]: is empty
    -> remove it, or name keys
  [[encrypt]] #2 (id 'a') scop: is not a setting
    -> did you mean scope?
  [[encrypt]] #2 id: is the id of an earlier rule
    -> give each rule an id of its own
  [limits.per_connection] burst: is set, but there is no limit
    -> set limit = N, commands per window, or remove per_connection
  [limits] buffers: is not understood
    -> set it to a size from 1mb to 1024gb, such as "64mb"
  [server] workers: is not understood
    -> set it to a whole number from 1 to 64
  [server] drain_timeout: is not understood
    -> set it to a time with its unit from 0ms to 1h, such as "250ms", "1s" or "5m"
  WAXSEAL_LOG_LEVEL: is not understood
    -> set it to "error", "warn", "info", "debug" or "trace", with other levels for some targets behind it if need be: "info,waxseal::upstream=debug"
  [colour]: is not a section
    -> remove it; there are access, audit, encrypt, identity, keyring, limits, listen, log, scripts, server, upstream
  [limits] max_clents: is not a setting
    -> did you mean max_clients?
  [upstream] password: is not a setting
    -> put it in WAXSEAL_UPSTREAM_PASSWORD, or in a file named by WAXSEAL_UPSTREAM_PASSWORD_FILE
  WAXSEAL_ENCRPYT: is not a setting
    -> did you mean WAXSEAL_ENCRYPT?"#;
    assert_eq!(text, expected);
}

#[test]
fn nothing_at_all_says_how_to_begin() {
    assert_eq!(
        from_env(&[]).unwrap_err().to_string(),
        "the configuration has 1 fault\n  [upstream] url: is missing\n    -> set it to \
         rediss://default@HOST:6379 (or --upstream, or WAXSEAL_UPSTREAM_URL), or set \
         UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN"
    );
}

#[test]
fn broken_toml_is_placed_by_line_and_never_quoted() {
    assert_eq!(
        faults("[upstream]\nurl = \"rediss://u:SECRET@h\n", &[]),
        "the configuration has 1 fault\n  --config, line 2: is not TOML\n    -> look for a missing \
         quote, bracket or equals sign there, or a setting given twice"
    );
}

#[test]
fn no_fault_ever_shows_what_a_setting_holds() {
    const RATE: &[&str] = &["algorithm", "limit", "window", "burst", "unit", "classes", "over", "max_delay"];
    let settings: &[(&str, &[&str])] = &[
        ("listen", &["redis", "auth", "unix_mode", "handshake_timeout", "request_timeout", "idle_timeout"]),
        ("listen", &["max_clients_per_address", "admin", "admin_token_file", "metrics"]),
        ("listen.tls", &["cert_file", "key_file", "client_ca_file"]),
        ("upstream", &["url", "ca_file", "server_name", "lanes", "token_kind", "connect_timeout"]),
        ("upstream", &["insecure"]),
        ("keyring", &["file", "env"]),
        ("access", &["read_only", "monitor", "allow", "deny"]),
        ("scripts", &["undeclared_keys", "functions"]),
        ("limits", &["max_clients", "client_window", "client_output", "output_stall", "buffers"]),
        ("limits", &["max_bulk", "transactions", "blocking", "subscriptions", "dedicated"]),
        ("limits.per_connection", RATE),
        ("limits.per_identity", RATE),
        ("limits.per_address", RATE),
        ("limits.per_process", RATE),
        ("server", &["workers", "drain_timeout"]),
        ("log", &["level", "format"]),
    ];
    for (section, names) in settings {
        for name in *names {
            let mut vars = vec![("WAXSEAL_UPSTREAM_URL", "rediss://h")];
            if *name == "url" {
                vars.clear();
            }
            let text = faults(&format!("[{section}]\n{name} = \"S EC/RET\""), &vars);
            assert!(text.contains(&format!("[{section}] {name}")), "{text}");
            assert!(!text.contains("EC/RET"), "{text}");
            let text = faults(&format!("[{section}]\n{name} = 1979-05-27"), &vars);
            assert!(text.contains(&format!("[{section}] {name}")), "{text}");
            let variable = format!("WAXSEAL_{section}_{name}").replace('.', "_").to_uppercase();
            vars.push((&variable, "S EC/RET"));
            let text = faults("", &vars);
            assert!(text.contains(&variable), "{text}");
            assert!(!text.contains("EC/RET"), "{text}");
        }
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let directory = directory();
    let file = "listen.redis = ['127.0.0.1:1']\nupstream.url = 'rediss://file'\nlog.level = 'warn'";
    let vars = &[("WAXSEAL_UPSTREAM_URL", "rediss://env"), ("WAXSEAL_LISTEN_REDIS", "127.0.0.1:2, unix:/s")];
    let config = load_in(directory.path(), file, vars).unwrap();
    assert_eq!(config.upstream.host, "env");
    assert_eq!(config.listen.redis.len(), 2);
    assert_eq!(config.listen.redis[1].to_string(), "unix:/s");
    assert_eq!(config.log.levels.to_string(), "warn");

    let overrides = Overrides {
        config: Some(directory.path().join("waxseal.toml")),
        upstream: Some("rediss://flag".into()),
        listen: vec!["localhost:3".into()],
        ..Overrides::default()
    };
    let config = Config::load(&overrides, &env(vars)).unwrap();
    assert_eq!(config.upstream.host, "flag");
    assert_eq!(config.listen.redis[0].to_string(), "127.0.0.1:3");
}

#[test]
fn rules_of_flags_and_environment_come_behind_those_of_the_file() {
    let directory = directory();
    let file = "upstream.url = 'rediss://h'\nkeyring.file = 'keyring.json'\n\
                [[encrypt]]\nid = 'a'\nkeys = ['a:*']\nscope = 'rule'";
    fs::write(directory.path().join("waxseal.toml"), file).unwrap();
    let overrides = Overrides {
        config: Some(directory.path().join("waxseal.toml")),
        encrypt: vec!["d:*".into()],
        ..Overrides::default()
    };
    let config = Config::load(&overrides, &env(&[("WAXSEAL_ENCRYPT", "b:*,c:*")])).unwrap();
    let ids: Vec<_> = config.encrypt.iter().map(|rule| (&*rule.id, rule.scope)).collect();
    assert_eq!(ids, [("a", Scope::Rule), ("env-1", Scope::Key), ("env-2", Scope::Key), ("cli-1", Scope::Key)]);
}

#[test]
fn an_upstash_paste_is_enough() {
    let config =
        from_env(&[("UPSTASH_REDIS_REST_URL", "https://eu1-abc.upstash.io"), ("UPSTASH_REDIS_REST_TOKEN", "tok")])
            .unwrap();
    let upstream = &config.upstream;
    assert_eq!((&*upstream.host, upstream.port), ("eu1-abc.upstash.io", 6379));
    assert!(upstream.tls.is_some());
    assert_eq!(upstream.username.as_deref(), Some("default"));
    assert_eq!(upstream.password.as_ref().unwrap().expose(), "tok");
    assert!(!format!("{config:?}").contains("tok\""));

    for token in ["UPSTASH_REDIS_REST_READONLY_TOKEN", "KV_REST_API_READ_ONLY_TOKEN"] {
        let config = from_env(&[("KV_REST_API_URL", "https://h"), (token, "ro")]).unwrap();
        assert_eq!(config.upstream.username.as_deref(), Some("default_ro"));
    }
    let config = from_env(&[
        ("UPSTASH_REDIS_REST_URL", "https://h"),
        ("UPSTASH_REDIS_REST_TOKEN", "ro"),
        ("WAXSEAL_UPSTREAM_TOKEN_KIND", "read_only"),
    ]);
    assert_eq!(config.unwrap().upstream.username.as_deref(), Some("default_ro"));

    let text = from_env(&[("UPSTASH_REDIS_REST_URL", "https://h")]).unwrap_err().to_string();
    assert!(text.contains("UPSTASH_REDIS_REST_URL: comes without its token"), "{text}");
}

#[test]
fn passwords_come_from_their_variable_then_the_address_then_a_token() {
    let password = |vars: Vars<'_>| {
        let config = load("", vars).unwrap();
        config.upstream.password.unwrap().expose().to_owned()
    };
    let url = ("WAXSEAL_UPSTREAM_URL", "rediss://:in-url@h");
    let own = ("WAXSEAL_UPSTREAM_PASSWORD", "own");
    let token = ("UPSTASH_REDIS_REST_TOKEN", "token");
    assert_eq!(password(&[url, own, token]), "own");
    assert_eq!(password(&[url, token]), "in-url");
    assert_eq!(password(&[("WAXSEAL_UPSTREAM_URL", "rediss://h"), token]), "token");
}

#[test]
fn a_password_file_loses_one_newline_and_clashes_with_its_variable() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("pw");
    fs::write(&path, " pw \n").unwrap();
    let file = ("WAXSEAL_UPSTREAM_PASSWORD_FILE", path.to_str().unwrap());
    let url = ("WAXSEAL_UPSTREAM_URL", "rediss://h");
    let config = from_env(&[url, file]).unwrap();
    assert_eq!(config.upstream.password.unwrap().expose(), " pw ");
    let text = from_env(&[url, file, ("WAXSEAL_UPSTREAM_PASSWORD", "x")]).unwrap_err();
    assert_eq!(text.0[0].place, "WAXSEAL_UPSTREAM_PASSWORD_FILE");
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let overrides = Overrides { upstream: Some("rediss://default:SECRET@h".into()), ..Overrides::default() };
    let text = Config::load(&overrides, &env(&[])).unwrap_err().to_string();
    assert!(text.contains("--upstream: has a password in it"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
}

#[test]
fn without_tls_only_loopback_and_only_if_allowed() {
    let load = |url, insecure: Option<&'static str>| {
        let mut vars = vec![("WAXSEAL_UPSTREAM_URL", url)];
        vars.extend(insecure.map(|value| ("WAXSEAL_UPSTREAM_INSECURE", value)));
        from_env(&vars)
    };
    assert!(load("redis://127.0.0.1:1", Some("true")).unwrap().upstream.tls.is_none());
    load("redis://[::1]:1", Some("1")).unwrap();
    load("redis://localhost:1", Some("true")).unwrap();
    load("redis://127.0.0.1:1", None).unwrap_err();
    load("redis://127.0.0.1:1", Some("false")).unwrap_err();
    load("redis://127.0.0.1.example.com:1", Some("true")).unwrap_err();
    load("redis://10.0.0.1", Some("true")).unwrap_err();
    let config = load("rediss://h", Some("true")).unwrap();
    assert!(config.upstream.tls.is_some(), "it never turns TLS off");
    assert!(config.warnings.iter().any(|w| w.place == "WAXSEAL_UPSTREAM_INSECURE"));
}

#[test]
fn leaving_loopback_needs_auth_and_auth_needs_a_password() {
    let file = "upstream.url = 'rediss://h'\nlisten.redis = ['[::]:6380']\nlisten.auth = 'required'";
    load(file, &[("WAXSEAL_UPSTREAM_PASSWORD", "pw")]).unwrap();
    assert!(faults(file, &[]).contains("[listen] auth: is \"required\", but there is no password"));
    let file = "upstream.url = 'rediss://h'\nlisten.unix_mode = '0666'";
    assert!(faults(file, &[]).contains("[listen] unix_mode: lets every user of this machine"));
}

#[test]
fn rules_need_a_keyring_and_its_faults_are_ours() {
    let rule = ("WAXSEAL_ENCRYPT", "s:*");
    let url = ("WAXSEAL_UPSTREAM_URL", "rediss://h");
    let text = from_env(&[url, rule]).unwrap_err().to_string();
    assert!(text.contains("[keyring]: is missing"), "{text}");
    let text = from_env(&[url, rule, ("WAXSEAL_KEYRING", "{\"SECRET\": 1}")]).unwrap_err();
    assert_eq!(text.0[0].place, "WAXSEAL_KEYRING");
    assert_eq!(text.0.len(), 1);
    assert!(!text.to_string().contains("SECRET"));
    let text = from_env(&[url, ("WAXSEAL_KEYRING", "{}"), ("WAXSEAL_KEYRING_FILE", "x")]);
    assert!(text.unwrap_err().to_string().contains("which of them counts"));

    let keyring = crate::crypto::Keyring::generate().unwrap().to_json();
    let config = from_env(&[url, rule, ("WAXSEAL_KEYRING", &keyring)]).unwrap();
    let origin = config.keyring.unwrap().origin;
    assert_eq!(origin, KeyringOrigin::Environment("WAXSEAL_KEYRING".into()));
    let file = "upstream.url = 'rediss://h'\nkeyring.env = 'MINE'";
    load(file, &[("MINE", &keyring)]).unwrap();
    assert!(faults(file, &[]).contains("[keyring] env: names an environment variable"));
}

#[test]
fn what_a_rule_may_say_beside_its_keys() {
    let rule = |more: &str| {
        format!(
            "upstream.url = 'rediss://h'\nkeyring.file = 'keyring.json'\n\
             [[encrypt]]\nid = 'a'\nkeys = ['a:*']\n{more}"
        )
    };
    let none = &load(&rule(""), &[]).unwrap().encrypt[0];
    assert_eq!((&none.channels, &none.fields, none.deterministic), (&None, &None, Deterministic::default()));
    let more = "channels = []\nfields = ['ssn', 'card-*']\ndeterministic = ['list-elements']";
    let some = &load(&rule(more), &[]).unwrap().encrypt[0];
    assert_eq!(some.channels, Some(Vec::new()), "none is not the same as unset");
    assert_eq!(some.fields, Some(vec!["ssn".into(), "card-*".into()]));
    assert!(some.deterministic.list_elements && !some.deterministic.field_names);
    let both = &load(&rule("deterministic = ['field-names', 'list-elements']"), &[]).unwrap().encrypt[0];
    assert!(both.deterministic.list_elements && both.deterministic.field_names);

    for (more, fault) in [
        ("channels = 'c'", "#1 (id 'a') channels: is not a list of texts"),
        ("channels = ['c[']", "#1 (id 'a') channels[0]: has a [ that is never closed"),
        ("fields = []", "#1 (id 'a') fields: is empty, so that"),
        ("fields = ['ok', '']", "#1 (id 'a') fields[1]: is empty"),
        ("fields = 5", "#1 (id 'a') fields: is not a list of texts"),
        ("deterministic = ['fields']", "#1 (id 'a') deterministic: is not understood"),
        ("deterministic = true", "#1 (id 'a') deterministic: is not understood"),
        ("fields = ['f']\ndeterministic = ['field-names']", "#1 (id 'a') fields: does not go with"),
        ("field = ['f']", "did you mean fields?"),
    ] {
        let text = faults(&rule(more), &[]);
        assert!(text.contains(fault) && text.contains("1 fault"), "{more}: {text}");
    }
}

#[test]
fn a_keyring_that_others_can_read_is_warned_of() {
    let directory = directory();
    let path = directory.path().join("keyring.json");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let file = "upstream.url = 'rediss://u:p@h'\nkeyring.file = 'keyring.json'\n\
                [[encrypt]]\nid = 'all'\nkeys = ['*']";
    let toml = directory.path().join("waxseal.toml");
    fs::write(&toml, "").unwrap();
    fs::set_permissions(toml, fs::Permissions::from_mode(0o644)).unwrap();
    let config = load_in(directory.path(), file, &[]).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "[upstream] url: has a password in a file that is open to other users (mode 0644): chmod 600",
            "[keyring] file: the file is open to other users (mode 0644); whoever reads it can read \
             every value: chmod 600",
            "[[encrypt]]: rule 'all' covers every key, also those of queues, locks and scripts; \
             what cannot be done on encrypted values is refused there",
        ]
    );
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_is_no_setting() {
    from_env(&[
        ("WAXSEAL_UPSTREAM_URL", "rediss://h"),
        ("WAXSEAL_SERVICE_HOST", "10.0.0.1"),
        ("WAXSEAL_PORT", "tcp://10.0.0.1:6380"),
        ("WAXSEAL_PORT_6380_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
}

#[test]
fn nested_settings_have_variables_too() {
    let config = from_env(&[
        ("WAXSEAL_UPSTREAM_URL", "rediss://h"),
        ("WAXSEAL_LIMITS_PER_CONNECTION_LIMIT", "10"),
        ("WAXSEAL_LIMITS_PER_CONNECTION_WINDOW", "1m"),
    ])
    .unwrap();
    assert_eq!(config.limits.rates.len(), 1);
    assert_eq!(config.limits.rates[0].to_string(), "10 commands per 60 s (burst 10) on this connection");
}

#[test]
fn json_paths_are_read_and_their_faults_placed() {
    let rule = |json: &str| {
        format!(
            "upstream.url = 'rediss://h'\n[[encrypt]]\nid = 'r'\nkeys = ['a']\njson = {json}\n[keyring]\nfile = 'k'"
        )
    };
    for (json, place, cause) in [
        ("'$.a'", "json", "is not a list of paths"),
        ("[]", "json", "is not a list of paths"),
        ("[1]", "json", "is not a list of paths"),
        ("['$.a', 'b']", "json[1]", "does not begin at the document"),
        ("['$..SECRET']", "json[0]", "is not a path that is understood"),
        ("['$.a', '$.b[0]']", "json[1]", "names one element"),
        ("['$.a', '$.b', '$.a.c']", "json[2]", "covers a place that an earlier path covers"),
    ] {
        let text = faults(&rule(json), &[]);
        assert!(text.contains(&format!("[[encrypt]] #1 (id 'r') {place}: {cause}")), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }
    let text = faults(&rule("['$.a', '$[\"b c\"]', '$.d[*].e']"), &[]);
    assert!(!text.contains("[[encrypt]]"), "{text}");
}

#[test]
fn an_audit_log_needs_a_key_and_says_where_to_get_one() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("audit.key");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let told = faults("", &[("WAXSEAL_UPSTREAM_URL", "rediss://h"), ("WAXSEAL_AUDIT_FILE", &path("log"))]);
    assert!(told.contains("[audit] key_file") && told.contains("waxseal audit key"), "{told}");
    let told = faults("", &[("WAXSEAL_UPSTREAM_URL", "rediss://h"), ("WAXSEAL_AUDIT_KEYS", "hashed")]);
    assert!(told.contains("there is no audit log"), "{told}");

    fs::write(&key, format!("{}\n", *crate::crypto::AuditKey::generate().unwrap().to_text())).unwrap();
    let key = key.display().to_string();
    let set = [
        ("WAXSEAL_UPSTREAM_URL", "rediss://h"),
        ("WAXSEAL_AUDIT_FILE", &*path("log")),
        ("WAXSEAL_AUDIT_KEY_FILE", &*key),
    ];
    let audit = from_env(&set).unwrap().audit.unwrap();
    assert_eq!(audit.anchor_file.display().to_string(), path("log.anchor"));
    assert!(!format!("{audit:?}").contains(fs::read_to_string(&key).unwrap().trim()));
}

/// What the limits of a configuration came to be, or its faults.
fn rates(text: &str) -> Result<Vec<String>, String> {
    match load(&format!("upstream.url = 'rediss://h'\n{text}"), &[]) {
        Ok(config) => Ok(config.limits.rates.iter().map(ToString::to_string).collect()),
        Err(faults) => Err(faults.to_string()),
    }
}

#[test]
fn limits_are_short_tables_and_a_list() {
    let text = "[limits]\nper_address = { limit = 5, algorithm = 'fixed_window', window = '1m' }\n\
        per_process = { unit = 'bytes', limit = '10mb', burst = '20mb' }\n\
        [[limits.rate]]\nper = 'identity'\nlimit = 3\nalgorithm = 'sliding_window'\nclasses = ['write', 'script']\n\
        [[limits.rate]]\nper = 'identity'\nlimit = 9\nover = 'delay'\n";
    assert_eq!(
        rates(text).unwrap(),
        [
            "5 commands per 60 s (fixed window) from this address",
            "10485760 bytes of requests per 1 s (burst 20971520) through this sidecar",
            "3 write or script commands per 1 s (sliding window) for this identity",
            "9 commands per 1 s (burst 9) for this identity",
        ]
    );
}

#[test]
fn faults_of_limits_are_placed() {
    for (text, fault) in [
        (
            "per = 'planet'\nlimit = 1",
            "per: is not understood\n    -> set it to \"connection\", \"identity\", \"address\" or \"process\"",
        ),
        (
            "limit = 1",
            "per: is missing\n    -> say who shares the limit: per = \"connection\", \"identity\", \"address\" or \"process\"",
        ),
        ("per = 'address'", "limit: is missing\n    -> set limit = N, as many as may come per window"),
        (
            "per = 'address'\nlimit = '1mb'",
            "limit: is not understood\n    -> set it to a whole number from 1 to 4294967295",
        ),
        (
            "per = 'address'\nlimit = 2000000\nwindow = '1ms'",
            "limit: is more than one command per nanosecond\n    -> lower it, or lengthen window",
        ),
        (
            "per = 'address'\nlimit = 1\nclasses = ['writes']",
            "classes: is not a list of classes of commands\n    -> list one or more of \"read\", \"write\", \"script\", \"pubsub\", \"transaction\", \"connection\", \"admin\" or \"unknown\"",
        ),
        (
            "per = 'address'\nlimit = 1\nclasses = []",
            "classes: is not a list of classes of commands\n    -> list one or more of \"read\", \"write\", \"script\", \"pubsub\", \"transaction\", \"connection\", \"admin\" or \"unknown\"",
        ),
        (
            "per = 'address'\nlimit = 1\nburst = 2\nalgorithm = 'fixed_window'",
            "burst: is for a token bucket only\n    -> remove it, or set algorithm = \"token_bucket\"",
        ),
        (
            "per = 'address'\nlimit = 1\nover = 'delay'\nalgorithm = 'sliding_window'",
            "over: is for a token bucket only\n    -> remove it, or set algorithm = \"token_bucket\"",
        ),
        (
            "per = 'address'\nlimit = 1\nmax_delay = '1s'",
            "max_delay: is set, but nothing is delayed\n    -> set over = \"delay\", or remove it",
        ),
        ("per = 'address'\nlimit = 1\nburts = 1", "burts: is not a setting\n    -> did you mean burst?"),
    ] {
        let expected = format!("the configuration has 1 fault\n  [[limits.rate]] #1 {fault}");
        assert_eq!(rates(&format!("[[limits.rate]]\n{text}")), Err(expected));
    }
    assert_eq!(
        rates("[limits]\nper_process = { max_delay = '1s' }\nrate = 5"),
        Err("the configuration has 2 faults\n  \
            [limits.per_process] max_delay: is set, but nothing is delayed\n    -> set over = \"delay\", or remove it\n  \
            [[limits.rate]]: must be a list of tables\n    -> write [[limits.rate]] with two brackets, once for each"
            .into())
    );
    let many = "[[limits.rate]]\nper = 'process'\nlimit = 1\n".repeat(65);
    assert!(rates(&many).unwrap_err().contains("[[limits.rate]]: there are 65 rate limits\n    -> use at most 64;"));
}

#[test]
fn access_lists_take_redis_s_words() {
    let text = "upstream.url = 'rediss://h'\n[access]\nallow = ['@read', 'SET', 'client|setname']\ndeny = ['@dangerous']\n\
                keys = ['a:*']\nread_keys = ['b:*']\nchannels = []\n";
    let access = load(text, &[]).unwrap().access;
    let commands = access.commands.unwrap();
    for (name, may) in [("get", true), ("set", true), ("keys", false), ("client|setname", true), ("client|id", false)] {
        assert_eq!(commands.contains(crate::command::find(name).unwrap()), may, "{name}");
    }
    assert_eq!(access.keys, Some(KeyLists { all: vec!["a:*".into()], read: vec!["b:*".into()] }));
    assert_eq!(access.channels, Some(Vec::new()));

    let denied = from_env(&[("WAXSEAL_UPSTREAM_URL", "rediss://h"), ("WAXSEAL_ACCESS_DENY", "@admin, flushall")])
        .unwrap()
        .access;
    let commands = denied.commands.unwrap();
    assert!(!commands.contains(crate::command::find("flushall").unwrap()));
    assert!(commands.contains(crate::command::find("get").unwrap()));
    assert_eq!((denied.keys, denied.channels), (None, None));
}

#[test]
fn access_lists_name_what_is_there() {
    let text = faults(
        "upstream.url = 'rediss://h'\n[access]\nallow = ['@reads', 'gett', 'no such thing']\nkeys = ['a[']\n",
        &[],
    );
    assert_eq!(
        text,
        "the configuration has 4 faults\n  \
         [access] keys[0]: has a [ that is never closed\n    -> close it with ], or write \\[ for the character itself\n  \
         [access] allow[0]: is neither a command nor a category of commands\n    -> did you mean @read?\n  \
         [access] allow[1]: is neither a command nor a category of commands\n    -> did you mean get?\n  \
         [access] allow[2]: is neither a command nor a category of commands\n    -> write a command as \"get\" or \"client|setname\", \
         a category as \"@read\"; docs/commands.md lists the commands"
    );
}

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

#[test]
fn identities_are_read_with_all_they_may_do() {
    let text = format!(
        "upstream.url = 'rediss://h'\n[[identity]]\nname = 'app'\npassword_hashes = ['{HASH}']\nuids = [1000]\n\
         allow = ['@read']\nkeys = ['a:*']\nplaintext = 'ciphertext'\n\
         [[identity]]\nname = 'guest'\ndefault = true\nread_only = true\n"
    );
    let config = load(&text, &[]).unwrap();
    let [app, guest] = &config.identities[..] else { panic!("two") };
    assert_eq!((app.name.as_str(), app.uids[0], app.plaintext), ("app", 1000, Plaintext::Ciphertext));
    assert!(app.access.commands.is_some() && app.access.keys.is_some() && !app.default);
    assert!(guest.default && guest.access.read_only && guest.plaintext == Plaintext::Allow);
}

#[test]
fn what_is_wrong_with_an_identity_is_said() {
    let strong = HASH.replace("m=19456", "m=4194304");
    let text = faults(
        &format!(
            "upstream.url = 'rediss://h'\n[[identity]]\nname = 'a b'\nuids = [1]\n\
             [[identity]]\nname = 'two'\npassword_hashes = ['hunter2', '$argon2id$x', '{strong}']\npasswords = ['hunter2']\n\
             [[identity]]\nname = 'two'\n[[identity]]\nname = 'four'\nuids = [1, -1]\ndefault = true\nallow = ['@x']\n\
             [[identity]]\nname = 'five'\ncertificates = ['a']\ndefault = true\nplaintext = 'no'\n"
        ),
        &[],
    );
    for expected in [
        "[[identity]] #1 name: is not a name",
        "[[identity]] #2 (name 'two') password_hashes[0]: is not an Argon2 hash; passwords are not kept here\n    -> put what `waxseal hash-password` prints there",
        "[[identity]] #2 (name 'two') password_hashes[1]: is a damaged hash",
        "[[identity]] #2 (name 'two') password_hashes[2]: takes more than 1 GiB or 16 passes",
        "[[identity]] #2 (name 'two') passwords: is not a setting\n    -> passwords are not kept here",
        "[[identity]] #3 (name 'two'): is nobody",
        "[[identity]] #3 (name 'two') name: is the name of an earlier identity",
        "[[identity]] #4 (name 'four') uids: is not a list of user ids",
        "[[identity]] #4 (name 'four') allow[0]: is neither a command nor a category",
        "[[identity]] #5 (name 'five') default: is set for an earlier identity",
        "[[identity]] #5 (name 'five') plaintext: is not understood",
        "[[identity]] certificates: is set, but no client is asked for a certificate",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_address_that_others_reach_needs_a_lock() {
    let directory = directory();
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("cert.pem"), key.cert.pem()).unwrap();
    fs::write(directory.path().join("key.pem"), key.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(directory.path().join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let of = |listen: &str, more: &str| {
        let text = format!("upstream.url = 'rediss://h'\n[listen]\n{listen}\n{more}");
        load_in(directory.path(), &text, &[("WAXSEAL_UPSTREAM_PASSWORD", "pw")])
    };
    let tls = "tls = { cert_file = 'cert.pem', key_file = 'key.pem' }";
    let mutual = "tls = { cert_file = 'cert.pem', key_file = 'key.pem', client_ca_file = 'ca.pem' }";
    let named = "[[identity]]\nname = 'a'\nuids = [1]\n";
    let unnamed = "[[identity]]\nname = 'a'\ndefault = true\n";
    let open = "redis = ['0.0.0.0:1']";
    let open_tls = "redis = ['tls:0.0.0.0:1']";
    for (listen, more) in [
        (format!("{open}\nauth = 'required'"), ""),
        (open.to_owned(), named),
        (format!("{open_tls}\n{mutual}"), ""),
        (format!("{open_tls}\n{tls}"), named),
        (format!("redis = ['tls:127.0.0.1:1']\n{tls}"), ""),
    ] {
        let config = of(&listen, more).unwrap_or_else(|faults| panic!("{listen}\n{faults}"));
        assert_eq!(config.listen.redis[0].to_string().starts_with("tls:"), listen.contains("tls:"));
    }
    for (listen, more, fault) in [
        (open.to_owned(), "", "is not a loopback address"),
        (open.to_owned(), unnamed, "is not a loopback address"),
        (format!("{open_tls}\n{tls}"), "", "is not a loopback address"),
        ("redis = ['tls:127.0.0.1:1']".to_owned(), "", "has no certificate to show"),
        (format!("{open}\nauth = 'required'"), unnamed, "an identity is there for clients that have not logged in"),
        ("tls = { cert_file = 'cert.pem' }".to_owned(), "", "lacks cert_file or key_file"),
        ("tls = { cert_file = 'cert.pem', key_file = 'cert.pem' }".to_owned(), "", "holds no private key"),
        ("tls = { cert_file = 'key.pem', key_file = 'key.pem' }".to_owned(), "", "holds no certificate"),
        ("tls = { cert_file = 'ca.pem', key_file = 'key.pem' }".to_owned(), "", "is not that of the certificate"),
        ("idle_timeout = '25h'".to_owned(), "", "[listen] idle_timeout: is not understood"),
    ] {
        let text = of(&listen, more).expect_err(&listen).to_string();
        assert!(text.contains(fault), "{listen}:\n{text}");
    }
}
