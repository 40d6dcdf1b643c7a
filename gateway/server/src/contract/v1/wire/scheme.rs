//! What callers call signature schemes.

use keyport_core::gateway::How;
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::{Error, Result};

use crate::jwk::Algorithm;

/// What a scheme is called in requests and answers.
pub(super) fn name(scheme: Scheme) -> &'static str {
    NAMES.iter().find(|(named, _)| *named == scheme).map_or(scheme.as_str(), |(_, name)| name)
}

/// Reads a scheme and how it is to be asked for: by its name here, or by that of a JOSE algorithm, which may belong to
/// one curve or parameter set.
pub(super) fn scheme(text: &str) -> Result<(Scheme, How)> {
    if let Some((scheme, _)) = NAMES.iter().find(|(_, name)| *name == text) {
        return Ok((*scheme, How::Scheme(*scheme)));
    }
    if let Some(algorithm) = Algorithm::named(text) {
        return Ok((algorithm.scheme(), algorithm.how()));
    }

    if let Some((_, key_type)) = ML_DSA.iter().find(|(name, _)| *name == text) {
        return Ok((Scheme::MlDsa, How::Only(Scheme::MlDsa, *key_type)));
    }

    let offered: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
    Err(Error::invalid("scheme", format!("must be a JOSE alg or one of {}", offered.join(", "))))
}

const NAMES: [(Scheme, &str); 12] = [
    (Scheme::Ecdsa(Hash::Sha256), "ecdsa-sha256"),
    (Scheme::Ecdsa(Hash::Sha384), "ecdsa-sha384"),
    (Scheme::Ecdsa(Hash::Sha512), "ecdsa-sha512"),
    (Scheme::Ed25519, "ed25519"),
    (Scheme::Ed25519ph, "ed25519ph"),
    (Scheme::MlDsa, "ml-dsa"),
    (Scheme::RsaPkcs1v15(Hash::Sha256), "rsa-pkcs1v15-sha256"),
    (Scheme::RsaPkcs1v15(Hash::Sha384), "rsa-pkcs1v15-sha384"),
    (Scheme::RsaPkcs1v15(Hash::Sha512), "rsa-pkcs1v15-sha512"),
    (Scheme::RsaPss(Hash::Sha256), "rsa-pss-sha256"),
    (Scheme::RsaPss(Hash::Sha384), "rsa-pss-sha384"),
    (Scheme::RsaPss(Hash::Sha512), "rsa-pss-sha512"),
];

/// What JOSE calls ML-DSA, as the `alg` of a published key says.
const ML_DSA: [(&str, KeyType); 3] =
    [("ML-DSA-44", KeyType::MlDsa44), ("ML-DSA-65", KeyType::MlDsa65), ("ML-DSA-87", KeyType::MlDsa87)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_scheme() {
        for (scheme, text) in NAMES {
            assert_eq!(self::scheme(text).unwrap(), (scheme, How::Scheme(scheme)));
            assert_eq!(name(scheme), text);
        }
    }

    #[test]
    fn jose_names_will_do_and_others_will_not() {
        for algorithm in Algorithm::ALL {
            assert_eq!(scheme(algorithm.as_str()).unwrap(), (algorithm.scheme(), algorithm.how()));
        }
        for (name, key_type) in ML_DSA {
            assert_eq!(scheme(name).unwrap(), (Scheme::MlDsa, How::Only(Scheme::MlDsa, key_type)));
        }
        for wrong in ["none", "HS256", "es256", "", "ecdsa", "ecdsa(sha-256)"] {
            assert!(scheme(wrong).is_err(), "{wrong}");
        }
    }
}
