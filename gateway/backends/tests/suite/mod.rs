//! What every backend promises, written once: each test crate hands its custodian to [`backend`].

mod import;
pub(crate) mod pairs;
mod restore;
mod state;
mod verify;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, KeyName, NativeId};
use keyport_core::name::TenantId;
use keyport_core::outside::Random;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};
use tokio::task::JoinSet;

use verify::verifies;

/// A backend, and what it says it offers.
#[derive(Clone, Debug)]
pub(crate) struct Custodian {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) key_types: Vec<KeyType>,
    pub(crate) mechanisms: Vec<Mechanism>,
    /// How many bytes the messages have that it signs, where it is the one who hashes them.
    pub(crate) messages: RangeInclusive<usize>,
    /// The key types it takes over; none where it takes over no keys.
    pub(crate) imports: Vec<KeyType>,
    /// Whether it keeps what it destroyed, and can take that back.
    pub(crate) restores: bool,
    /// Whether it knows the tenant of an object; otherwise custody's rows alone keep tenants apart.
    pub(crate) binds_tenant: bool,
}

/// What every backend promises.
pub(crate) async fn backend(custodian: &Custodian) {
    it_is_healthy(custodian).await;
    every_signature_verifies(custodian).await;
    a_mechanism_that_does_not_fit_is_refused(custodian).await;
    a_digest_of_another_length_is_refused(custodian).await;
    a_key_type_that_is_not_offered_is_unsupported(custodian).await;
    what_it_says_it_does_not_offer_is_what_it_does_not_make(custodian).await;
    generating_again_returns_the_same_pair(custodian).await;
    generating_again_as_another_type_is_refused(custodian).await;
    generating_at_once_makes_one_pair(custodian).await;
    every_key_id_gets_a_pair_of_its_own(custodian).await;
    what_was_made_is_found(custodian).await;
    what_was_never_made_is_not_there(custodian).await;
    what_was_destroyed_is_not_there(custodian).await;
    a_key_whose_native_id_was_never_recorded_is_destroyed(custodian).await;
    signatures_are_made_at_once(custodian).await;
    import::backend(custodian).await;
    restore::backend(custodian).await;
    state::backend(custodian).await;
    if custodian.binds_tenant {
        an_object_is_not_there_for_another_tenant(custodian).await;
    }
}

async fn it_is_healthy(custodian: &Custodian) {
    custodian.backend.health(soon()).await.unwrap();
}

async fn every_signature_verifies(custodian: &Custodian) {
    for key_type in custodian.key_types.iter().copied() {
        let (object, made) = custodian.make(key_type).await;

        its_signatures_verify(custodian, &object, &made).await;
    }
}

pub(crate) async fn its_signatures_verify(custodian: &Custodian, object: &Object, made: &Generated) {
    let key_type = object.key_type;
    assert_eq!(made.public.key_type(), key_type);
    assert_eq!(custodian.backend.public_key(object, soon()).await.unwrap(), made.public);

    for (mechanism, scheme) in custodian.ways(key_type) {
        for message in [b"".as_slice(), b"message", &[0xa5; 40_000]] {
            let input = render(mechanism, scheme, key_type, message);
            let signed = custodian.backend.sign(object, mechanism, &input, soon()).await;
            if scheme.hash().is_none() && !custodian.messages.contains(&message.len()) {
                assert_eq!(signed.unwrap_err().kind, FailureKind::InvalidArgument, "{scheme}");
                continue;
            }

            let signature = signed.unwrap();

            assert!(verifies(&made.public, scheme, message, &signature), "{key_type} {scheme} {mechanism:?}");
            assert!(!verifies(&made.public, scheme, b"another", &signature), "{key_type} {scheme}");
        }
    }
}

async fn a_mechanism_that_does_not_fit_is_refused(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let (object, _) = custodian.make(key_type).await;
        let fitting: HashSet<_> =
            custodian.ways(key_type).into_iter().map(|(mechanism, _)| mechanism).collect();

        for mechanism in Mechanism::ALL.into_iter().filter(|mechanism| !fitting.contains(mechanism)) {
            for length in [32, 48, 64] {
                let refused = custodian.backend.sign(&object, mechanism, &vec![7; length], soon()).await;
                let kind = refused.unwrap_err().kind;
                assert!(REFUSALS.contains(&kind), "{key_type} {mechanism:?} {kind:?}");
            }
        }
    }
}

async fn a_digest_of_another_length_is_refused(custodian: &Custodian) {
    let Some(key_type) = custodian.key_types.iter().find(|kind| matches!(kind.family(), Family::Rsa { .. }))
    else {
        return;
    };
    let (object, _) = custodian.make(*key_type).await;

    for (mechanism, scheme) in custodian.ways(*key_type) {
        if mechanism == Mechanism::RsaPkcs1v15DigestInfo {
            continue;
        }
        let right = scheme.hash().unwrap().digest_len();
        for length in [0, right - 1, right + 1] {
            let refused = custodian.backend.sign(&object, mechanism, &vec![7; length], soon()).await;
            assert_eq!(refused.unwrap_err().kind, FailureKind::InvalidArgument, "{mechanism:?} {length}");
        }
    }
}

async fn a_key_type_that_is_not_offered_is_unsupported(custodian: &Custodian) {
    for key_type in KeyType::ALL.into_iter().filter(|key_type| !custodian.key_types.contains(key_type)) {
        let refused = custodian.backend.generate(request(key_type), soon()).await;
        assert_eq!(refused.unwrap_err().kind, FailureKind::Unsupported, "{key_type}");
    }
}

async fn what_it_says_it_does_not_offer_is_what_it_does_not_make(custodian: &Custodian) {
    for key_type in KeyType::ALL {
        let told = custodian.backend.offers(key_type, soon()).await;
        let Some(told) = told else { continue };

        // What it says it offers it may yet refuse: a token has the mechanism and not the curve.
        if let Err(refused) = told {
            assert_eq!(refused.kind, FailureKind::Unsupported, "{key_type}");
            assert!(!custodian.key_types.contains(&key_type), "{key_type}");
        }
    }
}

async fn generating_again_returns_the_same_pair(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let request = request(key_type);
        let first = custodian.backend.generate(request.clone(), soon()).await.unwrap();
        let again = custodian.backend.generate(request, soon()).await.unwrap();

        assert_eq!((again.native_id, again.public), (first.native_id, first.public));
    }
}

async fn generating_again_as_another_type_is_refused(custodian: &Custodian) {
    let [one, other, ..] = custodian.key_types.as_slice() else { return };
    let request = request(*one);
    let made = custodian.backend.generate(request.clone(), soon()).await.unwrap();

    let refused = custodian.backend.generate(Generate { key_type: *other, ..request.clone() }, soon()).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::Exists);
    let public = custodian.backend.public_key(&object(&request, &made.native_id), soon()).await.unwrap();
    assert_eq!(public, made.public);
}

async fn generating_at_once_makes_one_pair(custodian: &Custodian) {
    let request = request(custodian.key_types[0]);
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (backend, request) = (Arc::clone(&custodian.backend), request.clone());
        tasks.spawn(async move { backend.generate(request, soon()).await.unwrap() });
    }

    let made: HashSet<_> = tasks.join_all().await.iter().map(|made| made.public.der().to_vec()).collect();
    assert_eq!(made.len(), 1);
}

async fn every_key_id_gets_a_pair_of_its_own(custodian: &Custodian) {
    let (one, made_one) = custodian.make(custodian.key_types[0]).await;
    let (two, made_two) = custodian.make(custodian.key_types[0]).await;

    assert_ne!(one.native_id, two.native_id);
    assert_ne!(made_one.public, made_two.public);
}

async fn what_was_made_is_found(custodian: &Custodian) {
    let (object, _) = custodian.make(custodian.key_types[0]).await;

    let found = custodian.backend.find(&object.tenant, object.key_id, soon()).await.unwrap();
    assert_eq!(found, Some(object.native_id));
}

async fn what_was_never_made_is_not_there(custodian: &Custodian) {
    let (like, _) = custodian.make(custodian.key_types[0]).await;
    let key_id = key_id();
    let object = Object { key_id, native_id: NativeId::new(key_id.to_string()), ..like };

    is_not_there(custodian, &object).await;
}

async fn what_was_destroyed_is_not_there(custodian: &Custodian) {
    let (stays, _) = custodian.make(custodian.key_types[0]).await;
    for key_type in custodian.one_of_each_family() {
        let (object, _) = custodian.make(key_type).await;
        custodian.backend.destroy(&object, soon()).await.unwrap();

        is_not_there(custodian, &object).await;
    }

    custodian.backend.public_key(&stays, soon()).await.unwrap();
}

/// Custody calls such a key by its key-id.
async fn a_key_whose_native_id_was_never_recorded_is_destroyed(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let (object, _) = custodian.make(key_type).await;
        let native_id = NativeId::new(object.key_id.to_string());
        custodian.backend.destroy(&Object { native_id, ..object.clone() }, soon()).await.unwrap();

        is_not_there(custodian, &object).await;
    }
}

async fn signatures_are_made_at_once(custodian: &Custodian) {
    for key_type in custodian.one_of_each_family() {
        let (object, made) = custodian.make(key_type).await;
        let (mechanism, scheme) = custodian.ways(key_type)[0];

        let mut tasks = JoinSet::new();
        for number in 0..32_u8 {
            let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
            tasks.spawn(async move {
                let input = render(mechanism, scheme, key_type, &[number]);
                (number, backend.sign(&object, mechanism, &input, soon()).await.unwrap())
            });
        }
        for (number, signature) in tasks.join_all().await {
            assert!(verifies(&made.public, scheme, &[number], &signature), "{key_type} {number}");
        }
    }
}

async fn an_object_is_not_there_for_another_tenant(custodian: &Custodian) {
    let (object, made) = custodian.make(custodian.key_types[0]).await;
    let foreign = Object { tenant: "somebody-else".parse().unwrap(), ..object.clone() };

    is_not_there(custodian, &foreign).await;
    assert_eq!(custodian.backend.public_key(&object, soon()).await.unwrap(), made.public);
}

async fn is_not_there(custodian: &Custodian, object: &Object) {
    let backend = &custodian.backend;
    let (mechanism, scheme) = custodian.ways(object.key_type)[0];
    let input = render(mechanism, scheme, object.key_type, b"message");

    let refused = backend.sign(object, mechanism, &input, soon()).await.unwrap_err();
    assert!(LOST.contains(&refused.kind), "{refused}");
    let refused = backend.public_key(object, soon()).await.unwrap_err();
    assert!(LOST.contains(&refused.kind), "{refused}");
    assert_eq!(backend.find(&object.tenant, object.key_id, soon()).await.unwrap(), None);
    let state = backend.state(object, soon()).await.unwrap();
    assert!(matches!(state, KeyState::Gone | KeyState::PendingDeletion(_)), "{state:?}");
    backend.destroy(object, soon()).await.unwrap();
}

impl Custodian {
    /// Makes a key pair.
    pub(crate) async fn make(&self, key_type: KeyType) -> (Object, Generated) {
        let request = request(key_type);
        let made = self.backend.generate(request.clone(), soon()).await.unwrap();

        (object(&request, &made.native_id), made)
    }

    /// Every mechanism offered for a key type, with each scheme it serves.
    fn ways(&self, key_type: KeyType) -> Vec<(Mechanism, Scheme)> {
        let fitting = Scheme::ALL.into_iter().filter(|scheme| scheme.fits(key_type));
        fitting
            .flat_map(|scheme| self.mechanisms.iter().map(move |mechanism| (*mechanism, scheme)))
            .filter(|(mechanism, scheme)| mechanism.fits(*scheme))
            .collect()
    }

    fn one_of_each_family(&self) -> Vec<KeyType> {
        let mut families = HashSet::new();
        let first = |key_type: &&KeyType| families.insert(std::mem::discriminant(&key_type.family()));

        self.key_types.iter().filter(first).copied().collect()
    }
}

/// A request for a key pair with a key-id that was never used.
pub(crate) fn request(key_type: KeyType) -> Generate {
    let tenant: TenantId = "conformance".parse().unwrap();

    Generate { tenant, key_id: key_id(), name: KeyName::new("name", "a key").unwrap(), key_type }
}

/// What was made for a request.
pub(crate) fn object(request: &Generate, native_id: &NativeId) -> Object {
    Object {
        tenant: request.tenant.clone(),
        key_id: request.key_id,
        native_id: native_id.clone(),
        key_type: request.key_type,
    }
}

/// A deadline that is far enough for the slowest custodian.
pub(crate) fn soon() -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(120)
}

fn key_id() -> KeyId {
    KeyId::random(&SystemRandom)
}

/// Where key-ids come from.
#[derive(Debug)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// What custody would hand in, written again, so that a mistake there does not hide one here.
fn render(mechanism: Mechanism, scheme: Scheme, key_type: KeyType, message: &[u8]) -> Vec<u8> {
    let Some(hash) = scheme.hash() else { return message.to_vec() };
    if mechanism == Mechanism::Ed25519phOfMessage {
        return message.to_vec();
    }
    let (algorithm, digest_info) = match hash {
        Hash::Sha256 => (&digest::SHA256, "3031300d060960864801650304020105000420"),
        Hash::Sha384 => (&digest::SHA384, "3041300d060960864801650304020205000430"),
        Hash::Sha512 => (&digest::SHA512, "3051300d060960864801650304020305000440"),
    };
    let digest = digest::digest(algorithm, message);

    match (mechanism, key_type.family()) {
        (Mechanism::Ecdsa, Family::Ecdsa { order }) => {
            digest.as_ref()[..order.min(hash.digest_len())].to_vec()
        }
        (Mechanism::RsaPkcs1v15DigestInfo, _) => {
            [hex::decode(digest_info).unwrap().as_slice(), digest.as_ref()].concat()
        }
        _ => digest.as_ref().to_vec(),
    }
}

/// A custodian that destroys keys after a while may say that there was one.
const LOST: [FailureKind; 2] = [FailureKind::NotFound, FailureKind::KeyGone];

const REFUSALS: [FailureKind; 2] = [FailureKind::InvalidArgument, FailureKind::Unsupported];
