//! What a library was asked: OpenSC's pkcs11-spy stands between the gateway and the token, and writes it down.

use std::fs;
use std::path::PathBuf;

use super::stage::{Way, library};
use super::token::{SOFTHSM, Token};

/// Where the calls are written down.
pub(super) struct Spy {
    log: PathBuf,
}

impl Spy {
    /// The way to the token past it; `None` where it is not installed.
    pub(super) fn on(token: &Token) -> Option<(Self, Way)> {
        let module = library("pkcs11-spy.so", "opensc")?;
        let log = token.path("calls");
        let way = Way {
            module,
            more: "environment = [\"PKCS11SPY\", \"PKCS11SPY_OUTPUT\"]\n".to_owned(),
            environment: vec![
                ("PKCS11SPY".into(), SOFTHSM.into()),
                ("PKCS11SPY_OUTPUT".into(), log.clone().into_os_string()),
            ],
        };

        Some((Self { log }, way))
    }

    /// How often the library was asked for this so far.
    pub(super) fn count(&self, function: &str) -> usize {
        let calls = fs::read(&self.log).unwrap_or_default();
        let calls = String::from_utf8_lossy(&calls);

        calls
            .lines()
            .filter(|line| line.split_once(": ").is_some_and(|(_, called)| called == function))
            .count()
    }
}
