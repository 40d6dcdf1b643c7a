//! Remembers the PIN that a token refused: service managers start a gateway again and again, and tokens lock.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use aws_lc_rs::rand;
use keyport_backends::pkcs11::{OpenError, Refusal};
use keyport_core::name::ConnectionName;
use keyport_core::secret::Secret;
use keyport_store::{Pins, Store};

use crate::outside::TokioClock;

/// Refuses a PIN that the token refused last.
pub(super) async fn check(connection: &ConnectionName, pin: &Secret, pins: &Pins) -> Result<()> {
    let Some((salt, hash)) = pins.refused_pin(connection).await? else { return Ok(()) };
    if pbkdf2::verify(PBKDF2_HMAC_SHA256, ROUNDS, &salt, pin.expose(), &hash).is_err() {
        return Ok(());
    }

    bail!(
        "the token refused this PIN before, and it is not tried again, because tokens lock; correct it, or, where the \
         token's PIN was set to this one since, say so: keyport pkcs11 retry-pin {connection} --data DIR"
    )
}

/// Keeps in mind whether the token took the PIN.
pub(super) async fn remember(
    connection: &ConnectionName,
    pin: &Secret,
    error: Option<&OpenError>,
    pins: &Pins,
) -> Result<()> {
    match error {
        None => Ok(pins.set_refused_pin(connection, None).await?),
        Some(OpenError::Refused(Refusal::Pin { .. })) => {
            let mut salt = [0; 16];
            rand::fill(&mut salt)?;
            let mut hash = [0; 32];
            pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, &salt, pin.expose(), &mut hash);

            Ok(pins.set_refused_pin(connection, Some((salt.to_vec(), hash.to_vec()))).await?)
        }
        Some(OpenError::Refused(_) | OpenError::Process(_) | OpenError::Failed(_)) => Ok(()),
    }
}

/// Lets the next start try a PIN that was refused; answers whether one was. The gateway must not be running.
pub(crate) async fn forget_refused_pin(data: &Path, connection: &ConnectionName) -> Result<bool> {
    ensure!(data.is_dir(), "{} is no data folder", data.display());
    let store = Store::open(data, Arc::new(TokioClock)).await?;
    let pins = store.pins();
    let was_refused = pins.refused_pin(connection).await?.is_some();
    pins.set_refused_pin(connection, None).await?;

    store.close().await;
    Ok(was_refused)
}

/// About a fifth of a second (OWASP, Password Storage Cheat Sheet): a PIN has few digits.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};
