//! Key pairs that were made elsewhere: taken in only if their halves belong together.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use keyport_core::import::{Material as Imported, RsaMaterial};
use keyport_core::scheme::{Family, KeyType};
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};

use super::material::{Curve, Kind, Material, Pair};

impl Material {
    /// Takes over a key pair: [`FailureKind::InvalidArgument`] unless it is one of its type.
    pub(super) fn import(imported: &Imported) -> Result<Self, Failure> {
        let key_type = imported.key_type();
        let pair = match (Kind::of(key_type)?, imported) {
            (Kind::Ecdsa(curve), Imported::Ec { scalar, point, .. }) => ec(key_type, curve, scalar, point)?,
            (Kind::Ed25519, Imported::Ed25519 { seed, public }) => ed25519(seed, public)?,
            (Kind::Rsa(_), Imported::Rsa(components)) => rsa(key_type, components)?,
            (Kind::Ecdsa(_) | Kind::Ed25519 | Kind::MlDsa(_) | Kind::Rsa(_), _) => {
                return Err(invalid("of another kind"));
            }
        };

        let material = Self::new(key_type, pair);
        // A modulus of the right length may still begin with zero bits, which its public half tells.
        match material.public() {
            Ok(public) if public.key_type() == key_type => Ok(material),
            Ok(_) | Err(_) => Err(invalid("of another size")),
        }
    }
}

fn ec(key_type: KeyType, curve: Curve, scalar: &Secret, point: &[u8]) -> Result<Pair, Failure> {
    // Other forms of scalar and point, which aws-lc would take, are not those of the port.
    let Family::Ecdsa { order } = key_type.family() else { return Err(invalid("of another kind")) };
    let uncompressed = point.first() == Some(&UNCOMPRESSED) && point.len() == 1 + 2 * order;
    if !uncompressed || scalar.expose().len() != order {
        return Err(invalid("of the wrong length"));
    }

    // Checks that 0 < d < n and that the point is on the curve and d times its base point.
    EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm(), scalar.expose(), point)
        .map(|pair| Pair::Ecdsa(pair, curve))
        .map_err(|_rejected| invalid(MISFIT))
}

fn ed25519(seed: &Secret, public: &[u8]) -> Result<Pair, Failure> {
    if seed.expose().len() != SEED {
        return Err(invalid("of the wrong length"));
    }

    Ed25519KeyPair::from_seed_and_public_key(seed.expose(), public)
        .map(Pair::Ed25519)
        .map_err(|_rejected| invalid(MISFIT))
}

fn rsa(key_type: KeyType, components: &RsaMaterial) -> Result<Pair, Failure> {
    let RsaMaterial { key_type: _, n, e, d, p, q, dp, dq, qi } = components;
    let Family::Rsa { modulus } = key_type.family() else { return Err(invalid("of another kind")) };
    // Bounds what the checks below may cost, and refuses a modulus with a small factor.
    let halves = [p, q].iter().all(|prime| prime.expose().len() == modulus / 2);
    let short = [d, dp, dq, qi].iter().all(|part| part.expose().len() <= modulus);
    if n.len() != modulus || !halves || !short {
        return Err(invalid("of the wrong length"));
    }
    if e.as_slice() != F4 {
        return Err(invalid("of an exponent that is not taken"));
    }

    // Checks that n = p q, and d, dp, dq and qi against p and q; but not that p and q are primes.
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents { n: n.as_slice(), e: e.as_slice() },
        d: d.expose(),
        p: p.expose(),
        q: q.expose(),
        dP: dp.expose(),
        dQ: dq.expose(),
        qInv: qi.expose(),
    })
    .map_err(|_rejected| invalid(MISFIT))?;

    // With other factors than primes no signature comes out that fits e: aws-lc verifies each before it answers.
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(&RSA_PKCS1_SHA256, &digest(&SHA256, b""), &mut signature)
        .map_err(|_unspecified| invalid(MISFIT))?;
    Ok(Pair::Rsa(pair))
}

fn invalid(what: &str) -> Failure {
    Failure::new(FailureKind::InvalidArgument, format!("the key pair is {what}"))
}

const MISFIT: &str = "of halves that do not belong together, or out of range";

/// How an uncompressed point begins (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Bytes of an Ed25519 private key.
const SEED: usize = 32;

/// 65537.
const F4: &[u8] = &[1, 0, 1];
