//! A token behind a vendor's PKCS#11 module.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyport_core::secret::Secret;

use super::environment::{is_variable, secret_of};
use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, count, duration, one, path, text, truth};

/// `[[connection]]` with `kind = "pkcs11"`: one token of one module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pkcs11 {
    /// `module`: the vendor's library.
    pub(crate) module: PathBuf,
    /// `token`, `serial` or `slot`: which of its tokens.
    pub(crate) token: Token,
    /// `[connection.pin]`: where the user's PIN comes from; `None` where the token wants none.
    pub(crate) pin: Option<Pin>,
    /// `sessions`: how many are kept open.
    pub(crate) sessions: NonZeroUsize,
    /// `in-flight`: how many calls the module gets at once.
    pub(crate) in_flight: NonZeroUsize,
    /// `call-timeout`: how long the module may be at one call before it counts as hung.
    pub(crate) call_timeout: Duration,
    /// `read-only`: whether keys are neither made nor destroyed.
    pub(crate) read_only: bool,
    /// `verify`: whether the library never gives a handle to another object, so that no signature needs to be verified.
    pub(crate) trust_handles: bool,
    /// `network`: whether the module may use the network.
    pub(crate) network: bool,
    /// `environment`: variables that the module may see besides those that known vendors read.
    pub(crate) environment: Vec<String>,
    /// `initialisation`: what `C_Initialize` is handed as reserved argument.
    pub(crate) initialisation: Option<String>,
    /// `label`: what objects are called, for people.
    pub(crate) label: String,
}

/// Which token of a module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    /// `token`: the one with this label.
    Label(String),
    /// `serial`: the one with this serial number.
    Serial(String),
    /// `slot`: the one in this slot.
    Slot(u64),
}

/// `[connection.pin]`: where a PIN comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Pin {
    /// `file`: a file of mode 0600.
    File(PathBuf),
    /// `environment`: an environment variable.
    Environment(Secret),
    /// `prompt`: whoever starts the gateway types it.
    Prompt,
}

impl Pkcs11 {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let module = section.required("module", "\"/usr/lib/softhsm/libsofthsm2.so\"", path(folder));
        let token = Token::read(section);
        let pin = section.table("pin").and_then(|section| Pin::read(section, folder));
        let sessions = section.or("sessions", POOL, count_of);
        let in_flight = section.or("in-flight", sessions, count_of);
        let call_timeout = section.or("call-timeout", CALL_TIMEOUT, duration);
        let read_only = section.or("read-only", false, truth);
        let trust_handles = section.or("verify", false, one("a way to verify", &[false, true], verify));
        let network = section.or("network", false, one("a choice", &[false, true], network));
        let environment = section.list("environment", variable).unwrap_or_default();
        let initialisation = section.optional("initialisation", text);
        let label = section.or("label", LABEL.to_owned(), label);

        Some(Self {
            module: module?,
            token: token?,
            pin,
            sessions,
            in_flight,
            call_timeout,
            read_only,
            trust_handles,
            network,
            environment,
            initialisation,
            label,
        })
    }
}

impl Token {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let written = ["token", "serial", "slot"].into_iter().filter(|field| section.has(field)).count();
        let chosen = [
            section.optional("token", text).map(Self::Label),
            section.optional("serial", text).map(Self::Serial),
            section.optional("slot", slot).map(Self::Slot),
        ];
        if written != 1 {
            section.mistake(Problem::new(
                "a connection of kind \"pkcs11\" wants one of `token`, `serial` and `slot`",
                "write token = \"the token's label\"; `keyport pkcs11 probe --module …` lists the tokens",
            ));
        }

        chosen.into_iter().flatten().next()
    }
}

impl Pin {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let written =
            ["file", "environment", "prompt"].into_iter().filter(|field| section.has(field)).count();
        let file = section.optional("file", path(folder)).map(Self::File);
        let environment = section.optional("environment", text);
        let prompt = section.or("prompt", false, truth).then_some(Self::Prompt);
        if written != 1 || (section.has("prompt") && prompt.is_none()) {
            section.mistake(Problem::new(
                "[connection.pin] wants one of `file`, `environment` and `prompt`",
                "write file = \"pin\" (a file of mode 0600), environment = \"NAME\", or prompt = true",
            ));
        }

        let environment = environment.and_then(|variable| secret_of(&section, &variable, "the PIN"));
        section.end();
        file.or_else(|| environment.map(Self::Environment)).or(prompt)
    }
}

fn count_of(value: &Value<'_>) -> Result<NonZeroUsize, Problem> {
    Ok(NonZeroUsize::new(count(value)?).unwrap_or(NonZeroUsize::MIN))
}

/// A slot's number; 0 is one.
fn slot(value: &Value<'_>) -> Result<u64, Problem> {
    value.number().ok_or_else(|| {
        Problem::new(format!("{} is not a slot", value.shown()), "write its number, without quotes")
    })
}

fn variable(value: &Value<'_>) -> Result<String, Problem> {
    let name = text(value)?;
    if !is_variable(&name) {
        let what = format!("{} is not the name of an environment variable", value.shown());
        return Err(Problem::new(what, "write names only: the gateway passes their values on"));
    }

    Ok(name)
}

fn label(value: &Value<'_>) -> Result<String, Problem> {
    let label = text(value)?;
    if label.is_empty() || label.len() > LONGEST_LABEL {
        let fix = format!("write 1 to {LONGEST_LABEL} bytes; {{tenant}} and {{key}} stand for the key's own");
        return Err(Problem::new(format!("{} is not a label", value.shown()), fix));
    }

    Ok(label)
}

/// How the file says whether the network can be used.
fn network(allowed: &bool) -> &'static str {
    if *allowed { "allowed" } else { "none" }
}

/// How the file says what makes sure of a signature.
fn verify(by_handle: &bool) -> &'static str {
    if *by_handle { "handle" } else { "signature" }
}

const POOL: NonZeroUsize = NonZeroUsize::new(16).unwrap();
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const LABEL: &str = "keyport:{tenant}:{key}";
const LONGEST_LABEL: usize = 255;
