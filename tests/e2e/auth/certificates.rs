//! Client certificates.

use rcgen::{CertificateParams, DnType, SanType, date_time_ymd};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::plan;
use crate::harness::{Authority, Plan, Server, Site, Wire, digest_of, entries, soft};

type Certificate = (String, String);

/// A site whose caller is known by what `credentials` say, and whose clients' authority is `clients`.
fn site(credentials: &str, clients: &Authority) -> Site {
    let site = Site::new(&Plan { tls: "client-ca = \"clients.pem\"".to_owned(), ..plan(credentials, "") });
    site.write("clients.pem", clients.pem());
    site
}

fn with_uri(uri: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())]
}

/// The status of a list of keys, asked for with this certificate and these lines in the head; `None` where there is
/// no answer.
async fn ask(server: &Server, certificate: &Certificate, head: &str) -> Option<String> {
    send(server, certificate, &format!("GET /webhook/keys HTTP/1.1\r\n{head}"), "").await
}

/// The status that comes back for a request with this certificate.
async fn send(server: &Server, (certificate, key): &Certificate, head: &str, body: &str) -> Option<String> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let stream = server.connect_as(certificate, key).await.ok()?;

    let (mut wire, length) = (Wire::over(stream), body.len());
    wire.send(format!("{head}Host: a\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")).await;
    wire.until_closed().await.split(' ').nth(1).map(str::to_owned)
}

#[tokio::test]
async fn a_certificate_is_its_callers_by_its_spiffe_id_dns_name_or_subject() {
    let clients = Authority::new();
    let names =
        "certificates = [\"spiffe://acme.test/tds\", \"dns:client.test\", \"subject:O=Acme, CN=tds\"]";
    let gateway = site(names, &clients).start().await;
    let named = |organization: &'static str| {
        clients.certificate(move |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, organization);
            params.distinguished_name.push(DnType::CommonName, "tds");
        })
    };

    for (certificate, status) in [
        (clients.certificate(with_uri("spiffe://acme.test/tds")), "200"),
        (clients.client(), "200"),
        (named("Acme"), "200"),
        (named("Acme Ltd"), "401"),
        (clients.certificate(with_uri("spiffe://acme.test/tds/x")), "401"),
        (clients.server(), "401"),
    ] {
        assert_eq!(
            ask(&gateway.server, &certificate, "").await.as_deref(),
            Some(status),
            "{}",
            certificate.0
        );
    }
}

#[tokio::test]
async fn the_authority_of_one_tenant_vouches_for_no_caller_of_another() {
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\nprovider = \"soft\"\nclient-ca = \"{name}.pem\"\n\n[[tenant.caller]]\n\
             name = \"tds\"\ncertificates = [\"dns:client.test\", \"spiffe://{name}.test/tds\"]\n\n\
             [[tenant.caller.right]]\nmay = [\"create\"]\nkeys = [\"*\"]\n"
        )
    };
    let site = Site::new(&Plan::of([soft("soft"), tenant("acme"), tenant("globex")]));
    let (acme, globex) = (Authority::new(), Authority::new());
    site.write("acme.pem", acme.pem());
    site.write("globex.pem", globex.pem());
    let gateway = site.start().await;
    let create = async |certificate: &Certificate| {
        let key = r#"{"key_id":"a","key_type":"EC-P256"}"#;
        send(&gateway.server, certificate, "POST /webhook/keys HTTP/1.1\r\n", key).await
    };

    for (authority, tenant) in [(&acme, "acme"), (&globex, "globex")] {
        assert_eq!(create(&authority.client()).await.as_deref(), Some("201"), "{tenant}");
        let log = entries(&site.data());
        assert_eq!(log.last().unwrap().text("tenant"), tenant);
    }
    let forged = globex.certificate(with_uri("spiffe://acme.test/tds"));
    assert_eq!(create(&forged).await.as_deref(), Some("401"));
    assert_eq!(create(&Authority::new().client()).await, None);
}

#[tokio::test]
async fn an_expired_certificate_and_one_of_another_authority_get_no_answer() {
    let clients = Authority::new();
    let gateway = site("certificates = [\"dns:client.test\"]", &clients).start().await;
    let expired = clients.certificate(|params| {
        *params = CertificateParams::new(["client.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });

    assert_eq!(ask(&gateway.server, &expired, "").await, None);
    assert_eq!(ask(&gateway.server, &Authority::new().client(), "").await, None);
    assert_eq!(ask(&gateway.server, &clients.client(), "").await.as_deref(), Some("200"));
}

#[tokio::test]
async fn who_must_present_two_things_must_present_both() {
    let clients = Authority::new();
    let credentials = format!(
        "tokens = [\"sha256:{}\"]\ncertificates = [\"dns:client.test\"]\nrequire = [\"token\", \"certificate\"]",
        digest_of(b"the-token")
    );
    let gateway = site(&credentials, &clients).start().await;
    let (ours, other) = (clients.client(), clients.server());

    for (certificate, head, status) in [
        (&ours, "Authorization: Bearer the-token\r\n", "200"),
        (&ours, "X-Api-Key: the-token\r\n", "200"),
        (&ours, "", "401"),
        (&ours, "Authorization: Bearer another\r\n", "401"),
        (&other, "Authorization: Bearer the-token\r\n", "401"),
    ] {
        assert_eq!(ask(&gateway.server, certificate, head).await.as_deref(), Some(status), "{head}");
    }
    gateway.webhook("the-token").client.get("/keys").await.expect(401);
}
