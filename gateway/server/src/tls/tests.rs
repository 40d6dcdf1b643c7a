//! Certificates are checked, shown and replaced.

use std::time::{Duration, SystemTime};

use keyport_core::outside::Task;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use tempfile::TempDir;

use super::*;

/// A wall clock that stands at one moment.
#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> std::time::Instant {
        unreachable!("TLS needs no monotonic clock")
    }

    fn wall(&self) -> Timestamp {
        self.0
    }

    fn sleep_until(&self, _: std::time::Instant) -> Task {
        unreachable!("TLS waits for nothing")
    }
}

/// The middle of every test certificate's time.
fn noon() -> Timestamp {
    Timestamp::from(SystemTime::from(date_time_ymd(2030, 6, 1)))
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// PEM of a certificate for `localhost` by `authority`, and of its key.
fn leaf(authority: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2031, 1, 1));
    let certificate = params.signed_by(&key, authority).unwrap();

    (certificate.pem(), key.serialize_pem())
}

struct Folder {
    files: Files,
    _folder: TempDir,
}

impl Folder {
    fn new((certificate, key): &(String, String)) -> Self {
        let folder = TempDir::new().unwrap();
        let files = Files {
            certificate: folder.path().join("server.pem"),
            key: folder.path().join("server.key"),
            client_cas: Vec::new(),
        };
        let folder = Self { files, _folder: folder };
        folder.write((certificate, key));
        folder
    }

    fn write(&self, (certificate, key): (&str, &str)) {
        std::fs::write(&self.files.certificate, certificate).unwrap();
        std::fs::write(&self.files.key, key).unwrap();
    }

    fn open(&self, now: Timestamp) -> Result<Certificates, TlsError> {
        Certificates::open(self.files.clone(), Arc::new(Stopped(now)))
    }

    fn refusal(&self, now: Timestamp) -> String {
        self.open(now).unwrap_err().to_string()
    }
}

/// What the client ends with after the two have said all they have to say, and the certificate it was shown.
fn shake(certificates: &Certificates, client: ClientConfig) -> Result<Vec<u8>, String> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(certificates.config()).unwrap();

    for _ in 0..4 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| error.to_string())?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| error.to_string())?;
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

fn client(
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(aws_lc_rs::default_provider()),
    );
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AtNoon(verifier.build().unwrap())))
}

/// Verifies as usual, at the certificates' noon.
#[derive(Debug)]
struct AtNoon(Arc<rustls::client::WebPkiServerVerifier>);

impl rustls::client::danger::ServerCertVerifier for AtNoon {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let noon = UnixTime::since_unix_epoch(Duration::from_millis(noon().0));
        self.0.verify_server_cert(leaf, chain, name, ocsp, noon)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[test]
fn reload_shows_the_new_certificate_and_keeps_the_old_one_where_the_new_is_no_good() {
    let authority = authority("servers");
    let (old, new) = (leaf(&authority), leaf(&authority));
    let folder = Folder::new(&old);
    let certificates = folder.open(noon()).unwrap();
    let shown = || shake(&certificates, client(&authority).with_no_client_auth()).unwrap();
    let der = |(pem, _): &(String, String)| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    assert_eq!(shown(), der(&old));

    folder.write((&new.0, &new.1));
    certificates.replace(certificates.read().unwrap());
    assert_eq!(shown(), der(&new));

    folder.write((&old.0, &new.1));
    assert!(matches!(certificates.read(), Err(TlsError::Mismatch { .. })));
    assert_eq!(shown(), der(&new));
}

#[test]
fn connection_that_is_open_outlives_a_reload() {
    let authority = authority("servers");
    let folder = Folder::new(&leaf(&authority));
    let certificates = folder.open(noon()).unwrap();
    let before = certificates.config();
    let new = leaf(&authority);
    folder.write((&new.0, &new.1));
    certificates.replace(certificates.read().unwrap());

    assert!(!Arc::ptr_eq(&before, &certificates.config()));
    assert!(ServerConnection::new(before).is_ok());
}

#[test]
fn files_that_are_no_good_are_told_apart() {
    let authority = authority("servers");
    let good = leaf(&authority);
    let folder = Folder::new(&good);
    let year = Duration::from_secs(366 * 24 * 60 * 60);

    assert!(folder.refusal(noon().plus(year)).ends_with("expired at 2031-01-01T00:00:00Z: renew it"));
    assert!(
        folder.refusal(Timestamp(0)).ends_with("is valid only from 2030-01-01T00:00:00Z: check the clock")
    );
    for (certificate, key, refusal) in [
        (good.0.as_str(), "", "holds no unencrypted PEM private key"),
        ("", &good.1, "holds no PEM certificate"),
        (&good.1, &good.1, "holds no PEM certificate"),
        (&good.0, &leaf(&authority).1, "does not belong to the certificate"),
        (&good.0, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good.1, "no X.509 certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA", &good.1, "cannot read"),
    ] {
        folder.write((certificate, key));
        let message = folder.refusal(noon());
        assert!(message.contains(refusal), "{message}");
    }
    std::fs::remove_file(&folder.files.key).unwrap();
    folder.write((&good.0, ""));
    std::fs::remove_file(&folder.files.key).unwrap();
    assert!(folder.refusal(noon()).starts_with("cannot read "));
}

#[test]
fn client_certificate_is_optional_but_must_be_vouched_for() {
    let (servers, clients, strangers) = (authority("servers"), authority("clients"), authority("strangers"));
    let mut folder = Folder::new(&leaf(&servers));
    let path = folder.files.certificate.with_file_name("clients.pem");
    std::fs::write(&path, clients.pem()).unwrap();
    folder.files.client_cas = vec![path];
    // Client certificates are judged by the real clock: those of today's.
    let certificates = folder.open(noon()).unwrap();
    let present = |authority: &CertifiedIssuer<'static, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["tds".to_owned()]).unwrap();
        params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
        let certificate = params.signed_by(&key, authority).unwrap();
        client(&servers)
            .with_client_auth_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap()
    };

    assert!(shake(&certificates, client(&servers).with_no_client_auth()).is_ok());
    assert!(shake(&certificates, present(&clients)).is_ok());
    assert!(shake(&certificates, present(&strangers)).is_err());
}

#[test]
fn validity_of_arbitrary_bytes_is_none() {
    proptest::proptest!(|(bytes: Vec<u8>)| {
        proptest::prop_assert_eq!(Validity::of(&bytes), None);
    });
}
