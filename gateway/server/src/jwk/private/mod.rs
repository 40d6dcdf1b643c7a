//! Private keys that callers bring as JSON Web Keys (RFC 7517).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::import::{Material, RsaMaterial};
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;
use keyport_core::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::Algorithm;
use crate::json::{Field, List};

/// A JSON Web Key with its private half, borrowed from the text it is in: whoever wipes that text has wiped it all. A
/// member that is not known here is refused, because it may restrict the key in a way that would be lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrivateJwk<'a> {
    #[serde(borrow, default)]
    kty: Field<'a>,
    #[serde(borrow, default)]
    crv: Field<'a>,
    #[serde(borrow, default)]
    x: Field<'a>,
    #[serde(borrow, default)]
    y: Field<'a>,
    #[serde(borrow, default)]
    n: Field<'a>,
    #[serde(borrow, default)]
    e: Field<'a>,
    #[serde(borrow, default)]
    d: Field<'a>,
    #[serde(borrow, default)]
    p: Field<'a>,
    #[serde(borrow, default)]
    q: Field<'a>,
    #[serde(borrow, default)]
    dp: Field<'a>,
    #[serde(borrow, default)]
    dq: Field<'a>,
    #[serde(borrow, default)]
    qi: Field<'a>,
    #[serde(borrow, default)]
    kid: Field<'a>,
    #[serde(borrow, default)]
    alg: Field<'a>,
    #[serde(borrow, default, rename = "use")]
    usage: Field<'a>,
    #[serde(borrow, default)]
    key_ops: List<Field<'a>>,
    /// Whether it could be exported from where it was (Web Cryptography, section 26): it was.
    #[serde(default, rename = "ext")]
    _ext: IgnoredAny,
}

impl PrivateJwk<'_> {
    /// The key, and the algorithm it is for: `algorithm`, what it says itself, or else the usual one of its type.
    ///
    /// `field` is what the contract calls the key, `name` what the key is to be called. Whether its halves belong
    /// together is for the custodian to check.
    pub(crate) fn material(
        mut self,
        field: &'static str,
        name: &str,
        algorithm: Option<Algorithm>,
    ) -> Result<(Material, Algorithm)> {
        let member = Member(field);
        self.check_purpose(member, name)?;
        let algorithm = self.algorithm(member, algorithm)?;

        let kty = member.text("kty", &self.kty)?;
        let material = match kty {
            "EC" => self.ec(member),
            "OKP" => self.okp(member),
            "RSA" => self.rsa(member),
            _ => Err(member.wrong("kty", "must be EC, OKP or RSA")),
        }?;
        let key_type = material.key_type();
        let algorithm =
            algorithm.or_else(|| Algorithm::of(key_type)).ok_or_else(|| Error::internal("no algorithm"))?;
        if !algorithm.fits(key_type) {
            let reason = format!("{} does not fit a key of type {key_type}", algorithm.as_str());
            return Err(member.wrong("alg", &reason));
        }
        Ok((material, algorithm))
    }

    /// What the key says of itself must not forbid what it is brought for.
    fn check_purpose(&mut self, member: Member, name: &str) -> Result<()> {
        if member.optional("kid", &self.kid)?.is_some_and(|kid| kid != name) {
            return Err(member.wrong("kid", "is not what the key is to be called"));
        }
        if member.optional("use", &self.usage)?.is_some_and(|usage| usage != "sig") {
            return Err(member.wrong("use", "must be sig"));
        }

        let wrong = |_| member.wrong("key_ops", "must be a list");
        let Some(operations) = std::mem::take(&mut self.key_ops).optional("key_ops").map_err(wrong)? else {
            return Ok(());
        };
        let mut signs = false;
        for operation in &operations {
            match member.text("key_ops", operation)? {
                "sign" => signs = true,
                "verify" => {}
                _ => return Err(member.wrong("key_ops", "must hold nothing but sign and verify")),
            }
        }
        if signs { Ok(()) } else { Err(member.wrong("key_ops", "must hold sign")) }
    }

    fn algorithm(&self, member: Member, wanted: Option<Algorithm>) -> Result<Option<Algorithm>> {
        let Some(own) = member.optional("alg", &self.alg)? else { return Ok(wanted) };

        let own = Algorithm::named(own).ok_or_else(|| member.wrong("alg", "is not supported"))?;
        match wanted {
            Some(wanted) if wanted != own => Err(member.wrong("alg", "is not the algorithm asked for")),
            Some(_) | None => Ok(Some(own)),
        }
    }

    fn ec(self, member: Member) -> Result<Material> {
        member.none("EC", [("n", &self.n), ("e", &self.e)])?;
        self.no_primes(member, "EC")?;
        let (key_type, length) = match member.text("crv", &self.crv)? {
            "P-256" => (KeyType::EcP256, 32),
            "P-384" => (KeyType::EcP384, 48),
            "P-521" => (KeyType::EcP521, 66),
            "secp256k1" => (KeyType::EcSecp256k1, 32),
            _ => return Err(member.wrong("crv", "must be P-256, P-384, P-521 or secp256k1")),
        };

        let mut point = vec![4];
        point.extend(member.fixed("x", &self.x, length)?);
        point.extend(member.fixed("y", &self.y, length)?);
        Ok(Material::Ec { key_type, scalar: member.fixed_secret("d", self.d, length)?, point })
    }

    fn okp(self, member: Member) -> Result<Material> {
        member.none("OKP", [("y", &self.y), ("n", &self.n), ("e", &self.e)])?;
        self.no_primes(member, "OKP")?;
        if member.text("crv", &self.crv)? != "Ed25519" {
            return Err(member.wrong("crv", "must be Ed25519"));
        }

        let public = member.fixed("x", &self.x, 32)?;
        Ok(Material::Ed25519 { seed: member.fixed_secret("d", self.d, 32)?, public })
    }

    fn rsa(self, member: Member) -> Result<Material> {
        member.none("RSA", [("crv", &self.crv), ("x", &self.x), ("y", &self.y)])?;
        let n = member.bytes("n", &self.n)?;
        let key_type = match (n.len(), n.first()) {
            (256, Some(0x80..)) => KeyType::Rsa2048,
            (384, Some(0x80..)) => KeyType::Rsa3072,
            (512, Some(0x80..)) => KeyType::Rsa4096,
            _ => return Err(member.wrong("n", "must have 2048, 3072 or 4096 bits, without leading zeros")),
        };

        Ok(Material::Rsa(Box::new(RsaMaterial {
            key_type,
            e: member.bytes("e", &self.e)?,
            d: member.secret("d", self.d, n.len())?,
            p: member.secret("p", self.p, n.len())?,
            q: member.secret("q", self.q, n.len())?,
            dp: member.secret("dp", self.dp, n.len())?,
            dq: member.secret("dq", self.dq, n.len())?,
            qi: member.secret("qi", self.qi, n.len())?,
            n,
        })))
    }

    fn no_primes(&self, member: Member, kty: &'static str) -> Result<()> {
        member
            .none(kty, [("p", &self.p), ("q", &self.q), ("dp", &self.dp), ("dq", &self.dq), ("qi", &self.qi)])
    }
}

/// Reads members, and tells what is wrong with them under the name that the contract has for the whole key.
#[derive(Clone, Copy)]
struct Member(&'static str);

impl Member {
    fn text<'f>(self, name: &str, field: &'f Field<'_>) -> Result<&'f str> {
        match field {
            Field::Missing => Err(self.wrong(name, "is missing")),
            Field::Other(kind) => Err(self.wrong(name, &format!("must be a string, not {kind}"))),
            Field::Text(text) => Ok(text),
        }
    }

    fn optional<'f>(self, name: &str, field: &'f Field<'_>) -> Result<Option<&'f str>> {
        match field {
            Field::Missing => Ok(None),
            Field::Other(_) | Field::Text(_) => self.text(name, field).map(Some),
        }
    }

    /// Refuses the members that are another kind of key's.
    fn none<const N: usize>(self, kty: &str, members: [(&str, &Field<'_>); N]) -> Result<()> {
        match members.into_iter().find(|(_, field)| !matches!(field, Field::Missing)) {
            Some((name, _)) => Err(self.wrong(name, &format!("is no member of a key of type {kty}"))),
            None => Ok(()),
        }
    }

    /// A public value.
    fn bytes(self, name: &str, field: &Field<'_>) -> Result<Vec<u8>> {
        let text = self.text(name, field)?;

        URL_SAFE_NO_PAD.decode(text).map_err(|_position| self.wrong(name, NOT_BASE64URL))
    }

    /// A public value of `length` bytes.
    fn fixed(self, name: &str, field: &Field<'_>, length: usize) -> Result<Vec<u8>> {
        let bytes = self.bytes(name, field)?;

        if bytes.len() == length { Ok(bytes) } else { Err(self.wrong_length(name, length)) }
    }

    /// A private value of at most `longest` bytes. It is decoded from where it was received into what is wiped later,
    /// with no copy between.
    fn secret(self, name: &str, field: Field<'_>, longest: usize) -> Result<Secret> {
        let text = match field {
            Field::Text(Cow::Borrowed(text)) => text,
            Field::Text(Cow::Owned(text)) => {
                drop(Zeroizing::new(text));
                return Err(self.wrong(name, NOT_BASE64URL));
            }
            Field::Missing => return Err(self.wrong(name, "is missing")),
            Field::Other(kind) => return Err(self.wrong(name, &format!("must be a string, not {kind}"))),
        };

        // The room that the decoder asks for: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(text.len())));
        URL_SAFE_NO_PAD.decode_vec(text, &mut bytes).map_err(|_position| self.wrong(name, NOT_BASE64URL))?;
        if bytes.is_empty() || bytes.len() > longest {
            return Err(self.wrong(name, &format!("must have 1 to {longest} bytes")));
        }
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }

    /// A private value of `length` bytes.
    fn fixed_secret(self, name: &str, field: Field<'_>, length: usize) -> Result<Secret> {
        let secret = self.secret(name, field, length)?;

        if secret.expose().len() == length { Ok(secret) } else { Err(self.wrong_length(name, length)) }
    }

    fn wrong_length(self, name: &str, length: usize) -> Error {
        self.wrong(name, &format!("must have {length} bytes"))
    }

    /// Never repeats a value: it may be private, and put under the wrong name.
    fn wrong(self, name: &str, reason: &str) -> Error {
        Error::invalid(self.0, format!("`{name}` {reason}"))
    }
}

const NOT_BASE64URL: &str = "is not base64url without padding";

#[cfg(test)]
mod tests;
