//! What every provider promises, tried with the one that comes with the gateway on a token.

use super::token::{Half, LABEL, SOFTHSM, Token};
use crate::harness::KEYPORT;
use crate::provider::{keeps_every_promise, run};

#[tokio::test]
async fn our_provider_keeps_every_promise_and_leaves_no_key_on_the_token() {
    let Some(token) = Token::new().await else { return };
    let mut command = token.command(KEYPORT);
    command.args(["provider", "test", "builtin:pkcs11", "--json", "--module", SOFTHSM, "--token", LABEL]);
    command.arg("--pin-file").arg(token.pin_file());
    let ended = run(command).await;

    keeps_every_promise(&ended, &[]);
    for half in Half::BOTH {
        assert!(token.ids(half).await.is_empty(), "{half:?}");
    }
}
