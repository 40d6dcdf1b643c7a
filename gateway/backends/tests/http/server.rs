//! Servers that answer what a test says, whatever they are asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server, with what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that answers each request with these bytes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::start(answer.into(), Duration::ZERO).await
    }

    /// One that sends a byte each so often.
    pub(crate) async fn dripping(answer: impl Into<Vec<u8>>, pause: Duration) -> Self {
        Self::start(answer.into(), pause).await
    }

    /// One at this address, which has nothing to say.
    pub(crate) async fn at(address: &str, port: u16) -> Self {
        Self::start_on(TcpListener::bind((address, port)).await.unwrap(), Vec::new(), Duration::ZERO)
    }

    async fn start(answer: Vec<u8>, pause: Duration) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer, pause)
    }

    fn start_on(socket: TcpListener, answer: Vec<u8>, pause: Duration) -> Self {
        let (address, heard) = (socket.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());

        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(stream, answer.clone(), pause, Arc::clone(&hears)));
            }
        });
        Self { address, heard }
    }

    /// Each request, as it came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Vec<u8>, pause: Duration, heard: Arc<Mutex<Vec<String>>>) {
    let mut request = vec![0; 64 << 10];
    let length = stream.read(&mut request).await.unwrap_or_default();
    heard.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());

    if pause.is_zero() {
        stream.write_all(&answer).await.ok();
        return;
    }
    for byte in answer {
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// A response with this status and body.
pub(crate) fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
