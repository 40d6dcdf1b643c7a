//! A service that is asked in JSON by whoever has an access token.

use keyport_core::{Failure, FailureKind};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request};
use serde_json::Value;

use super::{Call, Gate, Issuer, Rates, Tokens, Web};
use crate::http::exchange::Whole;

/// The way to such a service.
#[derive(Debug)]
pub(crate) struct Rest {
    web: Web,
    gate: Gate,
    tokens: Tokens,
    /// What every request carries beside its token.
    fields: HeaderMap,
}

impl Rest {
    /// A service that takes so many calls, from whoever has a token of `issuer`'s.
    pub(crate) fn new(web: Web, rates: Rates, issuer: Box<dyn Issuer>, fields: HeaderMap) -> Self {
        Self { web, gate: Gate::new(rates), tokens: Tokens::of(issuer), fields }
    }

    /// The body of an answer of status 200. What every other one means, `refusal` says.
    pub(crate) async fn ask(
        &self,
        call: Call,
        (method, url): (Method, &str),
        body: Option<&Value>,
        refusal: impl Fn(&Whole) -> Failure,
    ) -> Result<Vec<u8>, Failure> {
        let attempt = || async {
            let answer = self.attempt((&method, url), body, &refusal).await?;
            if answer.status == OK { Ok(answer.body) } else { Err(refusal(&answer)) }
        };

        self.gate.call(call, attempt).await
    }

    /// One try of a call. A token that is not taken any more is exchanged once: it may have been revoked.
    async fn attempt(
        &self,
        (method, url): (&Method, &str),
        body: Option<&Value>,
        refusal: &impl Fn(&Whole) -> Failure,
    ) -> Result<Whole, Failure> {
        let token = self.tokens.token().await?;
        let answer = self.web.ask(self.request(method, url, body, token.header())?).await?;
        if answer.status != UNAUTHORIZED {
            self.tokens.was_taken();
            return Ok(answer);
        }
        if !self.tokens.was_refused(&token, &refusal(&answer)) {
            return Ok(answer);
        }

        let token = self.tokens.token().await?;
        let answer = self.web.ask(self.request(method, url, body, token.header())?).await?;
        match answer.status {
            UNAUTHORIZED => self.tokens.was_refused_too(&token, &refusal(&answer)),
            _ => self.tokens.was_taken(),
        }
        Ok(answer)
    }

    fn request(
        &self,
        method: &Method,
        url: &str,
        body: Option<&Value>,
        token: HeaderValue,
    ) -> Result<Request, Failure> {
        let url =
            url.parse().map_err(|_bad| Failure::new(FailureKind::InvalidArgument, "the name is none"))?;
        let mut request = Request::new(method.clone(), url);
        *request.headers_mut() = self.fields.clone();
        request.headers_mut().insert(AUTHORIZATION, token);
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }

        Ok(request)
    }
}

const OK: u16 = 200;
const UNAUTHORIZED: u16 = 401;
