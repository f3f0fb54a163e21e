//! A database whose certificate is another's is told nothing.

use std::sync::Arc;

use hallpass::store::{Database, Error};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::faults::ended;

fn made(name: &str) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn server(pair: &rcgen::CertifiedKey<rcgen::KeyPair>) -> ServerConnection {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    ServerConnection::new(Arc::new(config.with_single_cert(vec![pair.cert.der().clone()], key).unwrap())).unwrap()
}

/// Agrees to TLS, as a PostgreSQL server does, and gives what was said after the handshake.
async fn heard(listener: TcpListener, mut tls: ServerConnection) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 8];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "an SSLRequest");
    stream.write_all(b"S").await.unwrap();
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        let mut part = &part[..length];
        while !part.is_empty() && tls.read_tls(&mut part).is_ok_and(|taken| taken > 0) {}
        let state = tls.process_new_packets();
        let Ok(state) = state else { break };
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        std::io::Read::read_exact(&mut tls.reader(), &mut plain).unwrap();
        heard.append(&mut plain);
        let mut answer = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut answer).unwrap();
        }
        if !heard.is_empty() || stream.write_all(&answer).await.is_err() {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn l22_a_server_with_another_certificate_learns_neither_user_nor_password() {
    let (ours, other, named) = (made("localhost"), made("localhost"), made("elsewhere.example"));
    let folder = tempfile::tempdir().unwrap();
    for (shown, root, is_ours) in [(&ours, &ours, true), (&other, &ours, false), (&named, &named, false)] {
        let file = folder.path().join("root.pem");
        std::fs::write(&file, root.cert.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("postgres://somebody:s3cret@localhost:{port}/x?sslmode=verify-full&sslrootcert={}", file.display());
        let database = Database::open(&url, 1).unwrap();
        let (outcome, heard) = ended(async { tokio::join!(database.ping(), heard(listener, server(shown))) }).await;
        assert!(matches!(&outcome, Err(Error::Unavailable { cause }) if !cause.contains("s3cret")), "{outcome:?}");
        assert_eq!(heard.windows(8).any(|part| part == b"somebody"), is_ours, "{}", String::from_utf8_lossy(&heard));
    }
}
