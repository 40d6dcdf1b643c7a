//! `keyport keys`: a client of contract `v1`, against a gateway that runs.

mod client;
mod profile;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use self::client::Client;
use self::profile::Where;
use super::{block_on, print};

/// Work with the keys of a running gateway
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    at: Where,
    /// How answers are written
    #[arg(short, long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// As the gateway answers
    Json,
    /// For people
    Text,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key
    Create {
        name: String,
        /// Such as ec-p256, ed25519 or rsa-2048
        #[arg(long = "type", default_value = "ec-p256", value_name = "TYPE")]
        key_type: String,
        /// as-message: an ed25519 key signs SHA-512 digests as if they were messages
        #[arg(long, value_name = "HOW")]
        digests: Option<String>,
        /// The provider that is to have it
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
    /// Print a key's public half
    Export {
        name: String,
        /// How it is written
        #[arg(long, value_enum, default_value = "pem")]
        form: Form,
    },
    /// List keys
    List {
        /// Only those in this state: active, released or destroying
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Only those whose names begin so
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
    },
    /// Take up a key pair that is at a custodian already; it stays there when the key is given up
    Register {
        name: String,
        /// What the custodian calls it: `label:TEXT` or `id:HEX` of a PKCS#11 token; an ARN, a key id or `alias/…` of AWS; a version's
        /// name of Google; an identifier of Azure; `NAME` or `NAME:VERSION` of transit
        #[arg(long)]
        object: String,
        /// As of a new key
        #[arg(long, value_name = "HOW")]
        digests: Option<String>,
        /// The provider that is to serve it
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
    /// Release a key: it signs no more, and is destroyed when its grace period is over
    Release { name: String },
    /// Make a key sign again that was released, or destroyed where its custodian still has it
    Restore {
        name: String,
        /// The key's id
        #[arg(long)]
        id: String,
    },
    /// Sign a file, or a digest
    Sign {
        name: String,
        #[command(flatten)]
        what: What,
        /// How the signature is written: der, raw or jws
        #[arg(long, default_value = "der", value_name = "FORMAT")]
        format: String,
    },
    /// Verify a signature; the exit code is 1 where it is not the key's
    Verify {
        name: String,
        #[command(flatten)]
        what: What,
        /// The signature, in base64
        #[arg(long, value_name = "BASE64")]
        signature: String,
    },
}

/// What is signed, and how.
#[derive(Args, Debug)]
struct What {
    /// What is hashed already, in base64
    #[arg(long, value_name = "BASE64", conflicts_with = "file", required_unless_present = "file")]
    digest: Option<String>,
    /// A file with what is not hashed yet
    #[arg(long)]
    file: Option<PathBuf>,
    /// Such as ecdsa-sha256, rsa-pss-sha256 or ES256
    #[arg(long)]
    scheme: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Form {
    /// SubjectPublicKeyInfo, in base64
    Der,
    /// JSON Web Key
    Jwk,
    /// SubjectPublicKeyInfo, in PEM
    Pem,
}

impl Keys {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { at, output, command } = self;
        let client = Client::new(at.resolve()?)?;

        block_on(command.run(&client, output))
    }
}

impl Command {
    async fn run(self, client: &Client, output: Output) -> Result<ExitCode> {
        match self {
            Self::Create { name, key_type, digests, provider } => {
                let body = given([
                    ("name", Some(name)),
                    ("type", Some(key_type)),
                    ("digests", digests),
                    ("provider", provider),
                ]);
                show(output, &client.call(Method::POST, "/keys", Some(body)).await?, key_line);
            }
            Self::Export { name, form } => {
                let key = client.call(Method::GET, &path(&name, ""), None).await?;
                export(&key, (form, output))?;
            }
            Self::List { state, prefix } => list(client, (state, prefix), output).await?,
            Self::Register { name, object, digests, provider } => {
                let body = given([("object", Some(object)), ("digests", digests), ("provider", provider)]);
                let key = client.call(Method::POST, &path(&name, "/register"), Some(body)).await?;
                show(output, &key, key_line);
            }
            Self::Release { name } => {
                client.call(Method::POST, &path(&name, "/release"), None).await?;
            }
            Self::Restore { name, id } => {
                let body = json!({ "id": id });
                let key = client.call(Method::POST, &path(&name, "/restore"), Some(body)).await?;
                show(output, &key, key_line);
            }
            Self::Sign { name, what, format } => {
                let mut body = what.read()?;
                body.insert("format".to_owned(), format.into());
                let signed = client.call(Method::POST, &path(&name, "/sign"), Some(body.into())).await?;
                show(output, &signed, |signed| text(signed, "signature"));
            }
            Self::Verify { name, what, signature } => {
                let mut body = what.read()?;
                body.insert("signature".to_owned(), signature.into());
                let verified = client.call(Method::POST, &path(&name, "/verify"), Some(body.into())).await?;
                let is_valid = verified.get("valid").and_then(Value::as_bool).unwrap_or(false);
                show(output, &verified, |_| if is_valid { "valid" } else { "not valid" }.to_owned());
                return Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
        }

        Ok(ExitCode::SUCCESS)
    }
}

impl What {
    fn read(self) -> Result<Map<String, Value>> {
        let mut body = Map::new();
        if let Some(digest) = self.digest {
            body.insert("digest".to_owned(), digest.into());
        }
        if let Some(file) = self.file {
            let message = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            body.insert("message".to_owned(), STANDARD.encode(message).into());
        }
        if let Some(scheme) = self.scheme {
            body.insert("scheme".to_owned(), scheme.into());
        }
        Ok(body)
    }
}

/// Every page of keys.
async fn list(
    client: &Client,
    (state, prefix): (Option<String>, Option<String>),
    output: Output,
) -> Result<()> {
    let mut query = "limit=1000".to_owned();
    for (field, value) in [("state", state), ("prefix", prefix)] {
        if let Some(value) = value {
            query = format!("{query}&{field}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
        }
    }

    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = client.call(Method::GET, &format!("/keys?{query}{cursor}"), None).await?;
        match page.get_mut("keys").map(Value::take) {
            Some(Value::Array(more)) => keys.extend(more),
            Some(_) | None => bail!("the answer has no keys: is this a gateway's v1?"),
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    match output {
        Output::Json => show(output, &Value::Array(keys), |_| String::new()),
        Output::Text => keys.iter().for_each(|key| print::line(key_line(key))),
    }
    Ok(())
}

fn export(key: &Value, (form, output): (Form, Output)) -> Result<()> {
    let field = match form {
        Form::Der => "der",
        Form::Jwk => "jwk",
        Form::Pem => "pem",
    };
    let public = key.get("public_key").context("the answer has no public key: is this a gateway's v1?")?;
    match (output, form) {
        (Output::Json, _) => show(output, public, |_| String::new()),
        (Output::Text, Form::Jwk) => print::line(public.get(field).unwrap_or(&Value::Null)),
        (Output::Text, Form::Der | Form::Pem) => print::line(text(public, field).trim_end()),
    }
    Ok(())
}

/// Writes an answer whole, or the line that people want of it.
fn show(output: Output, answer: &Value, line: impl Fn(&Value) -> String) {
    match output {
        Output::Json => print::line(format_args!("{answer:#}")),
        Output::Text => print::line(line(answer)),
    }
}

fn key_line(key: &Value) -> String {
    let [name, key_type, state, created, id] =
        ["name", "type", "state", "created", "id"].map(|field| text(key, field));

    format!("{name:<32} {key_type:<12} {state:<10} {created} {id}")
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// An object of the fields that have a value.
fn given<const N: usize>(fields: [(&str, Option<String>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?.into())));

    Value::Object(given.collect())
}

fn path(name: &str, below: &str) -> String {
    format!("/keys/{}{below}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}
