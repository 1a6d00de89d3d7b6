//! The console in a real browser, under load; what is looked at is said in `tests/node/console.mjs`.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Frame, Sidecar, Upstream, free_port};

#[test]
fn the_console_shows_live_numbers_at_any_width_and_asks_nobody_else() {
    let upstream = Upstream::start();
    let admin = free_port();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.listen = format!("admin = \"127.0.0.1:{admin}\"\n");
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join(".venv/bin/node");
    let node = if own.exists() { own } else { "node".into() };
    let done = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = sidecar.connect();
            // Bounded, whatever becomes of the browser.
            for _ in 0..60_000 {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                assert_eq!(client.run("SET session:1 x"), Frame::ok());
                client.run("GET session:1");
                client.run("GET plain");
                assert!(client.run("PFADD session:1 x").is_error("WAXSEAL"));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let output = Command::new(node)
            .current_dir(root)
            .arg("tests/node/console.mjs")
            .arg(format!("http://127.0.0.1:{admin}/"))
            // Where `WAXSEAL_CONSOLE_SHOTS` names a folder, pictures are left there.
            .args(std::env::var_os("WAXSEAL_CONSOLE_SHOTS"))
            .output();
        done.store(true, Ordering::Relaxed);
        output
    });
    let output = output.unwrap_or_else(|error| panic!("node: {error}. Run `make setup` once."));
    let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{complaints}");
}
