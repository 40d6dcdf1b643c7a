//! Services behind TLS, with a certificate of their own making.

use std::path::Path;
use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::suite::soon;

/// That services at `url` are believed behind TLS where their authority is named, and not where it is not. A connection to them is
/// opened by where they are then, and who is named.
pub(crate) async fn only_who_is_named_vouches<B: Backend>(
    url: &str,
    open: impl Fn(&str, Option<&Path>) -> B,
) {
    let folder = TempDir::new().unwrap();
    let [certified, another] = ["ca.pem", "another.pem"].map(|name| {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.path().join(name), certified.cert.pem()).unwrap();
        certified
    });
    assert_ne!(certified.cert.der(), another.cert.der());
    let url = behind_tls(url, &certified).await;

    open(&url, Some(&folder.path().join("ca.pem"))).health(soon()).await.unwrap();
    for other in [None, Some("another.pem")] {
        let other = other.map(|name| folder.path().join(name));
        let failure = open(&url, other.as_deref()).health(soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OperatorNeeded, "{failure}");
        assert!(failure.message.ends_with("vouches for it in `ca`"), "{failure}");
    }
}

/// Where the services at `url` speak TLS, with this certificate.
async fn behind_tls(url: &str, certified: &CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let (acceptor, socket) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap();

    let services = url.replace("http://", "");
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let (acceptor, services) = (acceptor.clone(), services.clone());
            tokio::spawn(pass_on(acceptor, stream, services));
        }
    });
    format!("https://{address}")
}

/// What ends on one side ends on the other.
async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, services: String) -> Option<()> {
    let mut outer = acceptor.accept(stream).await.ok()?;
    let mut inner = TcpStream::connect(services).await.ok()?;

    tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok().map(drop)
}
