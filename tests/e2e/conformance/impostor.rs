//! A server that is none of ours, over TLS.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Target;
use crate::harness::Authority;

/// A server that answers whatever it is made to; it ends when this is dropped.
pub(super) struct Impostor {
    folder: TempDir,
    url: String,
    serving: JoinHandle<()>,
}

impl Impostor {
    /// Starts one whose every answer is `answer`'s.
    pub(super) async fn start<F>(answer: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        std::fs::write(folder.path().join("token"), TOKEN).expect("a file");
        let tls = TlsAcceptor::from(Arc::new(tls(&authority)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("https://{}", listener.local_addr().expect("an address"));

        let serving = tokio::spawn(serve(listener, tls, Arc::new(answer)));
        Self { folder, url, serving }
    }

    /// It as a server of a contract, at a path.
    pub(super) fn target(&self, contract: &'static str, path: &str) -> Target {
        Target {
            contract,
            url: format!("{}{path}", self.url),
            ca: self.folder.path().join("ca.pem"),
            token: self.folder.path().join("token"),
        }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<F>(
    listener: TcpListener,
    tls: TlsAcceptor,
    answer: Arc<impl Fn(Request<Bytes>) -> F + Send + Sync + 'static>,
) where
    F: Future<Output = Response<Bytes>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer) = (tls.clone(), Arc::clone(&answer));
        tokio::spawn(async move {
            // Whoever hangs up does so.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request| respond(request, &*answer));
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn respond<F: Future<Output = Response<Bytes>>>(
    request: Request<Incoming>,
    answer: &impl Fn(Request<Bytes>) -> F,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();

    Ok(answer(Request::from_parts(head, body)).await.map(Full::new))
}

fn tls(authority: &Authority) -> ServerConfig {
    let (certificate, key) = authority.server();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");

    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key")
}

/// What is presented to every impostor.
pub(super) const TOKEN: &str = "a-token-for-impostors";
