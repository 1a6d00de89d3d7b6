//! A certificate authority of this test's own and a server certificate under it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub struct Certs {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certs {
    /// For a server of the test's own that shows this certificate.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).expect("certificate")];
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).expect("certificate and key"))
    }

    /// Writes `ca.pem`, `server.pem` and `server.key` into `dir`; the server's certificate is for `names`.
    pub fn write(dir: &Path, names: &[&str]) -> Self {
        let ca_key = KeyPair::generate().expect("key");
        let mut ca = CertificateParams::new(Vec::new()).expect("params");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "Waxseal test authority");
        let ca_pem = ca.self_signed(&ca_key).expect("self-signed").pem();

        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut server = CertificateParams::new(names).expect("names");
        server.distinguished_name.push(DnType::CommonName, "Waxseal test server");
        let pem = server.signed_by(&key, &Issuer::from_params(&ca, ca_key)).expect("signed").pem();

        let certs = Self { ca: dir.join("ca.pem"), certificate: dir.join("server.pem"), key: dir.join("server.key") };
        std::fs::write(&certs.ca, ca_pem).expect("write");
        std::fs::write(&certs.certificate, pem).expect("write");
        std::fs::write(&certs.key, key.serialize_pem()).expect("write");
        certs
    }
}
