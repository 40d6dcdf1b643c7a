//! The bodies and paths of `v1`, to and from the gateway's own terms.
//!
//! Fields that nobody here knows are refused: a misspelt one must not silently be left out.

mod key;
mod provider;
mod scheme;
mod sign;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use keyport_core::key::KeyName;
use keyport_core::{Error, Result};

pub(super) use self::key::{KeyObject, KeyPage, create, import, name_in_path, register, restore, state};
pub(super) use self::provider::providers;
pub(super) use self::sign::{Format, SignBody, Signature, Signing, Verified, respelt, sign, verify};

/// Reads a key's name. `.` and `..` are none here: no client could name them in a path (RFC 3986, section 5.2.4).
pub(super) fn key_name(field: &'static str, text: &str) -> Result<KeyName> {
    if matches!(text, "." | "..") {
        return Err(Error::invalid(field, "must not be . or .."));
    }

    KeyName::new(field, text)
}

/// Decodes either alphabet of RFC 4648, padded or not.
fn base64(field: &'static str, text: &str) -> Result<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE_IN } else { &STANDARD_IN };

    engine.decode(text).map_err(|error| Error::invalid(field, format!("is not base64: {error}")))
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

#[cfg(test)]
mod tests;
