//! What a cluster's API server says of service accounts' tokens (TokenReview), for OpenBao's Kubernetes login to ask.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that knows one service account.
#[derive(Debug)]
pub(crate) struct Reviewer {
    address: SocketAddr,
    token: String,
}

impl Reviewer {
    /// One that knows the service account `name` of the namespace `default`, by a token with this id.
    pub(crate) async fn start(id: &str, name: &'static str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = json!({
            "iss": "kubernetes", "jti": id, "sub": format!("system:serviceaccount:default:{name}"), "nbf": 1_000_000_000, "exp": 4_000_000_000_u32,
            "kubernetes.io": { "namespace": "default", "serviceaccount": { "name": name, "uid": "1" } },
        });
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let token = format!(
            "{}.{}.{}",
            encode(header.to_string()),
            encode(claims.to_string()),
            encode(id.to_owned())
        );

        let known = token.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                review(stream, &known, name).await.ok();
            }
        });
        Self { address, token }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The service account's token.
    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }
}

async fn review(mut stream: TcpStream, known: &str, name: &str) -> std::io::Result<()> {
    let mut request = vec![0; 64 << 10];
    let mut length = 0;
    // The body is an object, and its last brace the last byte.
    while !request[..length].trim_ascii_end().ends_with(b"}") {
        match stream.read(&mut request[length..]).await? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    let asked = String::from_utf8_lossy(&request[..length]);
    let is_known = asked.contains("/apis/authentication.k8s.io/v1/tokenreviews") && asked.contains(known);

    let user = json!({ "username": format!("system:serviceaccount:default:{name}"), "uid": "1" });
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": { "authenticated": is_known, "user": user },
    });
    let body = body.to_string();
    let fields = "content-type: application/json\r\nconnection: close";
    let answer = format!("HTTP/1.1 201 Created\r\n{fields}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await
}
