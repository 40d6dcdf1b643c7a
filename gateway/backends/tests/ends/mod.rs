//! Gateways that end between any two calls: whatever they leave behind, the next one finds.

use std::sync::Arc;

use keyport_core::backend::{Backend, Generate, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::{Fault, Faults};

use crate::suite::{object, request, soon};

/// A service, and gateways that are started at it.
pub(crate) trait Stage {
    /// A service without keys.
    fn set() -> Self;

    /// What it does wrong.
    fn faults(&self) -> &Faults;

    /// A gateway that has just begun.
    fn begin(&self) -> Arc<dyn Backend>;

    /// How many keys there are that are not destroyed.
    fn alive(&self) -> usize;

    /// Lets so much time pass that a gateway believes what it is told.
    async fn settle(&self) {}
}

/// A crash during any of the calls of making a key, of which there are so many, leaves one that is found or none.
pub(crate) async fn while_a_key_is_made<S: Stage>(calls: usize) {
    for how in LOST {
        for next in [Next::MakesItAgain, Next::DestroysIt] {
            let mut number = 0;
            while nothing_is_lost_while_making::<S>(number, how.clone(), next).await {
                number += 1;
            }
            assert_eq!(number, calls);
        }
    }
}

/// A crash during any of the calls of destroying a key, of which there are so many, leaves nothing that a second try does not
/// destroy.
pub(crate) async fn while_a_key_is_destroyed<S: Stage>(calls: usize) {
    for how in LOST {
        let mut number = 0;
        while nothing_is_left_while_destroying::<S>(number, how.clone()).await {
            number += 1;
        }
        assert_eq!(number, calls);
    }
}

/// Begins to make a key in a gateway that ends during its call of this number; whether it has one of that number.
pub(crate) async fn ends_while_making<S: Stage>(
    stage: &S,
    request: &Generate,
    number: usize,
    how: Fault,
) -> bool {
    let gateway = stage.begin();
    stage.faults().after(number, how);

    tokio::select! {
        made = gateway.generate(request.clone(), soon()) => {
            made.unwrap();
            false
        }
        () = stage.faults().has_hung() => true,
    }
}

/// What the gateway that comes after does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// Somebody asks for the key again.
    MakesItAgain,
    /// Its row is reaped, which knows no native id.
    DestroysIt,
}

/// Whether making a key has a call of this number; if so, that a gateway which ends there leaves nothing that is not found.
async fn nothing_is_lost_while_making<S: Stage>(number: usize, how: Fault, next: Next) -> bool {
    let (stage, request) = (S::set(), request(KeyType::EcP256));
    if !ends_while_making(&stage, &request, number, how.clone()).await {
        return false;
    }

    let (gateway, left) = (stage.begin(), stage.alive());
    let found = gateway.find(&request.tenant, request.key_id, soon()).await.unwrap();
    assert_eq!(usize::from(found.is_some()), left, "after call {number}, lost {how:?}");
    let object = match next {
        Next::MakesItAgain => makes_it_again(&stage, &*gateway, &request, found).await,
        Next::DestroysIt => object(&request, &NativeId::new(request.key_id.to_string())),
    };

    gateway.destroy(&object, soon()).await.unwrap();
    assert_eq!(stage.alive(), 0, "after call {number}, lost {how:?}");
    assert_eq!(gateway.find(&request.tenant, request.key_id, soon()).await.unwrap(), None);
    true
}

async fn makes_it_again(
    stage: &impl Stage,
    gateway: &dyn Backend,
    request: &Generate,
    found: Option<NativeId>,
) -> Object {
    let made = gateway.generate(request.clone(), soon()).await.unwrap();
    assert!(found.is_none_or(|found| found == made.native_id));
    assert_eq!(stage.alive(), 1);

    let object = object(request, &made.native_id);
    gateway.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    object
}

/// Whether destroying a key has a call of this number; if so, that a gateway which ends there leaves nothing that a second try
/// does not destroy.
async fn nothing_is_left_while_destroying<S: Stage>(number: usize, how: Fault) -> bool {
    let (stage, request) = (S::set(), request(KeyType::EcP256));
    let made = stage.begin().generate(request.clone(), soon()).await.unwrap();
    let (gateway, object) = (stage.begin(), object(&request, &made.native_id));
    stage.faults().after(number, how.clone());

    let ends = tokio::select! {
        destroyed = gateway.destroy(&object, soon()) => {
            destroyed.unwrap();
            false
        }
        () = stage.faults().has_hung() => true,
    };
    stage.faults().clear();
    let next = stage.begin();
    stage.settle().await;
    next.destroy(&object, soon()).await.unwrap();
    assert_eq!(stage.alive(), 0, "after call {number}, lost {how:?}");
    ends
}

/// The two ways in which a call is lost: before it was done, and after.
const LOST: [Fault; 2] = [Fault::HangBefore, Fault::HangAfter];
