//! Real applications, of which nothing knows of the sidecar but their address. Each does its work and checks it; then
//! everything the database stores and every command it was sent is searched for what the application sent.
//!
//! The rules are those of docs/applications.md, read from there.

mod support;

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use support::{Frame, MARKER, Raw, Sidecar, Tap, Upstream, contains};

/// How a sealed value begins: proto/envelope.md.
const MAGIC: &[u8] = b"\xc1WX";

/// `python` and `node` run these; the first two come from `make setup`.
const PYTHON: &str = ".venv/bin/python3";
const OWN_NODE: &str = ".venv/bin/node";

/// One application: what runs it, and the heading of docs/applications.md that has its rules.
#[derive(Clone, Copy, Default)]
struct App<'a> {
    program: &'a str,
    args: &'a [&'a str],
    heading: &'a str,
    /// How the keys begin that its rules leave out. All others must hold nothing but sealed values.
    clear: &'a [&'a str],
}

impl App<'_> {
    fn passes(self) {
        let upstream = Upstream::start();
        let sidecar = self.sidecar(&upstream);
        let tap = Tap::on(&upstream);
        let (marker, own) = (marker_forms(), forms_of(&self.run(sidecar.port)));
        let forms = [marker, own].concat();
        for line in tap.seen().split(|byte| *byte == b'\n') {
            if forms.iter().any(|form| contains(line, &as_monitor_shows(form))) {
                panic!("reached the database in clear: {}", String::from_utf8_lossy(&line[..line.len().min(120)]));
            }
        }
        let mut sealed = 0;
        for (key, values) in stored(&mut upstream.raw()) {
            for value in values {
                assert!(!forms.iter().any(|form| contains(&value, form)), "in clear in the database: {key}");
                let is_sealed = value.starts_with(MAGIC);
                assert!(
                    is_sealed || self.clear.iter().any(|start| key.starts_with(start)),
                    "not sealed in the database: {key}"
                );
                sealed += usize::from(is_sealed);
            }
        }
        assert!(sealed > 0, "nothing sealed was left to look at");
        assert!(!sidecar.stderr().contains(MARKER), "a value in the log");
        println!("{}: {sealed} sealed values, {} forms searched for", self.heading, forms.len());
        self.is_seen_without_rules();
    }

    /// Where nothing is encrypted the same search finds what it looks for: that it found nothing means something.
    fn is_seen_without_rules(self) {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start_with(&upstream, |settings| settings.rules.clear());
        let tap = Tap::on(&upstream);
        let own = forms_of(&self.run(sidecar.port));
        let seen = tap.seen();
        let is_seen = |form: &Vec<u8>| contains(&seen, &as_monitor_shows(form));
        assert!(marker_forms().iter().any(is_seen), "the search does not find the marker");
        assert!(own.iter().all(is_seen), "the search does not find what the application says");
    }

    /// With the rules of its heading.
    fn sidecar(&self, upstream: &Upstream) -> Sidecar {
        Sidecar::start_with(upstream, |settings| {
            settings.rules.clear();
            settings.trust_scripts = false;
            settings.more = rules(self.heading);
        })
    }

    fn run(&self, port: u16) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(self.program)
            .current_dir(root)
            .args(self.args)
            .env("REDIS_URL", format!("redis://127.0.0.1:{port}"))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}. Run `make setup` once.", self.program));
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (printed, complaints) = (said(&output.stdout), said(&output.stderr));
        assert!(output.status.success(), "{:?}\n{printed}\n{complaints}", self.args);
        printed
    }
}

/// The first example below a heading of docs/applications.md.
fn rules(heading: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/applications.md");
    let page = std::fs::read_to_string(path).expect("docs/applications.md");
    let section = page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n## ").next().expect("split gives one");
    let example = section.split("```toml\n").nth(1).expect("an example").split("```").next();
    example.expect("split gives one").to_owned()
}

/// The marker as it is, in UTF-16, and in base64 wherever in it the marker may begin.
fn marker_forms() -> Vec<Vec<u8>> {
    let mut forms = vec![MARKER.into(), MARKER.encode_utf16().flat_map(u16::to_le_bytes).collect()];
    for before in 0..3 {
        let padded = [&b"   "[..before], MARKER.as_bytes()].concat();
        // Of each three bytes come four characters; those that hold a part of what stands around it are left out.
        let text = STANDARD_NO_PAD.encode(&padded);
        forms.push(text.as_bytes()[(before * 4).div_ceil(3)..padded.len() / 3 * 4].to_vec());
    }
    forms
}

/// Further forms of which the application says that its payloads have them.
fn forms_of(printed: &str) -> Vec<Vec<u8>> {
    let decode = |hex: &str| {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
    };
    printed.lines().filter_map(|line| line.strip_prefix("FORM ")).map(decode).collect()
}

/// As Redis prints an argument in MONITOR.
fn as_monitor_shows(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for byte in bytes {
        match byte {
            b'\\' | b'"' => shown.extend([b'\\', *byte]),
            b'\n' => shown.extend(b"\\n"),
            b'\r' => shown.extend(b"\\r"),
            b'\t' => shown.extend(b"\\t"),
            0x07 => shown.extend(b"\\a"),
            0x08 => shown.extend(b"\\b"),
            b' '..=b'~' => shown.push(*byte),
            _ => shown.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    shown
}

/// Every key with every value that a rule would have sealed.
fn stored(raw: &mut Raw) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    for database in 0..16 {
        assert_eq!(raw.run(&format!("SELECT {database}")), Frame::ok());
        for key in raw.run("KEYS *").items().into_iter().map(Frame::bytes) {
            let mut ask = |before: &[&[u8]], after: &[&[u8]]| raw.command(&[before, &[&key[..]], after].concat());
            let values = match ask(&[b"TYPE"], &[]).bytes().as_slice() {
                b"string" => vec![ask(&[b"GET"], &[]).bytes()],
                b"hash" => ask(&[b"HVALS"], &[]).items().into_iter().map(Frame::bytes).collect(),
                b"list" => ask(&[b"LRANGE"], &[b"0", b"-1"]).items().into_iter().map(Frame::bytes).collect(),
                b"set" => ask(&[b"SMEMBERS"], &[]).items().into_iter().map(Frame::bytes).collect(),
                b"zset" => ask(&[b"ZRANGE"], &[b"0", b"-1"]).items().into_iter().map(Frame::bytes).collect(),
                b"stream" => {
                    let entries =
                        ask(&[b"XRANGE"], &[b"-", b"+"]).items().into_iter().map(|entry| entry.items().remove(1));
                    entries.flat_map(|fields| fields.items().into_iter().skip(1).step_by(2)).map(Frame::bytes).collect()
                }
                other => panic!("a type the search does not know: {}", String::from_utf8_lossy(other)),
            };
            found.push((String::from_utf8_lossy(&key).into_owned(), values));
        }
    }
    found
}

fn node() -> &'static str {
    // Where the system's is too old, `make setup` has put one beside Python's.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(OWN_NODE);
    if own.exists() { OWN_NODE } else { "node" }
}

const CELERY: App<'_> = App {
    program: PYTHON,
    args: &["tests/python/apps/celery_app.py"],
    heading: "Celery",
    clear: &["_kombu.binding", "celery-taskset-meta-"],
};

#[test]
fn celery_with_processes() {
    CELERY.passes();
}

#[test]
fn celery_with_threads() {
    App { args: &["tests/python/apps/celery_app.py", "--pool", "threads"], ..CELERY }.passes();
}

#[test]
fn celery_with_chords() {
    App { args: &["tests/python/apps/celery_app.py", "--chords"], ..CELERY }.passes();
}

#[test]
fn rq() {
    App {
        program: PYTHON,
        args: &["tests/python/apps/rq_app.py"],
        heading: "RQ",
        clear: &["rq:queue:", "rq:worker:", "rq:scheduler-lock:"],
    }
    .passes();
}

const DJANGO: App<'_> = App { program: PYTHON, args: &[], heading: "Django", clear: &[] };

#[test]
fn django_with_sessions_in_the_cache() {
    App { args: &["tests/python/apps/django_app.py", "django.contrib.sessions.backends.cache"], ..DJANGO }.passes();
}

#[test]
fn django_with_sessions_in_cache_and_database() {
    App { args: &["tests/python/apps/django_app.py", "django.contrib.sessions.backends.cached_db"], ..DJANGO }.passes();
}

#[test]
fn flask_session() {
    let args = &["tests/python/apps/flask_app.py"];
    App { program: PYTHON, args, heading: "Flask-Session", ..App::default() }.passes();
}

#[test]
fn express_with_connect_redis() {
    let args = &["tests/node/apps/express_app.mjs"];
    App { program: node(), args, heading: "Express with connect-redis", ..App::default() }.passes();
}

#[test]
fn keyv() {
    App { program: node(), args: &["tests/node/apps/keyv_app.mjs"], heading: "Keyv", ..App::default() }.passes();
}

/// Its own keys are under no rule.
#[test]
fn bullmq_beside_rules() {
    let app = App { program: node(), args: &["tests/node/apps/bullmq_app.mjs"], heading: "BullMQ", ..App::default() };
    let upstream = Upstream::start();
    let sidecar = app.sidecar(&upstream);
    app.run(sidecar.port);
    assert!(stored(&mut upstream.raw()).iter().any(|(key, _)| key.starts_with("bull:letters:")));
}
