//! The floor: a server that costs what TLS, HTTP, JSON and one signature cost, and does nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::certificate::{CERTIFICATE, KEY};
use crate::disk;
use crate::key::{KeyType, SigningKey, pem};

/// Serves signatures and nothing else: what the bench compares the gateway with
#[derive(Debug, clap::Args)]
pub(crate) struct Floor {
    /// The type of its one key
    #[arg(long, value_enum)]
    key_type: KeyType,
    /// The folder with server.pem and server.key
    #[arg(long)]
    folder: PathBuf,
    /// Append a line to a file in the folder and force it to the disk before each answer
    #[arg(long)]
    force: bool,
}

impl Floor {
    /// Serves until it is killed.
    pub(crate) fn serve(&self) -> Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.accept())
    }

    async fn accept(&self) -> Result<()> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&self.folder)?));
        let mut signer = Signer::new(self.key_type)?;
        if self.force {
            signer.record = Some(Mutex::new(File::create(self.folder.join("record"))?));
        }
        let signer = Arc::new(signer);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("ready https://{}", listener.local_addr()?);

        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&signer)));
        }
    }
}

/// A client that goes away ends its connection; there is nothing else to do about it.
async fn connection(stream: TcpStream, acceptor: TlsAcceptor, signer: Arc<Signer>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| {
        let signer = Arc::clone(&signer);
        async move { signer.answer(request).await }
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

#[derive(Debug)]
struct Signer {
    key_type: KeyType,
    key: SigningKey,
    public_key: String,
    fingerprint: String,
    /// What is forced to the disk before each answer.
    record: Option<Mutex<File>>,
}

#[derive(Deserialize)]
struct SignRequest<'a> {
    digest: &'a str,
    hash_algorithm: &'a str,
}

#[derive(Serialize)]
struct Signed<'a> {
    signature: String,
    key_fingerprint: &'a str,
}

#[derive(Serialize)]
struct Created<'a> {
    public_key: &'a str,
    fingerprint: &'a str,
}

impl Signer {
    fn new(key_type: KeyType) -> Result<Self> {
        let key = SigningKey::generate(key_type)?;
        let der = key.public_der()?;
        let fingerprint = format!("sha256:{}", hex::encode(digest(&SHA256, &der)));
        Ok(Self { key_type, key, public_key: pem(&der), fingerprint, record: None })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/webhook/keys") => {
                let created = Created { public_key: &self.public_key, fingerprint: &self.fingerprint };
                json(StatusCode::CREATED, &created)
            }
            (&Method::POST, path) if path.ends_with("/sign") => {
                let body = request.into_body().collect().await?.to_bytes();
                json(StatusCode::OK, &self.sign(&body)?)
            }
            _ => json(StatusCode::NOT_FOUND, &"no such path"),
        }
    }

    fn sign(&self, body: &[u8]) -> Result<Signed<'_>> {
        let request: SignRequest<'_> = serde_json::from_slice(body)?;
        anyhow::ensure!(request.hash_algorithm == self.key_type.hash_name(), "another hash");
        let digest = Digest::import_less_safe(&STANDARD.decode(request.digest)?, self.key_type.hash())?;

        let signature = STANDARD.encode(self.key.sign(&digest)?);
        if let Some(record) = &self.record {
            disk::forced_append(&mut record.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(Signed { signature, key_fingerprint: &self.fingerprint })
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Full<Bytes>>> {
    let mut response = Response::new(Full::new(serde_json::to_vec(body)?.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn tls(folder: &Path) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(folder.join(CERTIFICATE))
        .and_then(Iterator::collect)
        .map_err(|bad| anyhow::anyhow!("cannot read the certificate: {bad}"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))
        .map_err(|bad| anyhow::anyhow!("cannot read the key: {bad}"))?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the key does not fit the certificate")
}
