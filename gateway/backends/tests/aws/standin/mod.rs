//! AWS KMS, the Security Token Service and the Resource Groups Tagging API, as far as they are documented and a gateway calls
//! them, on one address of this machine: with real keys and real signatures, and with faults as a test wants them.
//!
//! Requests have to be signed, which is checked by [`sigv4`] and by nothing that the vendor wrote.

mod answer;
mod fault;
mod keys;
mod kms;
mod prehashed;
mod sigv4;
mod sts;
mod tagging;
mod users;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(crate) use answer::Answer;
pub(crate) use fault::Fault;
pub(crate) use keys::{Key, State};
pub(crate) use users::User;

use answer::Sent;
use fault::Faults;
use keys::Keys;
use users::Users;

/// The services, on an address of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    faults: Faults,
    keys: Mutex<Keys>,
    users: Mutex<Users>,
    calls: Mutex<Vec<String>>,
    /// Whether the index of tags has not come to anything yet.
    index_lags: AtomicBool,
    /// Seconds that this clock is ahead of everybody else's.
    ahead: AtomicI64,
}

impl Service {
    /// The services, for one user who may do everything.
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self(Arc::new(Inner {
            address: socket.local_addr().unwrap(),
            faults: Faults::default(),
            keys: Mutex::default(),
            users: Mutex::new(Users::with(ACCESS_KEY, User::with_secret(SECRET))),
            calls: Mutex::default(),
            index_lags: AtomicBool::new(false),
            ahead: AtomicI64::new(0),
        }));

        tokio::spawn(service.clone().accept(socket));
        service
    }

    /// Where they are.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// What they do wrong.
    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.keys.lock().unwrap()
    }

    pub(crate) fn users(&self) -> MutexGuard<'_, Users> {
        self.0.users.lock().unwrap()
    }

    /// The name of each operation that was asked for.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.calls.lock().unwrap().clone()
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.calls().iter().filter(|call| *call == operation).count()
    }

    pub(crate) fn let_index_lag(&self, lags: bool) {
        self.0.index_lags.store(lags, Ordering::SeqCst);
    }

    pub(crate) fn set_clock_ahead(&self, seconds: i64) {
        self.0.ahead.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "a clock of its own")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();

        UNIX_EPOCH + Duration::from_secs(since.saturating_add_signed(self.0.ahead.load(Ordering::SeqCst)))
    }

    async fn accept(self, socket: TcpListener) {
        loop {
            let Ok((stream, _)) = socket.accept().await else { continue };
            let service = self.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| service.clone().serve(request));
                // It ends where a fault says so.
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await
                    .ok();
            });
        }
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Sent>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, 1 << 20).collect().await.unwrap().to_bytes();
        let operation = answer::operation(&head, &body);
        self.0.calls.lock().unwrap().push(operation.clone());

        let fault = self.0.faults.take(&operation);
        if let Some(Fault::HangBefore) = fault {
            return self.0.faults.hang().await;
        }
        let answer = match &fault {
            Some(Fault::Answer(answer)) => answer.clone(),
            _ => self.answer(&operation, &head, &body).await.unwrap_or_else(|refused| refused),
        };
        match fault {
            Some(Fault::HangAfter) => self.0.faults.hang().await,
            Some(Fault::Reset) => Ok(answer.torn()),
            Some(Fault::Alter(alter)) => Ok(answer.altered(alter).whole()),
            _ => Ok(answer.whole()),
        }
    }

    async fn answer(
        &self,
        operation: &str,
        head: &hyper::http::request::Parts,
        body: &[u8],
    ) -> Result<Answer, Answer> {
        if operation == "AssumeRoleWithWebIdentity" {
            return self.assume_with_token(body);
        }
        let user = sigv4::check(head, body, self.now(), &self.users())?;
        self.users().check_leave(&user, operation)?;

        match operation {
            "AssumeRole" => self.assume(body),
            "GetCallerIdentity" => Ok(sts::identity()),
            "GetResources" => self.resources(body),
            _ => self.kms(operation, body).await,
        }
    }

    fn index_lags(&self) -> bool {
        self.0.index_lags.load(Ordering::SeqCst)
    }
}

/// The user who is there from the beginning.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7STANDIN";
pub(crate) const SECRET: &str = "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";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ACCOUNT: &str = "111122223333";
