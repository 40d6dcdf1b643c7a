//! Key pairs that the embedded token does not take over, whatever they pretend to be.

use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::custody::Mechanism;
use keyport_core::import::{Material, RsaMaterial};
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;

use super::custodian;
use super::memory::Memory;
use super::suite::pairs::pair;
use super::suite::{object, request, soon};

#[tokio::test]
async fn an_imported_key_signs_as_in_rfc_8032() {
    // Section 7.1, test 3.
    let seed = Secret::new(hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
    let public = hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    let custodian = custodian(Arc::<Memory>::default()).await;
    let request = request(KeyType::Ed25519);

    let pair = Material::Ed25519 { seed, public };
    let made = custodian.backend.import(request.clone(), pair, soon()).await.unwrap();
    let object = object(&request, &made.native_id);
    let signature = custodian.backend.sign(&object, Mechanism::Ed25519, &[0xaf, 0x82], soon()).await.unwrap();

    assert_eq!(
        signature,
        hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
    );
}

#[tokio::test]
async fn a_scalar_that_is_zero_or_not_below_the_order_is_refused() {
    for (key_type, order) in ORDERS {
        let (_, point) = ec(key_type);
        let order = hex(order);
        let above = plus_one(&order);
        let zero = vec![0; order.len()];
        let largest = vec![0xff; order.len()];

        for scalar in [zero, order, above, largest] {
            refuse(Material::Ec { key_type, scalar: Secret::new(scalar), point: point.clone() }).await;
        }
    }
}

#[tokio::test]
async fn a_scalar_that_is_only_congruent_to_the_points_is_refused() {
    // The base point with 1 and with n + 1.
    let (key_type, order) = ORDERS[0];
    let point = hex(P256_BASE_POINT);
    let mut one = vec![0; 32];
    one[31] = 1;

    take(Material::Ec { key_type, scalar: Secret::new(one), point: point.clone() }).await;
    refuse(Material::Ec { key_type, scalar: Secret::new(plus_one(&hex(order))), point }).await;
}

#[tokio::test]
async fn a_point_that_is_not_on_the_curve_is_refused() {
    for (key_type, _) in ORDERS {
        let (scalar, point) = ec(key_type);
        for at in [1, point.len() - 1] {
            let mut off = point.clone();
            off[at] ^= 1;
            refuse(Material::Ec { key_type, scalar: scalar.clone(), point: off }).await;
        }
        let infinity = vec![0];
        let origin = [&[4], &*vec![0; point.len() - 1]].concat();
        for point in [infinity, origin, Vec::new()] {
            refuse(Material::Ec { key_type, scalar: scalar.clone(), point }).await;
        }
    }
}

#[tokio::test]
async fn a_pair_of_another_curve_is_refused() {
    for (key_type, _) in ORDERS {
        for (other, _) in ORDERS.into_iter().filter(|(other, _)| *other != key_type) {
            let (scalar, point) = ec(other);
            refuse(Material::Ec { key_type, scalar, point }).await;
        }
        let (scalar, point) = ec(KeyType::EcP256);
        refuse(Material::Ec { key_type: KeyType::Ed25519, scalar, point }).await;
    }
}

#[tokio::test]
async fn other_forms_of_the_same_pair_are_refused() {
    for (key_type, _) in ORDERS {
        let (scalar, point) = ec(key_type);
        let length = scalar.expose().len();
        let sign = point[2 * length] & 1;
        let compressed = [&[2 + sign], &point[1..=length]].concat();
        let hybrid = [&[6 + sign], &point[1..]].concat();
        let longer = Secret::new([&[0], scalar.expose()].concat());

        for point in [compressed, hybrid] {
            refuse(Material::Ec { key_type, scalar: scalar.clone(), point }).await;
        }
        refuse(Material::Ec { key_type, scalar: longer, point }).await;
    }
}

#[tokio::test]
async fn an_ed25519_pair_of_other_lengths_is_refused() {
    let Material::Ed25519 { seed, public } = pair(KeyType::Ed25519) else { panic!("another kind") };

    for seed in [[seed.expose(), &*public].concat(), seed.expose()[..31].to_vec(), Vec::new()] {
        refuse(Material::Ed25519 { seed: Secret::new(seed), public: public.clone() }).await;
    }
    for public in [public[..31].to_vec(), [&*public, &[0]].concat(), Vec::new()] {
        refuse(Material::Ed25519 { seed: seed.clone(), public }).await;
    }
}

#[tokio::test]
async fn an_rsa_pair_with_any_part_changed_is_refused() {
    let whole = rsa(KeyType::Rsa2048);
    let flipped = |part: &Secret| {
        let mut bytes = part.expose().to_vec();
        *bytes.last_mut().unwrap() ^= 2;
        Secret::new(bytes)
    };
    let mut modulus = whole.n.clone();
    modulus[100] ^= 1;

    for changed in [
        RsaMaterial { n: modulus, ..whole.clone() },
        RsaMaterial { d: flipped(&whole.d), ..whole.clone() },
        RsaMaterial { p: flipped(&whole.p), ..whole.clone() },
        RsaMaterial { q: flipped(&whole.q), ..whole.clone() },
        RsaMaterial { dp: flipped(&whole.dp), ..whole.clone() },
        RsaMaterial { dq: flipped(&whole.dq), ..whole.clone() },
        RsaMaterial { qi: flipped(&whole.qi), ..whole.clone() },
        RsaMaterial { p: whole.q.clone(), q: whole.p.clone(), ..whole.clone() },
        RsaMaterial { d: Secret::new(Vec::new()), ..whole.clone() },
        RsaMaterial { d: Secret::new(vec![0xff; 300]), ..whole.clone() },
    ] {
        refuse(Material::Rsa(changed.into())).await;
    }
    take(Material::Rsa(whole.into())).await;
}

#[tokio::test]
async fn an_rsa_pair_of_another_size_or_exponent_is_refused() {
    let whole = rsa(KeyType::Rsa2048);

    for e in [vec![3], vec![1, 0, 2], vec![1], vec![0, 1, 0, 1], Vec::new()] {
        refuse(Material::Rsa(RsaMaterial { e, ..whole.clone() }.into())).await;
    }
    refuse(Material::Rsa(RsaMaterial { key_type: KeyType::Rsa3072, ..whole.clone() }.into())).await;
    refuse(Material::Rsa(RsaMaterial { key_type: KeyType::EcP256, ..whole }.into())).await;
    refuse(vector(include_str!("../vectors/rsa-2047.txt"))).await;
}

#[tokio::test]
async fn an_rsa_pair_with_a_factor_that_is_no_prime_is_refused() {
    refuse(vector(include_str!("../vectors/rsa-2048-composite-factor.txt"))).await;
}

/// The pair is refused as what it says it is, and nothing of it is kept.
async fn refuse(pair: Material) {
    let store = Arc::<Memory>::default();
    let custodian = custodian(Arc::clone(&store)).await;
    let request = request(pair.key_type());

    let refused = custodian.backend.import(request, pair, soon()).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::InvalidArgument, "{refused}");
    assert_eq!(store.len(), 0);
}

async fn take(pair: Material) {
    let custodian = custodian(Arc::<Memory>::default()).await;

    custodian.backend.import(request(pair.key_type()), pair, soon()).await.unwrap();
}

fn ec(key_type: KeyType) -> (Secret, Vec<u8>) {
    let Material::Ec { scalar, point, .. } = pair(key_type) else { unimplemented!("a pair of another kind") };

    (scalar, point)
}

fn rsa(key_type: KeyType) -> RsaMaterial {
    let Material::Rsa(rsa) = pair(key_type) else { unimplemented!("a pair of another kind") };

    *rsa
}

/// The RSA-2048 pair of a file with its parts, one to a line.
fn vector(text: &str) -> Material {
    let part = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        hex(line.unwrap())
    };
    let secret = |name| Secret::new(part(name));

    Material::Rsa(Box::new(RsaMaterial {
        key_type: KeyType::Rsa2048,
        n: part("n"),
        e: part("e"),
        d: secret("d"),
        p: secret("p"),
        q: secret("q"),
        dp: secret("dp"),
        dq: secret("dq"),
        qi: secret("qi"),
    }))
}

fn plus_one(number: &[u8]) -> Vec<u8> {
    let mut sum = number.to_vec();
    for byte in sum.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    sum
}

fn hex(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

/// The order of each curve (SP 800-186, section 3.2.1).
const ORDERS: [(KeyType, &str); 3] = [
    (KeyType::EcP256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        KeyType::EcP384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        KeyType::EcP521,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
         51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];

const P256_BASE_POINT: &str = "04\
    6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
