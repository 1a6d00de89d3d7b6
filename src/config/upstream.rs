//! `[upstream]`: where the database is, how to trust it, how to log in.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};

use super::defaults::{CONNECT_TIMEOUT, MAX_CONNECT_TIMEOUT};
use super::files;
use super::secret::Secret;
use super::source::{Origin, Set, Sources};
use super::types::{Lanes, Tls, Upstream};
use super::url::Url;

/// The REST addresses that an Upstash console paste, or Vercel's storage, brings.
const REST_URLS: [&str; 2] = ["UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];
/// The tokens that go with them. A token is the password of user `default`.
const TOKENS: [&str; 2] = ["UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_TOKEN"];
/// Read-only tokens: the password of user `default_ro`.
const READ_ONLY_TOKENS: [&str; 2] = ["UPSTASH_REDIS_REST_READONLY_TOKEN", "KV_REST_API_READ_ONLY_TOKEN"];
const PASSWORD: &str = "WAXSEAL_UPSTREAM_PASSWORD";
const READ_ONLY_USER: &str = "default_ro";

/// What kind of Upstash token the password is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Standard,
    ReadOnly,
}

/// A URL with the place it came from.
struct Address {
    place: String,
    url: Url,
    from_rest: bool,
}

pub(super) fn read(sources: &mut Sources<'_>, file: Option<&Path>) -> Option<Upstream> {
    let address = address(sources, file);
    let insecure = sources.flag_setting("upstream", "insecure");
    let server_name = sources.text("upstream", "server_name");
    let ca = ca_pem(sources, file);
    let username = sources.text("upstream", "username");
    let token_kind = sources.choice(
        "upstream",
        "token_kind",
        &[("standard", TokenKind::Standard), ("read_only", TokenKind::ReadOnly)],
    );
    let lanes = sources.choice("upstream", "lanes", &[("shared", Lanes::Shared), ("dedicated", Lanes::Dedicated)]);
    let connect_timeout =
        sources.duration("upstream", "connect_timeout", Duration::from_millis(1)..=MAX_CONNECT_TIMEOUT);
    let in_url = address.as_ref().and_then(|one| one.url.password.clone());
    let password = password(sources, in_url);

    let Address { place, url, from_rest } = address?;
    let kind = match (&token_kind, &password) {
        (Some(set), _) => set.value,
        (None, Some((_, kind))) => *kind,
        (None, None) => TokenKind::Standard,
    };
    let username = match (username, url.user.clone()) {
        (Some(set), _) => Some(set.value),
        // `default` is what every paste says; that user never takes the read-only token.
        (None, None) if kind == TokenKind::ReadOnly => Some(READ_ONLY_USER.into()),
        (None, Some(user)) if kind == TokenKind::ReadOnly && user == "default" => Some(READ_ONLY_USER.into()),
        (None, user) => user,
    };
    if password.is_none() {
        let text = "there is no password for the upstream; it comes from WAXSEAL_UPSTREAM_PASSWORD \
                    or UPSTASH_REDIS_REST_TOKEN, or the same names with _FILE";
        if from_rest {
            sources.fault(&place, "comes without its token", text);
        } else {
            sources.warn(&place, text);
        }
    }
    let tls = if url.tls {
        if let Some(set) = insecure.filter(|set| set.value) {
            sources.warn(
                set.place,
                "has no effect: it allows a redis:// upstream, and never turns the verification of \
                 certificates off",
            );
        }
        Some(Tls { server_name: verified_name(sources, server_name, &place, &url)?, ca_pem: ca.map(|set| set.value) })
    } else {
        plain(sources, &place, &url, insecure.is_some_and(|set| set.value));
        let unused = [server_name.map(|set| set.place), ca.map(|set| set.place)];
        for place in unused.into_iter().flatten() {
            sources.warn(place, "has no effect: the upstream is reached without TLS");
        }
        None
    };
    Some(Upstream {
        host: url.host,
        port: url.port,
        tls,
        username,
        password: password.map(|(secret, _)| secret),
        lanes: lanes.map_or(Lanes::Shared, |set| set.value),
        connect_timeout: connect_timeout.map_or(CONNECT_TIMEOUT, |set| set.value),
    })
}

fn address(sources: &mut Sources<'_>, file: Option<&Path>) -> Option<Address> {
    let rest: Vec<(&str, String)> =
        REST_URLS.iter().filter_map(|name| Some((*name, sources.variable(name)?))).collect();
    let (place, parsed, origin, from_rest) = if sources.has("upstream", "url") {
        let set = sources.text("upstream", "url")?;
        (set.place, Url::parse(&set.value), set.origin, false)
    } else if let Some((name, text)) = rest.into_iter().next() {
        sources.text("upstream", "url");
        (name.to_owned(), Url::from_rest(&text), Origin::Environment, true)
    } else {
        sources.text("upstream", "url");
        sources.fault(
            "[upstream] url",
            "is missing",
            "set it to rediss://default@HOST:6379 (or --upstream, or WAXSEAL_UPSTREAM_URL), or set \
             UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN",
        );
        return None;
    };
    match parsed {
        Ok(url) if origin == Origin::Flag && url.password.is_some() => {
            sources.fault(
                place,
                "has a password in it; every user of this machine can read command lines",
                "leave the password out and put it in WAXSEAL_UPSTREAM_PASSWORD, or in a file named \
                 by WAXSEAL_UPSTREAM_PASSWORD_FILE; then change it, as it was seen",
            );
            None
        }
        Ok(url) => {
            if origin == Origin::File
                && url.password.is_some()
                && let Some(mode) = file.and_then(files::open_to_others)
            {
                sources.warn(
                    &place,
                    format!(
                        "has a password in a file that is open to other users (mode {mode:04o}): \
                         chmod 600"
                    ),
                );
            }
            Some(Address { place, url, from_rest })
        }
        Err((cause, mend)) => {
            sources.fault(place, cause, mend);
            None
        }
    }
}

/// The password that is meant for us by name, else the one in the address, else a token.
fn password(sources: &mut Sources<'_>, in_url: Option<Secret>) -> Option<(Secret, TokenKind)> {
    let own = secret_variable(sources, PASSWORD);
    let mut found = own.or(in_url).map(|secret| (secret, TokenKind::Standard));
    let tokens = TOKENS.iter().map(|name| (name, TokenKind::Standard));
    let read_only = READ_ONLY_TOKENS.iter().map(|name| (name, TokenKind::ReadOnly));
    for (name, kind) in tokens.chain(read_only) {
        if found.is_none() {
            found = secret_variable(sources, name).map(|secret| (secret, kind));
        }
    }
    found
}

/// A secret from the variable of that name, or from the file that `NAME_FILE` names.
fn secret_variable(sources: &mut Sources<'_>, name: &str) -> Option<Secret> {
    let direct = sources.variable(name).map(Secret::new);
    let variable = format!("{name}_FILE");
    let Some(path) = sources.variable(&variable) else {
        return direct;
    };
    if direct.is_some() {
        sources.fault(
            &variable,
            format!("is set, and {name} too; which of them counts would be a guess"),
            "unset one of them",
        );
        return None;
    }
    match files::secret(Path::new(&path)) {
        Ok(secret) => Some(secret),
        Err((cause, mend)) => {
            sources.fault(variable, cause, mend);
            None
        }
    }
}

fn ca_pem(sources: &mut Sources<'_>, file: Option<&Path>) -> Option<Set<Vec<u8>>> {
    let set = sources.text("upstream", "ca_file")?;
    let path = files::resolve(&set.value, set.origin, file);
    let bytes = match files::read(&path) {
        Ok(bytes) => bytes.to_vec(),
        Err((cause, mend)) => {
            sources.fault(set.place, cause, mend);
            return None;
        }
    };
    let mut number = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let usable = certificate.ok().is_some_and(|der| rustls::RootCertStore::empty().add(der).is_ok());
        number += 1;
        if !usable {
            sources.fault(
                &set.place,
                format!("certificate {number} in the file is damaged"),
                "fetch the file again; it is PEM text, from BEGIN to END CERTIFICATE",
            );
            return None;
        }
    }
    if number == 0 {
        sources.fault(
            &set.place,
            "there is no certificate in the file",
            "name a file of PEM certificates (-----BEGIN CERTIFICATE-----)",
        );
        return None;
    }
    Some(Set { place: set.place, origin: set.origin, value: bytes })
}

fn verified_name(
    sources: &mut Sources<'_>,
    set: Option<Set<String>>,
    url_place: &str,
    url: &Url,
) -> Option<ServerName<'static>> {
    let (place, name) = match set {
        Some(set) => (set.place, set.value),
        None => (url_place.to_owned(), url.host.clone()),
    };
    let name = ServerName::try_from(name).ok();
    if name.is_none() {
        sources.fault(
            place,
            "is not a name that a certificate could be made out for",
            "use the host name or IP address that the certificate carries",
        );
    }
    name
}

/// Without TLS everything but the values can be read on the way, the password included.
fn plain(sources: &mut Sources<'_>, place: &str, url: &Url, insecure: bool) {
    if !url.is_loopback() {
        sources.fault(
            place,
            "would send the password and all key names over the network without TLS",
            "use rediss://; redis:// is for a loopback address only",
        );
    } else if !insecure {
        sources.fault(
            place,
            "has no TLS",
            "use rediss://, or allow it for this loopback address with insecure = true in \
             [upstream] (--insecure-upstream)",
        );
    }
}
