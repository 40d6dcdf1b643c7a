//! Bytes on a TLS connection, for what no client would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::client::Server;
use super::wait::within;

/// A connection that speaks whatever it is told.
pub(crate) struct Wire {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Wire {
    /// Connects to `server`, for HTTP/1.1.
    pub(crate) async fn open(server: &Server) -> Self {
        let stream = within("a handshake", server.connect(rustls::ALL_VERSIONS, "http/1.1")).await;

        Self::over(stream.expect("a connection"))
    }

    /// Speaks over `stream`.
    pub(crate) fn over(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Sends `bytes`. The server may have gone away meanwhile; that shows in what it answers.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        if let Err(error) = within("the server to read", sent).await {
            eprintln!("the server stopped reading: {error}");
        }
    }

    /// Everything the server sends until it closes the connection, which must come in time.
    pub(crate) async fn until_closed(&mut self) -> String {
        within("the server to close the connection", async { while self.read().await {} }).await;

        self.text()
    }

    /// Everything the server sends until it closes the connection or has nothing to say for `silence`.
    pub(crate) async fn until_silent(&mut self, silence: Duration) -> String {
        while matches!(timeout(silence, self.read()).await, Ok(true)) {}

        self.text()
    }

    /// Everything the server sends until that contains `text`, or it closes the connection.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        within(text, async { while !self.text().contains(text) && self.read().await {} }).await;

        self.text()
    }

    /// Reads a piece; `false` once there are no more.
    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.received.extend_from_slice(&piece[..length]);
                true
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
