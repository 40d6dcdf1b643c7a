//! What can stand between the gateway and the server, and does not always do what it should.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::peer::{Bao, client};

/// A request that came by.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    /// What comes after `/v1/`.
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// It is passed on, and the answer passed back.
    Pass,
    /// It is answered here: status, header fields, body.
    Answer(u16, &'static str, &'static str),
    /// It is passed on, and the answer is another one.
    Lie(fn(&str) -> String),
    /// It is passed on, and the answer breaks off.
    BreakOff,
    /// It is not passed on, and nothing is answered.
    Hang,
    /// It is passed on, and nothing is answered.
    HangAfter,
    /// The connection is closed.
    Reset,
}

type Script = Box<dyn FnMut(&Heard) -> Then + Send>;

/// What stands in between.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Told of each request that hangs.
    pub(crate) hanging: Arc<Notify>,
    /// Requests that are being answered, and the most of them so far.
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    server: Arc<str>,
    client: Client,
}

impl Proxy {
    /// One before a server; at first it passes everything on.
    pub(crate) async fn before(bao: &Bao) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script: Script = Box::new(|_| Then::Pass);
        let proxy = Self {
            address: socket.local_addr().unwrap(),
            script: Arc::new(Mutex::new(script)),
            heard: Arc::default(),
            hanging: Arc::default(),
            now: Arc::default(),
            most: Arc::default(),
            server: bao.url.as_str().into(),
            client: client(None),
        };

        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, this says what becomes of requests.
    pub(crate) fn says(&self, script: impl FnMut(&Heard) -> Then + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Every request so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How many requests there were so far whose paths begin so.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|heard| heard.path.starts_with(path)).count()
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(heard) = read(&mut stream).await {
            self.heard.lock().unwrap().push(heard.clone());
            let then = (self.script.lock().unwrap())(&heard);
            let passed = match then {
                Then::Pass | Then::Lie(_) | Then::BreakOff | Then::HangAfter => Some(self.pass(&heard).await),
                Then::Answer(..) | Then::Hang | Then::Reset => None,
            };
            let (status, fields, body) = match (then, passed) {
                (Then::Pass, Some((status, body))) => (status, "", body),
                (Then::Lie(lie), Some((status, body))) => (status, "", lie(&body)),
                (Then::Answer(status, fields, body), _) => (status, fields, body.to_owned()),
                (Then::BreakOff, Some((_, body))) => {
                    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let half = whole.len() - body.len() / 2;
                    stream.write_all(&whole.as_bytes()[..half]).await.ok();
                    return;
                }
                (Then::Hang | Then::HangAfter, _) => {
                    self.hanging.notify_one();
                    return std::future::pending().await;
                }
                _ => return,
            };

            let answer =
                format!("HTTP/1.1 {status} So\r\n{fields}content-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// The most requests that were being passed on at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    async fn pass(&self, heard: &Heard) -> (u16, String) {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let method = Method::from_bytes(heard.method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}/v1/{}", self.server, heard.path));
        for (name, value) in heard.headers.iter().filter(|(name, _)| name.starts_with("x-vault")) {
            request = request.header(name, value);
        }

        let answer = request.body(heard.body.clone()).send().await.unwrap();
        let passed = (answer.status().as_u16(), answer.text().await.unwrap());
        self.now.fetch_sub(1, Ordering::SeqCst);
        passed
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines[0].split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let field = |line: &String| {
        line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: HashMap<_, _> = lines[1..].iter().filter_map(field).collect();

    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    // Who takes it for a proxy says the whole URL.
    let (_, path) = target.split_once("/v1/")?;
    Some(Heard { method, path: path.to_owned(), headers, body })
}
