//! From when until when an X.509 certificate is valid.

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use keyport_core::outside::Timestamp;

/// From when until when an X.509 certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Validity {
    /// Reads `certificate`, DER. `None` where it is no X.509 certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        read(certificate).ok()
    }
}

/// Certificate → TBSCertificate → Validity (RFC 5280, section 4.1).
fn read(certificate: &[u8]) -> der::Result<Validity> {
    let certificate = AnyRef::from_der(certificate)?;
    let mut fields = SliceReader::new(certificate.value())?;
    let tbs = AnyRef::decode(&mut fields)?;

    let mut fields = SliceReader::new(tbs.value())?;
    // The version comes first, tagged [0], and is left out where it is 1.
    if !AnyRef::decode(&mut fields)?.tag().is_context_specific() {
        fields = SliceReader::new(tbs.value())?;
    }
    let (_serial, _signature, _issuer) =
        (AnyRef::decode(&mut fields)?, AnyRef::decode(&mut fields)?, AnyRef::decode(&mut fields)?);

    let validity = AnyRef::decode(&mut fields)?;
    let mut times = SliceReader::new(validity.value())?;
    Ok(Validity { from: time(&mut times)?, until: time(&mut times)? })
}

fn time<'a>(reader: &mut impl Reader<'a>) -> der::Result<Timestamp> {
    let time = AnyRef::decode(reader)?;
    let since_1970 = if time.tag() == Tag::UtcTime {
        UtcTime::try_from(time)?.to_unix_duration()
    } else {
        GeneralizedTime::try_from(time)?.to_unix_duration()
    };

    Ok(Timestamp(0).plus(since_1970))
}
