//! Why nobody is recognised.

/// Why nobody is recognised. Callers are not told; it is logged and counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denial {
    /// What is presented names two callers.
    Ambiguous,
    /// The token's signature is not by the key it names.
    BadSignature,
    /// The certificate's time is over, or has not begun.
    CertificateExpired,
    /// The caller must present a certificate of its own as well.
    CertificateRequired,
    /// The token's time is over.
    Expired,
    /// The issuer's keys are not known yet, or for too long.
    KeysUnavailable,
    /// The token does not say by which of several keys it is signed.
    KeyNotNamed,
    /// What is presented is no token, or there are several.
    Malformed,
    /// Nothing is presented.
    NoCredential,
    /// The token's time has not begun.
    NotYetValid,
    /// The caller must present a token of its own as well.
    TokenRequired,
    /// The token is longer than any legitimate one.
    TooLong,
    /// The certificate is nobody's.
    UnknownCertificate,
    /// The token's issuer is none of ours.
    UnknownIssuer,
    /// The token's key is none of its issuer's.
    UnknownKey,
    /// The token is good, and about nobody we know.
    UnknownSubject,
    /// The token is nobody's.
    UnknownToken,
    /// The token is signed in a way that its issuer must not use.
    WrongAlgorithm,
    /// The token is meant for somebody else.
    WrongAudience,
}

impl Denial {
    /// The reason's name in metrics and in the audit log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous_credentials",
            Self::BadSignature => "bad_signature",
            Self::CertificateExpired => "expired_certificate",
            Self::CertificateRequired => "certificate_required",
            Self::Expired => "expired_token",
            Self::KeyNotNamed => "key_not_named",
            Self::KeysUnavailable => "issuer_keys_unavailable",
            Self::Malformed => "malformed_credential",
            Self::NoCredential => "no_credential",
            Self::NotYetValid => "token_not_yet_valid",
            Self::TokenRequired => "token_required",
            Self::TooLong => "token_too_long",
            Self::UnknownCertificate => "unknown_certificate",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::UnknownSubject => "unknown_subject",
            Self::UnknownToken => "unknown_token",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongAudience => "wrong_audience",
        }
    }
}
