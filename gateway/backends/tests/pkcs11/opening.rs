//! Opening a connection: what fails at once, with the reason and the mend.

use keyport_backends::pkcs11::{Connection, OpenError, Pkcs11, Refusal, TokenChoice};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::scheme::KeyType;

use crate::process::{calls, eventually, kill_hosts};
use crate::suite::{request, soon};
use crate::token::{SOFTHSM, Token, is_there, library, pin};

#[tokio::test]
async fn a_missing_module_is_refused_by_its_path() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let connection = Connection { module: "/nowhere/libhsm.so".into(), ..token.connection() };

    let refused = refusal(connection).await;
    assert!(matches!(refused, Refusal::ModuleMissing(_)));
    assert!(refused.to_string().contains("/nowhere/libhsm.so; install"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_library_is_refused() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let text = token.folder.path().join("softhsm2.conf");

    let refused = refusal(Connection { module: text, ..token.connection() }).await;
    assert!(matches!(refused, Refusal::Module { .. }), "{refused}");
}

#[tokio::test]
async fn a_library_that_is_not_pkcs11_is_refused() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.split_whitespace().find(|word| word.contains("/libc.so")).unwrap();

    let refused = refusal(Connection { module: libc.into(), ..token.connection() }).await;
    assert!(refused.to_string().contains("it has no C_GetFunctionList"), "{refused}");
}

#[tokio::test]
async fn a_label_that_no_token_has_is_refused_with_those_that_are_there() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let wanted = TokenChoice::Label("tset".to_owned());

    let refused = refusal(Connection { token: wanted, ..token.connection() }).await.to_string();
    assert!(
        refused.contains("no token alone has label \"tset\"") && refused.contains("label \"test\""),
        "{refused}"
    );
}

#[tokio::test]
async fn a_slot_that_is_not_there_is_refused_with_those_that_are() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let wanted = TokenChoice::Slot(4242);

    let refused = refusal(Connection { token: wanted, ..token.connection() }).await.to_string();
    assert!(refused.contains("slot 4242") && refused.contains("label \"test\""), "{refused}");
}

#[tokio::test]
async fn a_token_is_found_by_slot_and_by_serial_too() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let identity = token.open().await.identity(soon()).await.unwrap().unwrap();
    let serial = identity.rsplit('/').next().unwrap().to_owned();
    // SoftHSM makes the slot's number of the last digits of the serial.
    let number = u64::from_str_radix(&serial[8..], 16).unwrap() & 0x7fff_ffff;

    for wanted in [TokenChoice::Serial(serial), TokenChoice::Slot(number)] {
        let opened = Pkcs11::open(Connection { token: wanted, ..token.connection() }).await.unwrap();
        assert_eq!(opened.identity(soon()).await.unwrap().unwrap(), identity);
    }
}

#[tokio::test]
async fn a_missing_pin_is_refused() {
    let Some(token) = Token::new(SOFTHSM) else { return };

    let refused = refusal(Connection { pin: None, ..token.connection() }).await;
    assert!(matches!(refused, Refusal::PinMissing), "{refused}");
}

#[tokio::test]
async fn a_wrong_pin_reaches_the_token_once() {
    let Some((token, spied)) = spied() else { return };

    let refused = refusal(Connection { pin: Some(pin("4321")), ..spied }).await;
    assert!(matches!(refused, Refusal::Pin { code: 0xa0, .. }));
    assert!(refused.to_string().contains("correct the PIN"), "{refused}");
    assert!(!refused.to_string().contains("4321"));
    assert_eq!(logins(&token), 1);
}

#[tokio::test]
async fn a_pin_that_becomes_wrong_is_tried_once_and_never_again() {
    let Some((token, spied)) = spied() else { return };
    let backend = Pkcs11::open(spied).await.unwrap();
    backend.health(soon()).await.unwrap();
    assert_eq!(logins(&token), 1);

    token.tool(&["--change-pin", "--new-pin", "9876"]);
    assert_eq!(kill_hosts(&token), 1);
    // The first answers may be those of a process that is gone.
    let is_refused =
        async || backend.health(soon()).await.is_err_and(|failure| failure.kind == FailureKind::Credentials);
    eventually("the PIN is refused", is_refused).await;
    for _ in 0..20 {
        let refused = backend.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (FailureKind::Credentials, 0xa0));
    }

    assert_eq!(logins(&token), 2);
    assert_eq!(kill_hosts(&token), 0);
}

#[tokio::test]
async fn a_read_only_connection_signs_but_makes_and_destroys_nothing() {
    let Some((token, spied)) = spied() else { return };
    let (object, made) = token.custodian(token.open().await).make(KeyType::EcP256).await;

    let backend = Pkcs11::open(Connection { read_only: true, ..spied }).await.unwrap();
    assert_eq!(backend.public_key(&object, soon()).await.unwrap(), made.public);
    let refused = backend.generate(request(KeyType::EcP256), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
    assert_eq!(backend.destroy(&object, soon()).await.unwrap_err().kind, FailureKind::Denied);
    assert_eq!(backend.public_key(&object, soon()).await.unwrap(), made.public);

    let log = std::fs::read_to_string(token.folder.path().join("spy.log")).unwrap();
    assert!(!log.contains("CKF_RW_SESSION"), "a session was opened for writing");
}

#[tokio::test]
async fn a_module_that_cannot_be_initialised_is_refused() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let mut connection = token.connection();
    connection.host.environment = vec![("SOFTHSM2_CONF".into(), "/nowhere/softhsm2.conf".into())];

    let refused = refusal(connection).await;
    assert!(matches!(refused, Refusal::Initialisation(_)), "{refused}");
}

#[tokio::test]
async fn a_process_that_cannot_be_started_is_an_error() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let mut connection = token.connection();
    connection.host.path = "/nowhere/keyport".into();

    assert!(matches!(Pkcs11::open(connection).await, Err(OpenError::Process(_))));
}

#[tokio::test]
async fn a_program_that_is_no_host_is_an_error() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let mut connection = token.connection();
    connection.host.path = "/bin/true".into();

    // It may be something that mends itself, so the connection is opened, and its health says what is wrong.
    let backend = Pkcs11::open(connection).await.unwrap();
    assert_eq!(backend.health(soon()).await.unwrap_err().kind, FailureKind::Unavailable);
}

/// A token whose every call OpenSC's spy writes down.
pub(crate) fn spied() -> Option<(Token, Connection)> {
    let spy = library("pkcs11-spy.so");
    if !is_there(&spy, "opensc") {
        return None;
    }
    let token = Token::new(SOFTHSM)?;
    let mut connection = Connection { module: spy.into(), ..token.connection() };
    connection.host.environment.extend([
        ("PKCS11SPY".into(), SOFTHSM.module.into()),
        ("PKCS11SPY_OUTPUT".into(), token.folder.path().join("spy.log").into()),
    ]);

    Some((token, connection))
}

fn logins(token: &Token) -> usize {
    calls(&token.folder.path().join("spy.log"), "C_Login")
}

async fn refusal(connection: Connection) -> Refusal {
    match Pkcs11::open(connection).await {
        Err(OpenError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}
