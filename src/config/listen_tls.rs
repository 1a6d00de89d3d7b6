//! `[listen.tls]`: the certificate that clients see, and those that they have to show.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use super::files;
use super::source::Sources;
use super::types::ListenTls;

const SECTION: &str = "listen.tls";

/// A file that was read, with the place of the setting that names it.
type Read = (String, Zeroizing<Vec<u8>>);

/// `None` if there is none, or a fault.
pub(super) fn read(sources: &mut Sources<'_>, file: Option<&Path>) -> Option<ListenTls> {
    let certificates = contents(sources, "cert_file", file, false);
    let key = contents(sources, "key_file", file, true);
    let roots = contents(sources, "client_ca_file", file, false);
    let any = certificates.is_some() || key.is_some() || roots.is_some();
    let (Some(certificates), Some(key)) = (certificates, key) else {
        if any && !sources.faulty("[listen.tls]", "LISTEN_TLS") {
            sources.fault("[listen.tls]", "lacks cert_file or key_file", "set both, or remove the section");
        }
        return None;
    };
    let client_certificates = roots.is_some();
    match server_config(&certificates, &key, roots.as_ref()) {
        Ok(config) => Some(ListenTls { config: Arc::new(config), client_certificates }),
        Err((place, cause, mend)) => {
            sources.fault(place, cause, mend);
            None
        }
    }
}

fn contents(sources: &mut Sources<'_>, name: &'static str, file: Option<&Path>, is_secret: bool) -> Option<Read> {
    let set = sources.text(SECTION, name)?;
    let path = files::resolve(&set.value, set.origin, file);
    if is_secret && let Some(mode) = files::open_to_others(&path) {
        sources.warn(&set.place, format!("the file is open to other users (mode {mode:04o}); set it to 0600"));
    }
    match files::read(&path) {
        Ok(bytes) => Some((set.place, bytes)),
        Err((cause, mend)) => {
            sources.fault(set.place, cause, mend);
            None
        }
    }
}

type Wrong = (String, String, &'static str);

fn server_config(certificates: &Read, key: &Read, roots: Option<&Read>) -> Result<ServerConfig, Wrong> {
    const PEM: &str = "it is PEM text, from BEGIN CERTIFICATE to END CERTIFICATE; fetch the file again";
    let chain = |read: &Read| -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read.1).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err((read.0.clone(), "the file holds no certificate, or a damaged one".into(), PEM)),
        }
    };
    let own = chain(certificates)?;
    let secret = PrivateKeyDer::from_pem_slice(&key.1).map_err(|_| {
        (key.0.clone(), "the file holds no private key".into(), "it is PEM text, from BEGIN PRIVATE KEY on")
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| (key.0.clone(), error.to_string(), "report it"))?;
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some(read) => {
            let mut store = RootCertStore::empty();
            for root in chain(read)? {
                store
                    .add(root)
                    .map_err(|_| (read.0.clone(), "a certificate in the file is damaged".to_owned(), PEM))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build();
            let failed = |error: rustls::server::VerifierBuilderError| (read.0.clone(), error.to_string(), PEM);
            builder.with_client_cert_verifier(verifier.map_err(failed)?)
        }
    };
    builder.with_single_cert(own, secret).map_err(|_| {
        (
            key.0.clone(),
            "the key is not that of the certificate, or of an unknown kind".into(),
            "name the key that belongs to cert_file",
        )
    })
}
