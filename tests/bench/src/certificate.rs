//! A certificate for the servers that are not the gateway, in files of the names that `keyport dev` uses.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The authority's certificate.
pub(crate) const CA: &str = "ca.pem";
/// The server's certificate.
pub(crate) const CERTIFICATE: &str = "server.pem";
/// The server's private key.
pub(crate) const KEY: &str = "server.key";
/// The bearer token.
pub(crate) const TOKEN: &str = "token";

/// Makes `folder` with an authority, a P-256 certificate of it for the loopback address, and a token.
pub(crate) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;

    fs::write(folder.join(CA), authority.as_ref().pem())?;
    fs::write(folder.join(CERTIFICATE), certificate.pem())?;
    fs::write(folder.join(KEY), key.serialize_pem())?;
    fs::write(folder.join(TOKEN), "for-the-bench-only\n")?;
    Ok(())
}
