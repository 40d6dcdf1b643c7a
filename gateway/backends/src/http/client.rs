//! What every client of HTTP has in common that a custodian is called with.

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, retry};
use rustls::ClientConfig;

/// A client that believes whom `tls` says. It goes where it is sent and nowhere else: through no proxy but one that is set, and
/// after no redirect. It makes no request twice, which only they can decide who know what the request does.
pub(crate) fn client(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
}
