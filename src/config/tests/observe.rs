//! The addresses for operators, and the log.

use super::*;

#[test]
fn the_addresses_for_operators_are_off_and_the_console_stays_on_loopback() {
    let with =
        |listen: &str, vars: Vars<'_>| load(&format!("upstream.url = 'rediss://u:p@h'\n[listen]\n{listen}"), vars);
    let off = with("", &[]).unwrap().observe;
    assert!(off.admin.is_none() && off.metrics.is_none());
    let both = with("admin = 'localhost:6390'\nmetrics = '0.0.0.0:9121'", &[]).unwrap().observe;
    assert_eq!(both.admin.unwrap().address.to_string(), "127.0.0.1:6390");
    assert_eq!(both.metrics.unwrap().to_string(), "0.0.0.0:9121");

    let beyond = "admin = '0.0.0.0:6390'";
    let token: Vars<'_> = &[("WAXSEAL_LISTEN_ADMIN_TOKEN", "SECRET-of-16-bytes")];
    let config = with(beyond, token).unwrap();
    assert!(config.observe.admin.unwrap().token.unwrap().matches(b"SECRET-of-16-bytes"));
    assert!(config.warnings[0].text.contains("without TLS"), "{:?}", config.warnings);
    for (listen, vars, fault) in [
        (beyond, &[][..], "[listen] admin: is not a loopback address, and there is no token"),
        (beyond, &[("WAXSEAL_LISTEN_ADMIN_TOKEN", "SECRET")], "WAXSEAL_LISTEN_ADMIN_TOKEN: is shorter than 16 bytes"),
        ("admin_token_file = 'none'", &[], "[listen] admin_token_file: there is no such file"),
        ("admin_token_file = 'x'", token, "admin_token_file: is set, and WAXSEAL_LISTEN_ADMIN_TOKEN too"),
        ("admin = '127.0.0.1:1'\nmetrics = '127.0.0.1:1'", &[], "[listen] metrics: is the address of admin"),
    ] {
        let text = with(listen, vars).unwrap_err().to_string();
        assert!(text.contains(fault) && text.contains("1 fault") && !text.contains("SECRET"), "{text}");
    }
    let warned = with("", token).unwrap().warnings;
    assert_eq!(warned[0].to_string(), "WAXSEAL_LISTEN_ADMIN_TOKEN: has no effect: there is no admin in [listen]");
}

#[test]
fn a_log_level_may_differ_by_target() {
    let file = "upstream.url = 'rediss://h'\nlog.level = 'warn,waxseal::upstream=debug'";
    assert_eq!(load(file, &[]).unwrap().log.levels.to_string(), "warn,waxseal::upstream=debug");
}
