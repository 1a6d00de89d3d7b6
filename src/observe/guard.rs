//! Who may ask.
//!
//! A page of another site that the operator's browser shows must not reach the console: neither by a name that was made
//! to lead to loopback (DNS rebinding), nor by a request that the browser sends on its behalf.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::StatusCode;
use hyper::http::request::Parts;

use crate::config::Secret;

/// An answer in place of what was asked for: the status, and why.
pub(super) type Refusal = (StatusCode, &'static str);

/// Whether the admin address answers this request at all. `open`: it tells nothing that needs the token.
pub(super) fn check(head: &Parts, token: Option<&Secret>, open: bool) -> Result<(), Refusal> {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header("host").unwrap_or_default();
    match token {
        // Browsers keep credentials by the name they were given for, so that the token proves the name, too.
        Some(token) if !open && !header("authorization").is_some_and(|offered| is_token(offered, token)) => {
            return Err((StatusCode::UNAUTHORIZED, "send the token of [listen] admin, as Bearer or as Basic password"));
        }
        None if !is_loopback(host) => {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "the Host header is not a loopback address or localhost; for other names set a token",
            ));
        }
        _ => {}
    }
    if !head.method.is_safe() && !is_same_origin(header("sec-fetch-site"), header("origin"), host) {
        return Err((StatusCode::FORBIDDEN, "a page of another site may not do this"));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What browsers say of where a request comes from. Others than browsers say nothing, and do not act on others' behalf.
fn is_same_origin(site: Option<&str>, origin: Option<&str>, host: &str) -> bool {
    let by_origin = origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from == host));
    by_origin && matches!(site, None | Some("same-origin" | "none"))
}

fn is_token(offered: &str, token: &Secret) -> bool {
    let Some((scheme, credentials)) = offered.split_once(' ') else { return false };
    if scheme.eq_ignore_ascii_case("bearer") {
        return token.matches(credentials.trim().as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let Ok(pair) = STANDARD.decode(credentials.trim()).map(zeroize::Zeroizing::new) else { return false };
    // Whatever the user's name.
    let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
    token.matches(&pair[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    const TOKEN: &str = "0123456789abcdef";

    fn ask(method: &str, headers: &[(&str, &str)], token: Option<&str>) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let token = token.map(|token| Secret::new(token.into()));
        check(&head, token.as_ref(), false).err().map(|(status, _)| status.as_u16())
    }

    #[test]
    fn without_a_token_only_loopback_names_are_answered() {
        for host in ["localhost", "LOCALHOST:6390", "127.0.0.1:6390", "127.8.8.8", "[::1]:6390", "[::1]"] {
            assert_eq!(ask("GET", &[("host", host)], None), None, "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "10.0.0.1:6390", "[::2]:1", "127.0.0.1.evil", "::1"]
        {
            assert_eq!(ask("GET", &[("host", host)], None), Some(421), "{host}");
        }
        assert_eq!(ask("GET", &[], None), Some(421));
    }

    #[test]
    fn a_change_comes_from_our_own_page_or_from_no_page() {
        let host = ("host", "localhost:1");
        for (headers, answer) in [
            (&[][..], None),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:1")], None),
            (&[("sec-fetch-site", "none")], None),
            (&[("sec-fetch-site", "cross-site")], Some(403)),
            (&[("sec-fetch-site", "same-site")], Some(403)),
            (&[("origin", "http://evil.example")], Some(403)),
            (&[("origin", "http://localhost:2")], Some(403)),
            (&[("origin", "null")], Some(403)),
        ] {
            let headers: Vec<_> = headers.iter().copied().chain([host]).collect();
            assert_eq!(ask("PUT", &headers, None), answer, "{headers:?}");
            assert_eq!(ask("GET", &headers, None), None, "{headers:?}");
        }
    }

    #[test]
    fn the_token_is_taken_in_both_ways_and_nothing_else_is() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let host = ("host", "console.example");
        for right in [format!("Bearer {TOKEN}"), basic(&format!("me:{TOKEN}")), basic(&format!(":{TOKEN}"))] {
            assert_eq!(ask("GET", &[host, ("authorization", &right)], Some(TOKEN)), None, "{right}");
        }
        for wrong in [String::new(), "Bearer".into(), "Bearer x".into(), TOKEN.into(), basic(TOKEN), "Basic %".into()] {
            assert_eq!(ask("GET", &[host, ("authorization", &wrong)], Some(TOKEN)), Some(401), "{wrong}");
        }
        assert_eq!(ask("GET", &[host], Some(TOKEN)), Some(401));
        assert_eq!(ask("GET", &[("host", "localhost")], Some(TOKEN)), Some(401), "on loopback, too");
    }
}
