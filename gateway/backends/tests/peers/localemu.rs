//! LocalEmu's KMS: what the gateway asks for is what the vendor's own client would take, and what comes back verifies.
//!
//! What it does otherwise than the service is not asked of it here: it makes no Ed25519 keys, the tagging service that comes with it does
//! not see its keys, an algorithm of RSA on a curve's key is a fault of its own (500), and it checks nobody's signature.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use keyport_backends::aws::{Aws, Connection, DeletionWindow, Endpoints, Source};
use keyport_backends::cloud::Rates;
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;

use crate::emulator::{ACCESS_KEY, LocalEmu, REGION, SECRET};
use crate::suite::{self, Custodian, request, soon};

#[tokio::test(flavor = "multi_thread")]
async fn localemu_keeps_what_every_backend_promises() {
    let Some(emulator) = LocalEmu::start().await else { return };

    suite::backend(&custodian(opened(&emulator))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_has_signed_as_a_digest_the_service_verifies_as_a_message_too() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let custodian = custodian(opened(&emulator));
    let mut statements = "import hashlib\n".to_owned();
    let mut signatures = 0;
    for (key_type, mechanism, hash, algorithm) in ALGORITHMS {
        let (object, _) = custodian.make(key_type).await;
        let signed = custodian.backend.sign(&object, mechanism, &digest(hash), soon()).await.unwrap();
        let call = format!(
            "kms.verify(KeyId='{}', SigningAlgorithm='{algorithm}', Signature=bytes.fromhex('{}'), ",
            object.native_id.as_str(),
            hex::encode(signed)
        );
        statements += &format!("print({call}Message=b'message', MessageType='RAW')['SignatureValid'])\n");
        let digest = hex::encode(digest(hash));
        let rest = format!("Message=bytes.fromhex('{digest}'), MessageType='DIGEST')['SignatureValid'])");
        statements += &format!("print({call}{rest}\n");
        signatures += 1;
    }

    let said = emulator.told(&statements).await;
    assert_eq!(said.lines().filter(|line| *line == "True").count(), 2 * signatures, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_disabled_or_leaves_says_so_and_signs_again_when_its_operator_relents() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let custodian = custodian(opened(&emulator));
    let backend = &custodian.backend;
    let (object, _) = custodian.make(KeyType::EcP256).await;
    let told = async |verb: &str| {
        emulator.told(&format!("kms.{verb}(KeyId='{}')", object.native_id.as_str())).await;
    };
    let says = async |word: &str| {
        let refusals = [
            backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.map(drop),
            backend.locate(object.native_id.as_str(), soon()).await.map(drop),
        ];
        for refused in refusals.map(Result::unwrap_err) {
            assert!(refused.kind == FailureKind::KeyGone && refused.message.contains(word), "{refused}");
        }
        backend.find(&object.tenant, object.key_id, soon()).await.unwrap()
    };

    told("disable_key").await;
    assert_eq!(says("disabled").await.as_ref(), Some(&object.native_id));
    told("enable_key").await;
    backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();

    for _ in 0..2 {
        backend.destroy(&object, soon()).await.unwrap();
        assert_eq!(says("scheduled for deletion").await, None);
    }
    // Whoever cancels a deletion gets a key that is disabled.
    told("cancel_key_deletion").await;
    assert_eq!(says("disabled").await.as_ref(), Some(&object.native_id));
    told("enable_key").await;
    backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_by_its_arn_its_id_and_its_alias_and_what_cannot_sign_is_refused() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let aws = opened(&emulator);
    let made = emulator
        .told(
            "key = kms.create_key(KeySpec='RSA_2048', KeyUsage='SIGN_VERIFY')['KeyMetadata']\n\
             kms.create_alias(AliasName='alias/ca-2026', TargetKeyId=key['KeyId'])\n\
             print(key['Arn'], key['KeyId'])",
        )
        .await;
    let (arn, id) = made.split_once(' ').unwrap();
    for reference in [arn, id, "alias/ca-2026", &arn.replace(&format!("key/{id}"), "alias/ca-2026")] {
        let located = aws.locate(reference, soon()).await.unwrap();
        assert_eq!((located.native_id.as_str(), located.public.key_type()), (arn, KeyType::Rsa2048));
    }

    let unfit = "for spec, usage in [('SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT'), ('RSA_2048', 'ENCRYPT_DECRYPT'), \
                 ('HMAC_256', 'GENERATE_VERIFY_MAC')]:\n  \
                 print(kms.create_key(KeySpec=spec, KeyUsage=usage)['KeyMetadata']['Arn'])";
    for reference in emulator.told(unfit).await.lines() {
        let refused = aws.locate(reference, soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unsupported, "{refused}");
    }
    let nobody = aws.locate("alias/nobody", soon()).await.unwrap_err();
    assert_eq!(nobody.kind, FailureKind::NotFound, "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_in_another_region_signs_as_the_key_that_it_replicates() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let custodian = custodian(opened_with(&emulator, |connection| connection.multi_region = true));
    let elsewhere =
        self::custodian(opened_with(&emulator, |connection| connection.region = "eu-west-1".into()));
    for key_type in [KeyType::EcP256, KeyType::Rsa2048] {
        let (object, made) = custodian.make(key_type).await;
        let native_id = elsewhere.backend.counterpart(&object.native_id);
        let replica = Object { native_id, ..object.clone() };
        let missing = elsewhere.backend.public_key(&replica, soon()).await.unwrap_err();
        assert_eq!(missing.kind, FailureKind::NotFound, "{missing}");

        let id = object.native_id.as_str();
        emulator.told(&format!("kms.replicate_key(KeyId='{id}', ReplicaRegion='eu-west-1')")).await;
        suite::its_signatures_verify(&elsewhere, &replica, &made).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_account_make_no_keys() {
    let Some(emulator) = LocalEmu::start().await else { return };
    let bound = |account: &str| Some(format!("aws:{account}:{REGION}"));
    let ours = opened_with(&emulator, |connection| connection.identity = bound(ACCESS_KEY));
    assert_eq!(ours.identity(soon()).await.unwrap(), bound(ACCESS_KEY));
    ours.generate(request(KeyType::EcP256), soon()).await.unwrap();

    let theirs = opened_with(&emulator, |connection| connection.identity = bound("444455556666"));
    let refused = theirs.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
    assert!(
        refused.kind == FailureKind::OperatorNeeded && refused.message.contains("444455556666"),
        "{refused}"
    );
}

/// Of what all signatures here are made.
fn digest(hash: Hash) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };

    digest::digest(algorithm, b"message").as_ref().to_vec()
}

fn opened(emulator: &LocalEmu) -> Aws {
    opened_with(emulator, |_| ())
}

/// The same, configured otherwise.
fn opened_with(emulator: &LocalEmu, change: impl FnOnce(&mut Connection)) -> Aws {
    let place = Some(emulator.url.clone());
    let mut connection = Connection {
        name: "kms".to_owned(),
        region: REGION.to_owned(),
        identity: None,
        prefix: "keyport".parse().unwrap(),
        endpoints: Endpoints {
            kms: place.clone(),
            sts: place.clone(),
            tagging: place,
            ..Endpoints::default()
        },
        credentials: Source::Static {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET.as_bytes().to_vec()),
            session_token: None,
        },
        role: None,
        ca: None,
        proxy: None,
        multi_region: false,
        deletion_window: DeletionWindow::WEEK,
        verify: true,
        rates: Rates::default(),
        description: "{key} of {tenant}".parse().unwrap(),
        tags: Vec::new(),
        settling: Duration::ZERO,
        first: false,
    };
    change(&mut connection);

    Aws::open(connection).unwrap()
}

fn custodian(aws: Aws) -> Custodian {
    let rsa = Hash::ALL.into_iter().flat_map(|hash| [Mechanism::RsaPkcs1v15(hash), Mechanism::RsaPss(hash)]);

    Custodian {
        backend: Arc::new(aws),
        key_types: KEY_TYPES.to_vec(),
        mechanisms: std::iter::once(Mechanism::Ecdsa).chain(rsa).collect(),
        messages: 1..=4096,
        imports: Vec::new(),
        restores: true,
        binds_tenant: false,
    }
}

const KEY_TYPES: [KeyType; 7] = [
    KeyType::EcP256,
    KeyType::EcP384,
    KeyType::EcP521,
    KeyType::EcSecp256k1,
    KeyType::Rsa2048,
    KeyType::Rsa3072,
    KeyType::Rsa4096,
];

const ALGORITHMS: [(KeyType, Mechanism, Hash, &str); 10] = [
    (KeyType::EcP256, Mechanism::Ecdsa, Hash::Sha256, "ECDSA_SHA_256"),
    (KeyType::EcP384, Mechanism::Ecdsa, Hash::Sha384, "ECDSA_SHA_384"),
    (KeyType::EcP521, Mechanism::Ecdsa, Hash::Sha512, "ECDSA_SHA_512"),
    (KeyType::EcSecp256k1, Mechanism::Ecdsa, Hash::Sha256, "ECDSA_SHA_256"),
    (KeyType::Rsa2048, Mechanism::RsaPkcs1v15(Hash::Sha256), Hash::Sha256, "RSASSA_PKCS1_V1_5_SHA_256"),
    (KeyType::Rsa2048, Mechanism::RsaPkcs1v15(Hash::Sha384), Hash::Sha384, "RSASSA_PKCS1_V1_5_SHA_384"),
    (KeyType::Rsa3072, Mechanism::RsaPkcs1v15(Hash::Sha512), Hash::Sha512, "RSASSA_PKCS1_V1_5_SHA_512"),
    (KeyType::Rsa2048, Mechanism::RsaPss(Hash::Sha256), Hash::Sha256, "RSASSA_PSS_SHA_256"),
    (KeyType::Rsa2048, Mechanism::RsaPss(Hash::Sha384), Hash::Sha384, "RSASSA_PSS_SHA_384"),
    (KeyType::Rsa4096, Mechanism::RsaPss(Hash::Sha512), Hash::Sha512, "RSASSA_PSS_SHA_512"),
];
