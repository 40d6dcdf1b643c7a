//! A service on an address of this machine: it can be told what to do wrong, says what it heard, and goes away and comes back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::Body;
use crate::{Answer, Asked, Fault, Faults};

/// A service that is stood in for.
pub trait Service: Send + Sync + 'static {
    /// What a call is called, by those who tell it to go wrong and in what was heard.
    fn call(&self, asked: &Asked) -> String {
        format!("{} {}", asked.method, asked.path)
    }

    /// What it answers.
    fn answer(&self, asked: &Asked) -> impl Future<Output = Answer> + Send;
}

/// A stand-in, with what it was asked. It answers until its runtime ends.
#[derive(Debug)]
pub struct StandIn<S> {
    /// Where it is.
    pub address: SocketAddr,
    shared: Arc<Shared<S>>,
    listening: Mutex<Option<JoinHandle<()>>>,
    /// Nobody else gets its port while it is away.
    _port: TcpSocket,
}

#[derive(Debug)]
struct Shared<S> {
    service: S,
    faults: Faults,
    heard: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl<S: Service> StandIn<S> {
    /// Starts what is made for this address.
    pub fn of(make: impl FnOnce(SocketAddr) -> S) -> Self {
        let port = bound("127.0.0.1:0".parse().unwrap());
        let address = port.local_addr().unwrap();
        let (service, faults) = (make(address), Faults::default());
        let shared = Shared { service, faults, heard: Mutex::default(), count: watch::Sender::default() };

        let stand_in = Self { address, shared: Arc::new(shared), listening: Mutex::default(), _port: port };
        stand_in.come_back();
        stand_in
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Each call so far.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How often it heard just this call.
    #[must_use]
    pub fn count(&self, call: &str) -> usize {
        self.shared.heard.lock().unwrap().iter().filter(|heard| *heard == call).count()
    }

    /// Waits until it was asked so many times.
    pub async fn asked(&self, times: usize) {
        self.shared.count.subscribe().wait_for(|count| *count >= times).await.unwrap();
    }

    /// Ends its connections and takes no more: they are refused.
    pub async fn go_away(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.abort();
            listening.await.unwrap_err();
        }
    }

    /// Answers again, where it was.
    pub fn come_back(&self) {
        let socket = bound(self.address).listen(1024).unwrap();
        let listening = tokio::spawn(accept(socket, Arc::clone(&self.shared)));

        *self.listening.lock().unwrap() = Some(listening);
    }
}

impl<S> Deref for StandIn<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.shared.service
    }
}

/// A socket of this address; a second one may listen there.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();

    socket
}

async fn accept<S: Service>(socket: TcpListener, shared: Arc<Shared<S>>) {
    // They end when this does.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = socket.accept().await {
        stream.set_nodelay(true).ok();
        let shared = Arc::clone(&shared);
        let serve = service_fn(move |request| served(Arc::clone(&shared), request));
        // It fails where a fault says so.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
        while connections.try_join_next().is_some() {}
    }
}

async fn served<S: Service>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let asked = Asked::read(request).await;
    let call = shared.service.call(&asked);
    let fault = shared.faults.next(&call);
    shared.heard.lock().unwrap().push(call);
    shared.count.send_modify(|count| *count += 1);

    let answer = match &fault {
        Some(Fault::HangBefore) => shared.faults.hang().await,
        Some(Fault::Late) => {
            tokio::spawn(late(Arc::clone(&shared), asked));
            shared.faults.hang().await
        }
        Some(Fault::Answer(answer)) => answer.clone(),
        Some(Fault::Echo(echo)) => echo(&asked),
        Some(Fault::Cut | Fault::HangAfter | Fault::Lie(_)) | None => shared.service.answer(&asked).await,
    };
    Ok(match fault {
        Some(Fault::HangAfter) => shared.faults.hang().await,
        Some(Fault::Cut) => answer.cut(),
        Some(Fault::Lie(lie)) => answer.altered(lie).whole(),
        Some(Fault::Answer(_) | Fault::Echo(_) | Fault::HangBefore | Fault::Late) | None => answer.whole(),
    })
}

async fn late<S: Service>(shared: Arc<Shared<S>>, asked: Asked) {
    shared.faults.is_let_go().await;

    shared.service.answer(&asked).await;
}
