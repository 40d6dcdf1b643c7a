//! HTTP/2 streams that are opened and reset at once (CVE-2023-44487): whoever does that is sent away.

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::harness::{Hash, Plan, Site, token_of, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_ends_its_connection_and_nobody_elses() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("steady", "EC-P256").await;

    let floods = async {
        for _ in 0..4 {
            let stream = gateway.server.connect(rustls::ALL_VERSIONS, "h2").await.expect("a connection");
            assert_eq!(within("the flood to be ended", flood(stream)).await, Some(ENHANCE_YOUR_CALM));
        }
    };
    let others = async {
        for round in 0..100_u32 {
            webhook.sign(&key, Hash::Sha256, &round.to_be_bytes()).await;
        }
    };
    tokio::join!(floods, others);

    gateway.webhook(&token_of("acme")).sign(&key, Hash::Sha256, b"on a new connection").await;
    assert_eq!(gateway.ask_admin("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_few_resets_end_nothing() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let stream = gateway.server.connect(rustls::ALL_VERSIONS, "h2").await.expect("a connection");
    let (mut reader, mut writer) = split(stream);

    let few: Vec<u8> = (0..8).flat_map(opened_and_reset).collect();
    writer.write_all(&[&hello()[..], &few, &frame(PING, 0, 0, &[7; 8])].concat()).await.unwrap();
    writer.flush().await.unwrap();

    let answered = within("an answer", async {
        loop {
            let frame = next(&mut reader).await.expect("the connection is there");
            match frame.kind {
                GOAWAY | PING => return frame.kind,
                _ => continue,
            }
        }
    })
    .await;
    assert_eq!(answered, PING, "eight resets are no flood");
}

/// Opens and resets streams, up to a bound that is never reached. The error code that the server ends it with.
async fn flood(stream: TlsStream<TcpStream>) -> Option<u32> {
    let (mut reader, mut writer) = split(stream);
    let writing = async {
        writer.write_all(&hello()).await?;
        for burst in 0..50 {
            let burst: Vec<u8> = (burst * 100..(burst + 1) * 100).flat_map(opened_and_reset).collect();
            writer.write_all(&burst).await?;
            writer.flush().await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let reading = async {
        let mut code = None;
        while let Some(Frame { kind, payload }) = next(&mut reader).await {
            if kind == GOAWAY {
                code = payload.get(4..8).and_then(|code| Some(u32::from_be_bytes(code.try_into().ok()?)));
            }
        }
        code
    };

    // The server stops reading at some point: that is how it ends.
    let (_written, code) = tokio::join!(writing, reading);
    code
}

/// The preface, and settings that change nothing (RFC 9113, section 3.4).
fn hello() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat()
}

/// A request for the list of keys by a caller who may have it, and its end before the answer.
fn opened_and_reset(number: u32) -> Vec<u8> {
    let stream = 2 * number + 1;
    let path = b"/webhook/keys";
    let bearer = format!("Bearer {}", token_of("acme"));
    // `:method: GET`, `:scheme: https`, then `:authority`, `:path` and `authorization` as literals (RFC 7541, appendix A).
    let mut fields = vec![0x82, 0x87];
    for (name, value) in
        [(&[0x01][..], &b"localhost"[..]), (&[0x04], path), (&[0x0f, 0x08], bearer.as_bytes())]
    {
        fields.extend_from_slice(name);
        fields.push(u8::try_from(value.len()).expect("a short value"));
        fields.extend_from_slice(value);
    }

    let opened = frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields);
    [opened, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
}

/// One frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();

    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A frame that the server sent.
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

/// The next one; `None` once the connection is closed.
async fn next(reader: &mut ReadHalf<TlsStream<TcpStream>>) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    reader.read_exact(&mut payload).await.ok()?;

    Some(Frame { kind: head[3], payload })
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;
