//! What `keyport dev` needs on disk, made where it is not there: nothing but a folder is needed to begin.

mod certificate;
mod written;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keyport_core::outside::Outside;

use crate::assemble::{Addresses, MasterKey, MasterKeyError};
use crate::private_file;
use crate::token::Token;
use certificate::CertificateError;
pub(crate) use written::Written;

/// Where new keys are made.
#[derive(Clone, Debug)]
pub(crate) enum Custodian {
    /// In the embedded token.
    Embedded,
    /// On a token behind a PKCS#11 module.
    Hsm(Hsm),
    /// Where a provider that is tried out makes them.
    Tried(Tried),
    /// Where a piece of a configuration says.
    Written(Written),
}

/// A provider that is tried out.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// Its component.
    pub(crate) component: PathBuf,
    /// What that hashes to: 64 hexadecimal digits.
    pub(crate) sha256: String,
    /// What follows `[[provider]]` in a configuration: grants, settings, limits.
    pub(crate) grants: String,
    /// A key service on this machine that the grants call `kms`: its URL, and the file with the token for it.
    pub(crate) service: Option<(String, PathBuf)>,
}

/// A token behind a PKCS#11 module that new keys are made on, instead of the embedded one.
#[derive(Clone, Debug)]
pub(crate) struct Hsm {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) token: String,
    /// The file with the user's PIN.
    pub(crate) pin_file: PathBuf,
}

/// Where a gateway listens: for callers, and for health and metrics.
pub(crate) type Listeners = (SocketAddr, SocketAddr);

/// Makes in `data` whatever is missing, and the configuration that a gateway on it runs with; returns that file.
///
/// The same folder gives the same again: token, master key and keys stay, and the certificate until it nears its end.
pub(crate) fn prepare(
    data: &Path,
    listeners: Listeners,
    custodian: &Custodian,
    outside: &Outside,
) -> Result<PathBuf, DevError> {
    private_file::folder(data).map_err(|cause| DevError::of(data, cause))?;

    let token = token(&data.join(TOKEN), outside)?;
    certificate::ensure(data, listeners.0.ip(), &outside.clock)?;
    let master_key = data.join(MASTER_KEY);
    match MasterKey::create(&master_key) {
        // One that is there is judged when it is used.
        Err(_) if master_key.exists() => {}
        made => drop(made.map_err(DevError::MasterKey)?),
    }

    let file = data.join(CONFIG);
    let text = config(listeners, custodian, &token);
    private_file::replace(&file, text.as_bytes()).map_err(|cause| DevError::of(&file, cause))?;
    Ok(file)
}

/// Writes a secret to a file of mode 0600.
pub(crate) fn secret(file: &Path, text: &str) -> Result<(), DevError> {
    private_file::replace(file, format!("{text}\n").as_bytes()).map_err(|cause| DevError::of(file, cause))
}

/// What is printed once the gateway on `data` serves: the lines that scripts wait for, and a first signature to
/// try.
pub(crate) fn greeting(data: &Path, Addresses { listen, admin }: Addresses) -> String {
    let url = format!("https://{}", certificate::reachable(listen));
    let data = data.display();

    let curl = format!("curl --cacert '{data}/{CA}' -H \"Authorization: Bearer $(cat '{data}/{TOKEN}')\"");
    format!(
        r#"ready https://{listen}
admin http://{admin}

Create a key, and sign the digest of "hello" with it:

  {curl} \
    {url}/webhook/keys -d '{{"key_id":"demo","key_type":"EC-P256"}}'

  {curl} \
    {url}/webhook/keys/demo/sign \
    -d '{{"digest":"{HELLO}","hash_algorithm":"SHA-256"}}'

Or over EUDIPLO's contract:

  {curl} \
    {url}/remote-kms/keys -d '{{"kid":"demo-jws","alg":"ES256"}}'

  {curl} \
    {url}/remote-kms/keys/demo-jws/sign -d '{{"data":"aGVsbG8=","alg":"ES256"}}'

Everything is in {data}, the configuration in {data}/{CONFIG}."#
    )
}

/// Why the folder could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// Something could not be written.
    #[error("cannot make {}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The token's file holds something else.
    #[error("{} does not hold a token: delete it, and the next start makes a new one", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
    },
    /// No certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] CertificateError),
    /// No master key.
    #[error(transparent)]
    MasterKey(MasterKeyError),
}

impl DevError {
    fn of(path: &Path, cause: io::Error) -> Self {
        Self::Write { path: path.to_owned(), cause }
    }
}

fn token(file: &Path, outside: &Outside) -> Result<Token, DevError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Token::from_text(&text).ok_or_else(|| DevError::Token { path: file.to_owned() }),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let token = Token::random(&*outside.random);
            private_file::replace(file, format!("{}\n", token.expose()).as_bytes())
                .map_err(|cause| DevError::of(file, cause))?;
            Ok(token)
        }
        Err(cause) => Err(DevError::of(file, cause)),
    }
}

fn config((listen, admin): Listeners, custodian: &Custodian, token: &Token) -> String {
    let token = token.fingerprint();
    let (provider, providers) = match custodian {
        Custodian::Embedded => ("soft", SOFT.to_owned()),
        Custodian::Hsm(hsm) => ("hsm", format!("{SOFT}{}", provider_of(hsm))),
        Custodian::Tried(tried) => ("tried", provider_tried(tried)),
        Custodian::Written(Written { provider, text }) => (provider.as_str(), format!("{SOFT}\n{text}")),
    };
    format!(
        r#"# What `keyport dev` runs with. Made anew at each of its starts: copy it before you change it, and run the copy
# with `keyport serve --config FILE`.

data = "."

[listen]
address = "{listen}"
tls = {{ certificate = "{CERTIFICATE}", key = "{KEY}" }}

[admin]
address = "{admin}"

[master-key]
file = "{MASTER_KEY}"

[[connection]]
name = "embedded"
kind = "soft"
{providers}
[[tenant]]
name = "dev"
provider = "{provider}"

[[tenant.caller]]
name = "dev"
tokens = ["{token}"]
operator = true

[[tenant.caller.right]]
may = ["create", "delete", "import", "list", "register", "release", "restore", "sign", "verify"]
keys = ["*"]

[contract.remote-kms]
path = "/remote-kms"

[contract.v1]
path = "/v1"

[contract.webhook]
path = "/webhook"
"#
    )
}

/// The token, and a provider that may do everything on it.
fn provider_of(Hsm { module, token, pin_file }: &Hsm) -> String {
    let [module, token, pin_file] =
        [&module.to_string_lossy(), token.as_str(), &pin_file.to_string_lossy()].map(quoted);
    format!(
        r#"
[[connection]]
name = "hsm"
kind = "pkcs11"
module = {module}
token = {token}
pin = {{ file = {pin_file} }}

[[provider]]
name = "hsm"
component = "builtin:pkcs11"

[[provider.grant]]
connection = "hsm"
uses = ["generate", "public-key", "sign", "destroy"]
objects = ["id:*", "label:*"]
"#
    )
}

/// The provider that is tried out, with what it may reach.
fn provider_tried(Tried { component, sha256, grants, service }: &Tried) -> String {
    let connection = service.as_ref().map(|(url, token)| {
        let [url, token] = [url.as_str(), &token.to_string_lossy()].map(quoted);
        format!(
            r#"
[[connection]]
name = "kms"
kind = "http"
url = {url}
private-addresses = ["127.0.0.0/8", "::1"]
credential = {{ file = {token} }}
"#
        )
    });
    let component = quoted(&format!("file:{}", component.display()));

    format!(
        r#"{}
[[provider]]
name = "tried"
component = {component}
sha256 = "{sha256}"

{grants}
"#,
        connection.unwrap_or_default()
    )
}

/// A text as the configuration has it.
fn quoted(text: &str) -> toml::Value {
    toml::Value::from(text.replace("${", "$${"))
}

/// The provider of the embedded token.
const SOFT: &str = r#"
[[provider]]
name = "soft"
component = "builtin:soft"

[[provider.grant]]
connection = "embedded"
uses = ["generate", "import", "public-key", "sign", "destroy"]
"#;

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "server.pem";
const CONFIG: &str = "keyport.toml";
const KEY: &str = "server.key";
const MASTER_KEY: &str = "master.key";
const TOKEN: &str = "token";
/// The SHA-256 of `hello`, in base64.
const HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

#[cfg(test)]
mod tests;
