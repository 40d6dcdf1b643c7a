//! What is left of keys that are made to try a connection.

use std::time::Duration;

use keyport_backends::aws::Aws;
use keyport_core::custody::tryout::{TestKey, Tryout};
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, StandIn, User};

use crate::account::{made_and_left, opened_with};
use crate::clock::Ahead;
use crate::suite::SystemRandom;

/// The connection of a trial: nobody asked for keys there before, and the index may take a while to list one.
fn opened(service: &StandIn) -> Aws {
    opened_with(service, |connection| {
        connection.settling = Duration::from_secs(3600);
        connection.first = true;
    })
}

async fn tried(aws: &Aws, patience: Duration) -> TestKey {
    let tryout = Tryout { backend: aws, random: &SystemRandom, clock: &Ahead::default(), patience };

    tryout.key(KeyType::EcP256).await
}

fn deny(service: &StandIn, denied: &[&'static str]) {
    let mut user = User::with_secret(SECRET);
    user.denied.extend(denied);

    service.users().add(ACCESS_KEY, user);
}

fn refused(tried: &TestKey) -> &Failure {
    tried.made.as_ref().unwrap_err()
}

#[tokio::test]
async fn a_key_that_must_not_be_named_is_deleted_though_no_index_lists_it() {
    let service = StandIn::start();
    service.let_index_lag(true);
    deny(&service, &["CreateAlias"]);

    let tried = tried(&opened(&service), Duration::from_secs(60)).await;

    assert_eq!(refused(&tried).kind, FailureKind::Denied, "{tried:?}");
    assert!(tried.destroyed.is_none(), "{tried:?}");
    assert_eq!(made_and_left(&service), (1, 0));
}

#[tokio::test]
async fn a_key_that_must_be_neither_named_nor_deleted_is_told() {
    let service = StandIn::start();
    service.let_index_lag(true);
    deny(&service, &["CreateAlias", "ScheduleKeyDeletion"]);

    let tried = tried(&opened(&service), Duration::from_secs(2)).await;

    let left = service.keys().all()[0].arn.clone();
    assert_eq!(refused(&tried).kind, FailureKind::Denied, "{tried:?}");
    assert!(refused(&tried).message.contains(&format!("{left} was made for it and stays")), "{tried:?}");
    assert_eq!(tried.destroyed.unwrap().unwrap_err().kind, FailureKind::Unavailable);
}

#[tokio::test]
async fn a_key_of_which_nobody_heard_is_deleted_as_soon_as_the_index_lists_it() {
    let service = StandIn::start();
    service.let_index_lag(true);
    service.faults().add("CreateKey", 1, Fault::Cut);
    let aws = opened(&service);

    // Two looks before it is made, and two looks twice after it.
    let listed = async {
        service.asked(7).await;
        service.let_index_lag(false);
    };
    let (tried, ()) = tokio::join!(tried(&aws, Duration::from_secs(60)), listed);

    assert_eq!(refused(&tried).kind, FailureKind::Unavailable, "{tried:?}");
    assert!(matches!(tried.destroyed, Some(Ok(()))), "{tried:?}");
    assert_eq!(made_and_left(&service), (1, 0));
}

#[tokio::test]
async fn a_trial_that_is_refused_a_key_waits_for_nothing() {
    let service = StandIn::start();
    deny(&service, &["CreateKey"]);

    let tried = tried(&opened(&service), Duration::from_secs(60)).await;

    assert_eq!(refused(&tried).kind, FailureKind::Denied);
    assert!(tried.destroyed.is_none(), "{tried:?}");
    assert_eq!(service.count("GetResources"), 2, "one look before, and one after: {:?}", service.heard());
}
