//! A client that costs little: HTTP/1.1 with keep-alive over TLS 1.3, one request at a time on a connection.
//!
//! Requests are bytes made beforehand, and of an answer only what is needed is read, so that the load generator is
//! never what limits.

mod answer;
mod target;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::contract::Contract;
use crate::key::{KeyType, VerifyingKey};
pub(crate) use answer::Answer;
use answer::Head;
pub(crate) use target::Target;

/// One connection.
#[derive(Debug)]
pub(crate) struct Client<S = TlsStream<TcpStream>> {
    stream: S,
    buffer: Vec<u8>,
}

impl Client<TcpStream> {
    /// Connects without TLS.
    pub(crate) async fn connect_plainly(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(BUFFER) })
    }
}

impl Client {
    /// Connects, and waits for the TLS handshake.
    pub(crate) async fn connect(target: &Target) -> Result<Self> {
        let tcp = TcpStream::connect(target.address).await.context("cannot connect")?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(target.address.ip());
        let stream = TlsConnector::from(target.tls.clone()).connect(name, tcp).await.context("no TLS")?;
        Ok(Self { stream, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Creates a key.
    pub(crate) async fn create(
        &mut self,
        target: &Target,
        contract: Contract,
        name: &str,
        key_type: KeyType,
    ) -> Result<VerifyingKey> {
        let answer = self.exchange(&contract.create(target, name, key_type)).await?;

        contract.created(&answer, key_type, target.proof)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Sends `request` and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;

        self.buffer.clear();
        let head = loop {
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
            self.read().await?;
        };
        while self.buffer.len() < head.length + head.body {
            self.read().await?;
        }
        ensure!(self.buffer.len() == head.length + head.body, "more than was asked for");
        Ok(Answer { status: head.status, body: &self.buffer[head.length..] })
    }

    async fn read(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }
}

const BUFFER: usize = 16 * 1024;
