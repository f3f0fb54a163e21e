//! TLS of the listener: a certificate with its key, read from files, and again when they change. Versions and ciphers are those of rustls.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::{Error, Reload};
use crate::config::Server;
use crate::secret::Secret;

const CERT_FILE: &str = "server.tls_cert_file";
const KEY_FILE: &str = "server.tls_key_file";

/// The certificate that is shown to whoever connects now. Connections that are there already keep what they were made with.
#[derive(Debug)]
pub(super) struct Certificate(ArcSwap<CertifiedKey>);

/// That of the settings, read again when its files change; `None` when they name none. A pair that cannot be used changes nothing: whoever
/// replaces two files one after the other is in between for a moment.
///
/// # Errors
/// [`Error::Tls`]: a file cannot be read, holds something else, or the two do not belong together.
pub(super) fn certificate(server: &Server, reload: &mut Reload) -> Result<Option<Arc<Certificate>>, Error> {
    let (Some(cert_file), Some(key_file)) = (server.tls_cert_file.clone(), server.tls_key_file.clone()) else {
        return Ok(None);
    };
    let certificate = Arc::new(Certificate(ArcSwap::from_pointee(pair(&cert_file, &key_file)?)));
    let shown = Arc::clone(&certificate);
    reload.add("the certificate", vec![cert_file.clone(), key_file.clone()], move || {
        let pair = pair(&cert_file, &key_file).map_err(|error| error.to_string())?;
        Ok(shown.replace(pair).then(|| "new connections are shown the new one".to_owned()))
    });
    Ok(Some(certificate))
}

/// Whether the certificate of the settings, if they name one, can be shown.
///
/// # Errors
/// [`Error`]: a file cannot be read, holds no certificate or no key, or the two do not belong together.
pub fn check_certificate(server: &Server) -> Result<(), Error> {
    let (Some(cert_file), Some(key_file)) = (&server.tls_cert_file, &server.tls_key_file) else { return Ok(()) };
    pair(cert_file, key_file).map(drop)
}

impl Certificate {
    /// Whether that was another one.
    fn replace(&self, pair: CertifiedKey) -> bool {
        let is_new = pair.cert != self.0.load().cert;
        if is_new {
            self.0.store(Arc::new(pair));
        }
        is_new
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// How connections are encrypted. HTTP/2 is not offered, nor is early data, which could be replayed.
///
/// # Errors
/// [`Error::Tls`], if rustls had none of its own ciphers.
pub(super) fn settings(certificate: Arc<Certificate>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
    let builder = builder.map_err(|error| refused(CERT_FILE, error.to_string()))?;
    Ok(builder.with_no_client_auth().with_cert_resolver(certificate))
}

/// Named, instead of whichever a process may have installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn pair(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, Error> {
    let content =
        |setting, file: &Path| Secret::read(file).map_err(|error| refused(setting, format!("cannot read {}: {error}", file.display())));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(content(CERT_FILE, cert_file)?.expose().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| refused(CERT_FILE, format!("{} is damaged: it must hold certificates in PEM form", cert_file.display())))?;
    if chain.is_empty() {
        return Err(refused(CERT_FILE, format!("{} holds no certificate in PEM form", cert_file.display())));
    }
    let key = PrivateKeyDer::from_pem_slice(content(KEY_FILE, key_file)?.expose().as_bytes());
    let key = key.map_err(|_| refused(KEY_FILE, format!("{} holds no private key in PEM form, without a password", key_file.display())))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => refused(KEY_FILE, format!("is not the key of the certificate in {}", cert_file.display())),
        rustls::Error::InvalidCertificate(_) => {
            refused(CERT_FILE, format!("{} holds no certificate that can be read", cert_file.display()))
        }
        error => refused(KEY_FILE, format!("the pair cannot be used: {error}")),
    })
}

fn refused(setting: &'static str, reason: String) -> Error {
    Error::Tls { setting, reason }
}
