//! The listener: TLS and certificates of clients, and clients that take too long or are too many.

mod support;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use support::certs::Certs;
use support::raw::End;
use support::{Frame, Raw, Sidecar, Upstream, encrypt_everything, free_port};

/// Certificates for clients, under an authority of their own in `clients.pem`.
struct Clients {
    params: CertificateParams,
    key: KeyPair,
}

impl Clients {
    fn new(dir: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Waxseal test clients");
        fs::write(dir.join("clients.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { params, key }
    }

    fn certificate(&self, dns: &str, uri: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

type Shown = Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>;

fn tls(port: u16, ca: &Path, shown: Shown) -> Raw {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    Raw::tls(StreamOwned::new(connection, socket))
}

/// `[listen.tls]` with the certificate of `certs`; the port of the further address is given back.
fn with_tls(settings: &mut support::sidecar::Settings, certs: &Certs, client_ca: Option<&Path>) {
    let roots = client_ca.map_or(String::new(), |path| format!("client_ca_file = \"{}\"\n", path.display()));
    settings.listen += &format!(
        "[listen.tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n{roots}",
        certs.certificate.display(),
        certs.key.display()
    );
}

#[test]
fn tls_carries_small_and_large_and_ends_cleanly() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let certs = Certs::write(dir.path(), &["localhost"]);
    let port = free_port();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.redis.push(format!("tls:127.0.0.1:{port}"));
        with_tls(settings, &certs, None);
    });
    assert!(sidecar.stderr().contains(&format!("tls:127.0.0.1:{port}")));
    let mut client = tls(port, &certs.ca, None);
    assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    let large = vec![b'x'; 8 * 1024 * 1024];
    assert_eq!(client.command(&[b"SET", b"session:large", &large]), Frame::ok());
    assert_eq!(client.run("GET session:large"), Frame::bulk(&large));
    // A pipeline whose replies are more than TLS and socket take at once.
    let piece = vec![b'y'; 100_000];
    assert_eq!(client.command(&[b"SET", b"session:piece", &piece]), Frame::ok());
    client.send(&b"GET session:piece\r\n".repeat(200));
    for _ in 0..200 {
        assert_eq!(client.read(), Frame::bulk(&piece));
    }
    assert_eq!(client.run("QUIT"), Frame::ok());
    assert_eq!(client.try_read(), Err(End::Closed));
    // Without TLS nobody is answered there.
    let mut plain = Raw::tcp(port);
    plain.send(b"PING\r\n");
    assert!(!String::from_utf8_lossy(&plain.drain(Duration::from_secs(2)).0).contains("PONG"));
}

#[test]
fn certificates_are_asked_for_and_say_who_a_client_is() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let certs = Certs::write(dir.path(), &["localhost"]);
    let clients = Clients::new(dir.path());
    let strangers = {
        let other = tempfile::tempdir().unwrap();
        Clients::new(other.path())
    };
    let port = free_port();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.redis.push(format!("tls:0.0.0.0:{port}"));
        settings.redis.remove(0);
        with_tls(settings, &certs, Some(&dir.path().join("clients.pem")));
        settings.more = "[[identity]]\nname = \"app\"\ncertificates = [\"app.internal\"]\n\
                         [[identity]]\nname = \"worker\"\ncertificates = [\"spiffe://cluster/ns/worker\"]\nread_only = true\n"
            .into();
    });
    let _ = &sidecar;
    let mut app = tls(port, &certs.ca, Some(clients.certificate("app.internal", "spiffe://cluster/ns/app")));
    assert_eq!(app.run("ACL WHOAMI"), Frame::bulk("app"));
    assert_eq!(app.run("SET session:a v"), Frame::ok());
    let mut worker = tls(port, &certs.ca, Some(clients.certificate("x.internal", "spiffe://cluster/ns/worker")));
    assert_eq!(worker.run("ACL WHOAMI"), Frame::bulk("worker"));
    assert!(worker.run("SET session:a v").is_error("NOPERM"));
    let mut nobody =
        tls(port, &certs.ca, Some(clients.certificate("app.internal.evil", "spiffe://cluster/ns/workers")));
    assert!(nobody.run("PING").is_error("NOAUTH"), "a name of nobody");
    for shown in [None, Some(strangers.certificate("app.internal", "spiffe://cluster/ns/app"))] {
        let mut refused = tls(port, &certs.ca, shown);
        refused.send_lossy(b"PING\r\n");
        assert_eq!(refused.try_read(), Err(End::Closed), "without a certificate of that authority");
    }
}

#[test]
fn whoever_takes_too_long_is_cut() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let certs = Certs::write(dir.path(), &["localhost"]);
    let port = free_port();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.redis.push(format!("tls:127.0.0.1:{port}"));
        settings.listen =
            "auth = \"required\"\nhandshake_timeout = \"2s\"\nrequest_timeout = \"3s\"\nidle_timeout = \"8s\"\n".into();
        with_tls(settings, &certs, None);
    });
    let begin = Instant::now();
    let mut silent = Raw::tcp(port);
    let mut stranger = sidecar.connect();
    assert!(stranger.run("PING").is_error("NOAUTH"));
    let mut slow = sidecar.connect();
    let mut idle = sidecar.connect();
    let mut subscriber = sidecar.connect();
    for client in [&mut slow, &mut idle, &mut subscriber] {
        assert_eq!(client.run(&format!("AUTH {}", support::upstream::PASSWORD)), Frame::ok());
    }
    subscriber.run("SUBSCRIBE c").items();
    assert!(silent.drain(Duration::from_secs(10)).1, "TLS has not begun");
    assert!(begin.elapsed() >= Duration::from_secs(2));
    assert!(stranger.drain(Duration::from_secs(10)).1, "nobody has logged in");
    // A request that drips is cut however steadily it comes.
    slow.send(b"*2\r\n$3\r\nGET\r\n$100\r\n");
    let begin = Instant::now();
    loop {
        slow.send_lossy(b"x");
        if slow.some(Duration::from_millis(300)).1 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(15), "a slow request is not cut");
    }
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(idle.drain(Duration::from_secs(20)).1, "an idle client is not cut");
    // Who waits for messages does something.
    assert_eq!(upstream.raw().run("PUBLISH c m"), Frame::Integer(1));
    assert_eq!(subscriber.read().items()[2], Frame::bulk("m"));
    // And who works goes on.
    let mut busy = sidecar.connect();
    assert_eq!(busy.run(&format!("AUTH {}", support::upstream::PASSWORD)), Frame::ok());
}

#[test]
fn one_address_does_not_take_all_places() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::start_with(&upstream, |settings| {
        encrypt_everything(settings);
        settings.listen = "max_clients_per_address = 3\n".into();
    });
    let mut clients: Vec<Raw> = (0..3).map(|_| sidecar.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.run("PING"), Frame::Simple("PONG".into()));
    }
    assert_eq!(sidecar.connect().read(), Frame::Error("ERR max number of clients reached".into()));
    // A unix socket has no address.
    assert_eq!(Raw::unix(&sidecar.unix_path()).run("PING"), Frame::Simple("PONG".into()));
    clients.pop();
    support::wait_until("a place is free", || sidecar.connect().run("PING") == Frame::Simple("PONG".into()));
}

/// Who has not even begun is not waited for.
#[test]
fn a_handshake_that_never_comes_does_not_hold_the_end_up() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let certs = Certs::write(dir.path(), &["localhost"]);
    let port = free_port();
    let mut sidecar = Sidecar::start_with(&upstream, |settings| {
        settings.redis.push(format!("tls:127.0.0.1:{port}"));
        with_tls(settings, &certs, None);
    });
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(tls(port, &certs.ca, None).run("PING"), Frame::Simple("PONG".into()));
    let begin = Instant::now();
    sidecar.terminate();
    assert!(sidecar.wait_for_exit().success());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
