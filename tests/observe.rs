//! The addresses for operators, asked as Prometheus, a kubelet and a browser ask them.

mod support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::http::{Answer, get, request};
use support::sidecar::Settings;
use support::upstream::PASSWORD;
use support::{Frame, MARKER, Sidecar, Upstream, free_port, secret, wait_until};

struct Scene {
    upstream: Upstream,
    sidecar: Sidecar,
    admin: u16,
    metrics: u16,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let upstream = Upstream::start();
        let (admin, metrics) = (free_port(), free_port());
        let sidecar = Sidecar::start_with(&upstream, |settings| {
            settings.listen = format!("admin = \"127.0.0.1:{admin}\"\nmetrics = \"127.0.0.1:{metrics}\"\n");
            change(settings);
        });
        Self { upstream, sidecar, admin, metrics }
    }

    /// The samples of /metrics, by name and labels as they are written.
    fn samples(&self) -> HashMap<String, f64> {
        let page = get(self.metrics, "/metrics");
        assert_eq!(page.status, 200);
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        page.body.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
    }

    fn wait_for(&self, port: u16, path: &str, status: u16) -> Answer {
        let mut answer = get(port, path);
        wait_until(&format!("{path} is answered {status}"), || {
            answer = get(port, path);
            answer.status == status
        });
        answer
    }
}

#[test]
fn what_clients_do_is_counted_under_its_name_and_nothing_of_it_is_shown() {
    let scene = Scene::new();
    let mut client = scene.sidecar.connect();
    let value = secret("counted");
    for number in 0..5 {
        let key = format!("session:{number}");
        assert_eq!(client.command(&[b"SET", key.as_bytes(), &value]), Frame::ok());
        assert_eq!(client.command(&[b"GET", key.as_bytes()]), Frame::bulk(&value));
    }
    client.run("SET plain 1");
    client.run("INCR plain");
    assert!(client.run("PFADD session:0 x").is_error("WAXSEAL"), "refused");
    assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));

    let samples = scene.samples();
    let of = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name}"));
    let commands = |class, way, outcome| {
        of(&format!("waxseal_commands_total{{class=\"{class}\",way=\"{way}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(commands("write", "sealed", "ok"), 5.0);
    assert_eq!(commands("read", "sealed", "ok"), 5.0);
    assert_eq!(commands("write", "raw", "ok"), 2.0);
    assert_eq!(commands("connection", "local", "ok"), 1.0);
    assert_eq!(commands("write", "refused", "error"), 1.0);
    assert_eq!(of("waxseal_refused_total{reason=\"command\"}"), 1.0);
    assert_eq!(of("waxseal_values_total{what=\"sealed\"}"), 5.0);
    assert_eq!(of("waxseal_values_total{what=\"opened\"}"), 5.0);
    assert_eq!(of("waxseal_connections"), 1.0);
    assert!(of("waxseal_lanes{kind=\"shared\"}") >= 1.0);
    assert!(of("waxseal_upstream_commands_total") >= 12.0);
    assert!(of("waxseal_upstream_seconds_count") >= 1.0);
    assert!(of("waxseal_crypto_seconds_count") >= 1.0);
    assert!(of("process_resident_memory_bytes") > 1e6);
    assert_eq!(samples.keys().filter(|name| name.starts_with("waxseal_key_info{")).count(), 3);

    for (port, path) in [(scene.metrics, "/metrics"), (scene.admin, "/metrics"), (scene.admin, "/status.json")] {
        let page = get(port, path).body;
        let client = client.run("CLIENT INFO").bytes();
        let address =
            String::from_utf8(client).unwrap().split("addr=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        for hidden in [PASSWORD, MARKER, "session:", &address, &scene.upstream.url()] {
            assert!(!page.contains(hidden), "{path} shows {hidden}:\n{page}");
        }
    }
}

#[test]
fn prometheus_understands_the_page() {
    let scene = Scene::new();
    scene.sidecar.connect().run("SET session:1 x");
    let page = get(scene.metrics, "/metrics");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut parser = Command::new(".venv/bin/python3")
        .current_dir(root)
        .arg("tests/python/metrics.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}. Run `make setup` once."));
    parser.stdin.take().expect("piped").write_all(page.body.as_bytes()).expect("write");
    let output = parser.wait_with_output().expect("wait");
    let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{complaints}");
}

#[test]
fn an_outage_makes_it_unready_but_never_dead_and_ends_without_a_command() {
    let mut scene = Scene::new();
    for port in [scene.admin, scene.metrics] {
        scene.wait_for(port, "/readyz", 200);
        assert_eq!(get(port, "/livez").status, 200);
    }
    scene.upstream.stop();
    let answer = scene.wait_for(scene.metrics, "/readyz", 503);
    assert!(answer.body.contains("cannot be reached"), "{}", answer.body);
    assert_eq!(get(scene.metrics, "/livez").status, 200);
    scene.upstream.launch();
    scene.wait_for(scene.metrics, "/readyz", 200);
    assert_eq!(scene.sidecar.connect().run("PING"), Frame::Simple("PONG".into()));
}

#[test]
fn while_it_drains_it_is_alive_and_not_ready() {
    let mut scene = Scene::new();
    let mut waiting = scene.sidecar.connect();
    waiting.send(&support::raw::encode(&[b"BLPOP", b"plain:list", b"1"]));
    wait_until("the client waits", || {
        let list = scene.sidecar.connect().run("CLIENT LIST").bytes();
        String::from_utf8_lossy(&list).contains("flags=b")
    });
    scene.sidecar.terminate();
    let answer = scene.wait_for(scene.metrics, "/readyz", 503);
    assert!(answer.body.contains("stopping"), "{}", answer.body);
    assert_eq!(get(scene.metrics, "/livez").status, 200);
    assert!(scene.sidecar.wait_for_exit().success());
}

#[test]
fn the_metrics_address_has_metrics_and_probes_alone() {
    let scene = Scene::new();
    for path in ["/", "/status.json", "/log", "/console.js", "/metrics/"] {
        assert_eq!(get(scene.metrics, path).status, 404, "{path}");
    }
    let host = ("host", "pod.example");
    assert_eq!(request(scene.metrics, "PUT", "/log", &[host], "debug").status, 404);
    assert_eq!(request(scene.metrics, "GET", "/metrics", &[host], "").status, 200, "asked by any name");
    let refused = request(scene.metrics, "POST", "/metrics", &[host], "");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    let head = request(scene.metrics, "HEAD", "/metrics", &[host], "");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn the_admin_address_answers_no_page_of_another_site() {
    let scene = Scene::new();
    let ask = |method, path, headers: &[_]| request(scene.admin, method, path, headers, "debug").status;
    assert_eq!(ask("GET", "/", &[("host", "evil.example")]), 421);
    assert_eq!(ask("GET", "/livez", &[("host", "evil.example")]), 421);
    assert_eq!(ask("PUT", "/log", &[("host", "localhost"), ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(ask("PUT", "/log", &[("host", "localhost"), ("origin", "http://evil.example")]), 403);
    assert_eq!(ask("OPTIONS", "/log", &[("host", "localhost")]), 405, "no leave by CORS");
    for path in ["/", "/console.css", "/console.js", "/icon.svg", "/status.json", "/log", "/metrics", "/nothing"] {
        let answer = get(scene.admin, path);
        assert_eq!(answer.status, if path == "/nothing" { 404 } else { 200 }, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn log_levels_change_while_it_runs() {
    let scene = Scene::new();
    let host = ("host", "localhost");
    let set = |levels: &str| request(scene.admin, "PUT", "/log", &[host], levels);
    let left = || scene.sidecar.stderr().matches("a client left").count();
    let come_and_go = || {
        scene.sidecar.connect().run("PING");
        wait_until("the client is gone", || scene.samples()["waxseal_connections"] == 0.0);
    };
    assert_eq!(get(scene.admin, "/log").body, "info\n");
    come_and_go();
    assert_eq!(left(), 0);
    let answer = set("warn,waxseal::server=debug");
    assert_eq!((answer.status, &*answer.body), (200, "warn,waxseal::server=debug\n"));
    assert!(scene.sidecar.stderr().contains("log levels were changed"));
    come_and_go();
    wait_until("that is logged now", || left() == 1);
    assert_eq!(set("error").status, 200);
    come_and_go();
    assert_eq!(set("loud").status, 400);
    assert_eq!(set(&"x".repeat(5000)).status, 400);
    assert_eq!(get(scene.admin, "/log").body, "error\n");
    assert_eq!(set("info").status, 200);
    wait_until("that is logged when the log speaks again", || scene.sidecar.stderr().contains("from=error to=info"));
    assert_eq!(left(), 1);
}

#[test]
fn a_limit_that_was_hit_is_named_with_what_became_of_the_commands() {
    let scene =
        Scene::with(|settings| settings.more = "[limits]\nper_connection = { limit = 5, window = '1h' }".into());
    let mut client = scene.sidecar.connect();
    for _ in 0..8 {
        client.run("GET plain");
    }
    let samples = scene.samples();
    let limited = |outcome: &str| {
        let mut of =
            samples.iter().filter(|(name, _)| name.starts_with("waxseal_rate_limited_total") && name.contains(outcome));
        *of.next().unwrap_or_else(|| panic!("no limit in {samples:?}")).1
    };
    assert_eq!((limited("refused"), limited("delayed")), (3.0, 0.0));
    let status = get(scene.admin, "/status.json").json();
    assert_eq!(status["limited"].as_object().unwrap().values().next().unwrap(), &serde_json::json!([3, 0]));
}

#[test]
fn beyond_loopback_the_console_asks_for_its_token() {
    let token = "a-token-of-the-tests";
    let upstream = Upstream::start();
    let admin = free_port();
    let file = upstream.dir().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.listen = format!("admin = \"0.0.0.0:{admin}\"\nadmin_token_file = \"{}\"\n", file.display());
    });
    let host = ("host", "console.example");
    for path in ["/", "/status.json", "/metrics", "/log", "/nothing"] {
        let refused = request(admin, "GET", path, &[host], "");
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.header("www-authenticate").is_some_and(|how| how.starts_with("Basic ")));
    }
    let right = format!("Bearer {token}");
    assert_eq!(request(admin, "GET", "/status.json", &[host, ("authorization", &right)], "").status, 200);
    assert_eq!(request(admin, "PUT", "/log", &[host, ("authorization", "Bearer x")], "debug").status, 401);
    assert_eq!(request(admin, "GET", "/livez", &[host], "").status, 200, "probes have no token");
    assert!(sidecar.stderr().contains("goes over the network without TLS"));
    assert!(!sidecar.stderr().contains(token));
}

#[test]
fn slow_and_many_connections_keep_nobody_out_for_long() {
    let scene = Scene::new();
    let start = Instant::now();
    let mut idle: Vec<_> = (0..64).map(|_| TcpStream::connect(("127.0.0.1", scene.admin)).unwrap()).collect();
    for (number, stream) in idle.iter_mut().enumerate() {
        if number % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: loc").unwrap();
        }
    }
    assert_eq!(get(scene.admin, "/livez").status, 200);
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    idle[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut rest = Vec::new();
    assert!(idle[0].read_to_end(&mut rest).is_ok(), "it is closed");
    let large = "x".repeat(20_000);
    let refused = request(scene.admin, "GET", "/", &[("host", "localhost"), ("x", &large)], "");
    assert_eq!(refused.status, 431);
}
