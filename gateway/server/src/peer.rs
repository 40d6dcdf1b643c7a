//! Who is at the other end of a connection: an address, and perhaps a certificate.

use std::net::{IpAddr, Ipv4Addr};

use keyport_core::outside::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

/// The other end of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    /// Where it connects from.
    pub(crate) address: IpAddr,
    /// What it showed in the TLS handshake, which found that a client authority vouches for it.
    pub(crate) certificate: Option<ClientCertificate>,
}

impl Peer {
    /// Somebody at `address` who showed nothing.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self { address, certificate: None }
    }

    /// Somebody at `address` who showed `certificate`, DER, for which `authorities` vouch.
    pub(crate) fn with_certificate(address: IpAddr, certificate: &[u8], authorities: Vec<usize>) -> Self {
        let certificate = ClientCertificate { authorities, ..ClientCertificate::of(certificate) };

        Self { address, certificate: Some(certificate) }
    }
}

impl Default for Peer {
    /// Nobody in particular.
    fn default() -> Self {
        Self::at(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// What a client certificate says of its holder.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ClientCertificate {
    /// Who vouches for it, by their places among the client authorities.
    pub(crate) authorities: Vec<usize>,
    /// Each name, as the configuration writes it: `spiffe://…`, `dns:…`, `subject:…`.
    pub(crate) names: Vec<String>,
    /// From when until when it is valid, both included.
    pub(crate) valid: Option<(Timestamp, Timestamp)>,
}

impl ClientCertificate {
    /// Reads `certificate`, DER. What cannot be read names nobody.
    fn of(certificate: &[u8]) -> Self {
        x509_parser::parse_x509_certificate(certificate)
            .map(|(_rest, certificate)| Self::read(&certificate))
            .unwrap_or_default()
    }

    fn read(certificate: &X509Certificate<'_>) -> Self {
        let mut names = alternative_names(certificate);
        names.extend(subject(certificate.subject()).map(|subject| format!("subject:{subject}")));
        let validity = certificate.validity();
        let since_1970 = |seconds: i64| Some(Timestamp(u64::try_from(seconds).ok()?.checked_mul(1000)?));
        let valid =
            since_1970(validity.not_before.timestamp()).zip(since_1970(validity.not_after.timestamp()));

        Self { authorities: Vec::new(), names, valid }
    }

    /// Whether it is valid at `time`: a connection, or a session that is resumed, may outlive it.
    pub(crate) fn is_valid(&self, time: Timestamp) -> bool {
        // The last second is valid to its end.
        self.valid.is_some_and(|(from, until)| from <= time && time.0 < until.0.saturating_add(1000))
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let all = &extension.value.general_names;
    // An X.509-SVID has exactly one URI (SPIFFE X.509-SVID, section 2); with several, none of them is its identity.
    let has_one_uri = all.iter().filter(|name| matches!(name, GeneralName::URI(_))).count() == 1;

    all.iter()
        .filter_map(|name| {
            if let GeneralName::DNSName(name) = name {
                return Some(format!("dns:{}", name.to_ascii_lowercase()));
            }
            let GeneralName::URI(uri) = name else { return None };
            (has_one_uri && uri.starts_with(SPIFFE)).then(|| (*uri).to_owned())
        })
        .collect()
}

/// The name in the certificate's order, such as `O=Acme, CN=server`. Values are escaped, so that two names never read
/// the same. `None` where it is empty, or an attribute is no text.
fn subject(name: &X509Name<'_>) -> Option<String> {
    let relative = |one: &RelativeDistinguishedName<'_>| {
        Some(one.iter().map(attribute).collect::<Option<Vec<_>>>()?.join("+"))
    };
    let text = name.iter_rdn().map(relative).collect::<Option<Vec<_>>>()?.join(", ");

    (!text.is_empty()).then_some(text)
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let kind = attribute.attr_type();
    let mut text = oid2abbrev(kind, oid_registry()).map_or_else(|_unknown| kind.to_string(), str::to_owned);
    text.push('=');
    for letter in attribute.as_str().ok()?.chars() {
        // RFC 4514, section 2.4, and the equals sign.
        if matches!(letter, '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    Some(text)
}

/// What every SPIFFE ID begins with.
pub(crate) const SPIFFE: &str = "spiffe://";

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>, subject: &[(DnType, &str)]) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();

        ClientCertificate::of(certificate.der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn every_name_reads_as_the_configuration_writes_it() {
        let names = vec![uri("spiffe://a.test/tds"), SanType::DnsName("TDS.a.test".try_into().unwrap())];
        let subject = [(DnType::OrganizationName, "Acme"), (DnType::CommonName, "tds")];

        assert_eq!(
            certificate(names, &subject).names,
            ["spiffe://a.test/tds", "dns:tds.a.test", "subject:O=Acme, CN=tds"]
        );
    }

    #[test]
    fn one_value_cannot_pass_for_two() {
        let split = certificate(Vec::new(), &[(DnType::OrganizationName, "Acme"), (DnType::CommonName, "a")]);
        let joined = certificate(Vec::new(), &[(DnType::OrganizationName, "Acme, CN=a")]);

        assert_eq!(joined.names, ["subject:O=Acme\\, CN\\=a"]);
        assert_ne!(split.names, joined.names);
    }

    #[test]
    fn with_two_uris_neither_is_an_identity() {
        let two = vec![uri("spiffe://a.test/one"), uri("spiffe://a.test/other")];
        assert!(certificate(two, &[]).names.is_empty());
        assert!(certificate(vec![uri("https://a.test")], &[]).names.is_empty());
    }

    #[test]
    fn it_is_valid_in_its_time_only() {
        let certificate = certificate(Vec::new(), &[]);

        for (millisecond, valid) in [
            (1_577_836_799_999, false),
            (1_577_836_800_000, true),
            (1_893_456_000_999, true),
            (1_893_456_001_000, false),
        ] {
            assert_eq!(certificate.is_valid(Timestamp(millisecond)), valid, "{millisecond}");
        }
        assert!(!ClientCertificate::of(b"no certificate").is_valid(Timestamp(1_700_000_000_000)));
    }
}
