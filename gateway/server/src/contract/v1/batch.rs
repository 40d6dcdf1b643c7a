//! Many signatures at once, each with an outcome of its own.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use keyport_core::audit::Operation;
use keyport_core::gateway::Signed;
use keyport_core::key::KeyName;
use keyport_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::wire::{self, Format, SignBody, Signature, Signing};
use super::{V1, error};
use crate::contract::Asking;
use crate::json::{self, Field, List, Object, object};

/// One signature of a batch: as it was understood, or why it was not.
#[derive(Debug)]
pub(super) struct Item {
    key: Option<KeyName>,
    signing: Result<Signing>,
}

/// Reads the body of `POST /sign`. An item that cannot be understood is refused by itself; a body that is not of the
/// right shape is refused whole.
pub(super) fn read(body: &[u8]) -> Result<Vec<Item>> {
    let Body { items } = object(body)?;
    let items = items.optional("items")?.ok_or_else(|| Error::invalid("items", "is missing"))?;
    if items.is_empty() || items.len() > MOST {
        return Err(Error::invalid("items", format!("must be 1 to {MOST}")));
    }

    Ok(items.into_iter().map(Item::read).collect())
}

impl V1 {
    /// Signs every item: one operation and one event for each, and one wait for the disk.
    pub(super) async fn sign_all(&self, asking: Asking, items: Vec<Item>) -> Result<Response<Full<Bytes>>> {
        let (mut formats, mut requests) = (Vec::new(), Vec::new());
        for Item { key, signing } in items {
            formats.push(match signing {
                Ok(Signing { request, format }) => {
                    requests.push(request);
                    Ok(format)
                }
                Err(refusal) => Err(self.refuse(&asking, key, refusal).await?),
            });
        }

        let signed = match requests.is_empty() {
            true => Vec::new(),
            false => self.gateway.sign_all(&asking.caller, asking.context, requests).await?,
        };
        Ok(json::response(StatusCode::OK, &Outcomes::of(formats, &signed)?))
    }

    /// Records that an item was refused. Where that cannot be done, nothing of the batch is.
    async fn refuse(&self, asking: &Asking, key: Option<KeyName>, refusal: Error) -> Result<Error> {
        let asked = (Operation::Sign, key);

        match self.gateway.refused(&asking.caller, &asking.context, asked, refusal).await {
            recorded if recorded.is_refusal() => Ok(recorded),
            failed => Err(failed),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow, default)]
    items: List<Object<ItemBody<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemBody<'a> {
    #[serde(borrow, default)]
    key: Field<'a>,
    #[serde(borrow, default)]
    digest: Field<'a>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    scheme: Field<'a>,
    #[serde(borrow, default)]
    format: Field<'a>,
}

impl Item {
    fn read(item: Object<ItemBody<'_>>) -> Self {
        let read = item.fields("items").and_then(|ItemBody { key, digest, message, scheme, format }| {
            let key = wire::key_name("key", key.text("key")?)?;
            Ok((key, SignBody { digest, message, scheme, format }))
        });

        match read {
            Ok((key, body)) => Self { signing: body.of(key.clone()), key: Some(key) },
            Err(refusal) => Self { key: None, signing: Err(refusal) },
        }
    }
}

/// The answer to `POST /sign`.
#[derive(Serialize)]
struct Outcomes<'a> {
    results: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Failed {
        status: u16,
        error: String,
        code: &'static str,
    },
    Signed {
        status: u16,
        #[serde(flatten)]
        signature: Signature<'a>,
    },
}

impl<'a> Outcomes<'a> {
    /// `signed` are the outcomes of those that could be asked for, in their order.
    fn of(formats: Vec<Result<Format>>, signed: &'a [Result<Signed>]) -> Result<Self> {
        let mut signed = signed.iter();
        let mut results = Vec::with_capacity(formats.len());
        for format in formats {
            let outcome = match format {
                Ok(format) => {
                    let signed = signed.next().ok_or_else(|| Error::internal("a batch came back shorter"))?;
                    signed
                        .as_ref()
                        .map_err(|error| wire::respelt(error.clone()))
                        .and_then(|signed| Signature::of(signed, format))
                }
                Err(refusal) => Err(refusal),
            };
            results.push(Outcome::of(outcome));
        }

        Ok(Self { results })
    }
}

impl<'a> Outcome<'a> {
    fn of(outcome: Result<Signature<'a>>) -> Self {
        match outcome {
            Ok(signature) => Self::Signed { status: StatusCode::OK.as_u16(), signature },
            Err(failure) => Self::Failed {
                status: error::status_of(&failure).as_u16(),
                error: failure.to_string(),
                code: failure.code(),
            },
        }
    }
}

/// Signatures in one batch.
const MOST: usize = 100;
