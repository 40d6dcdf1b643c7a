//! A certificate for this machine, and the authority that issued it and nothing else.
//!
//! The authority's private key is never written: who trusts `ca.pem` trusts this one certificate. When it nears its
//! end, both are made anew.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyport_core::outside::{Clock, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use super::{CA, CERTIFICATE, KEY};
use crate::private_file;
use crate::tls::{Certificates, Files};

/// Sees to it that `data` has a certificate for `localhost`, the loopback addresses and `ip` that is good for a
/// month, and the authority to check it with.
pub(super) fn ensure(data: &Path, ip: IpAddr, clock: &Arc<dyn Clock>) -> Result<(), CertificateError> {
    if is_good(data, ip, clock) { Ok(()) } else { make(data, ip, clock.wall()) }
}

/// Where a client on this machine finds a server that listens at `address`.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// It could not be made.
    #[error("the certificate cannot be encoded")]
    Encode(#[from] rcgen::Error),
    /// It could not be written.
    #[error("the certificate cannot be written")]
    Write(#[from] io::Error),
}

fn is_good(data: &Path, ip: IpAddr, clock: &Arc<dyn Clock>) -> bool {
    let file = data.join(CERTIFICATE);
    let files = Files { certificate: file.clone(), key: data.join(KEY), client_cas: Vec::new() };

    let lasts = Certificates::open(files, Arc::clone(clock))
        .is_ok_and(|certificates| certificates.expires() > clock.wall().plus(RENEW_BEFORE));
    lasts && data.join(CA).exists() && names(&file, ip)
}

fn names(file: &Path, ip: IpAddr) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(file) else { return false };
    ParsedCertificate::try_from(&certificate)
        .is_ok_and(|parsed| verify_server_name(&parsed, &ServerName::from(ip)).is_ok() || ip.is_unspecified())
}

fn make(data: &Path, ip: IpAddr, now: Timestamp) -> Result<(), CertificateError> {
    let authority = CertifiedIssuer::self_signed(authority(now)?, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = server(ip, now)?.signed_by(&key, &authority)?;

    // The certificate goes last: until it is there, the key does not belong to it, and the next start makes all anew.
    private_file::replace(&data.join(KEY), key.serialize_pem().as_bytes())?;
    private_file::replace(&data.join(CA), authority.as_ref().pem().as_bytes())?;
    private_file::replace(&data.join(CERTIFICATE), certificate.pem().as_bytes())?;
    Ok(())
}

fn authority(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new([])?, now);
    params.distinguished_name.push(DnType::CommonName, "keyport dev authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn server(ip: IpAddr, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let loopback = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    let own = (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string());

    let mut params = dated(CertificateParams::new(loopback.into_iter().chain(own).collect::<Vec<_>>())?, now);
    params.distinguished_name.push(DnType::CommonName, "keyport dev");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// From yesterday, for clocks that differ, and as long as every client accepts.
fn dated(mut params: CertificateParams, now: Timestamp) -> CertificateParams {
    let from = now.system_time() - DAY;
    params.not_before = from.into();
    params.not_after = (from + LIFETIME).into();
    params
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIFETIME: Duration = Duration::from_secs(397 * 24 * 60 * 60);
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
