//! A provider from outside that misbehaves over PKCS#11: an error, an event, and nothing that the token did.

use std::path::Path;
use std::sync::OnceLock;

use super::spy::Spy;
use super::stage::{Stage, api, grant, provider};
use super::token::{Half, Token};
use crate::harness::api::{is_by, tenant, text};
use crate::harness::{Gateway, digest_of, entry_of, eventually};

/// A way to misbehave in `sign`, with settings of its own, and how many signatures the token is asked for.
struct Case {
    mode: &'static str,
    settings: &'static str,
    signs: usize,
}

#[tokio::test]
async fn a_guest_that_misbehaves_in_sign_gets_nothing_from_the_token() {
    let Some((mut stage, spy)) = stage(&[]).await else { return };
    let gateway = stage.gateway().await;
    let victim = api(&gateway, "victim").create("v", "ec-p256").await;
    let key = api(&gateway, "acme").create("own", "ec-p256").await;
    gateway.stop().await;
    let before = stage.objects().await;

    for Case { mode, settings, signs } in IN_SIGN {
        let settings = settings.replace("VICTIM", text(&victim, "id"));
        stage.configure(&[("mode", mode)], &settings);
        let gateway = stage.gateway().await;
        let (signed, destroyed) = (spy.count(SIGNS), spy.count("C_DestroyObject"));
        for turn in 0..2 {
            let id = format!("{mode}-{turn}");
            let answer = api(&gateway, "acme").ask_to_sign_as("own", &id).await;
            assert!(matches!(answer.status, 500 | 503), "{id}: {} {}", answer.status, answer.text());
            stage.is_on_record(&id, "failed");
        }
        if mode == &"hoard" {
            let (_, page) = gateway.ask_admin("/metrics").await;
            let line = "keyport_provider_limit_hits_total{provider=\"hostile\",limit=\"resources\"} 2";
            assert!(page.contains(line), "{page}");
        }
        assert_eq!(spy.count(SIGNS) - signed, 2 * signs, "{mode}");
        assert_eq!(spy.count("C_DestroyObject"), destroyed, "{mode}");
        api(&gateway, "victim").sign(&victim).await;
        gateway.stop().await;
        assert_eq!(stage.objects().await, before, "{mode}");
    }

    // Honest again, the key is what it was.
    stage.configure(&[("mode", "behave")], "");
    api(&stage.gateway().await, "acme").sign(&key).await;
}

#[tokio::test]
async fn a_guest_that_signs_outside_a_request_for_a_signature_gets_none() {
    for mode in ["sign-in-create", "sign-in-health", "sign-in-describe", "other-key-type"] {
        let Some((mut stage, spy)) = stage(&[]).await else { return };
        let gateway = stage.gateway().await;
        let victim = api(&gateway, "victim").create("v", "ec-p256").await;
        gateway.stop().await;
        let before = stage.objects().await;

        let object = format!(", object = \"{}\"", text(&victim, "id"));
        stage.configure(&[("mode", mode)], &object);
        let signed = spy.count(SIGNS);
        let gateway = stage.gateway().await;
        let acme = api(&gateway, "acme");
        if ["sign-in-create", "other-key-type"].contains(&mode) {
            let answer = acme.ask_to_create("own", "ec-p256").await;
            assert!(matches!(answer.status, 500 | 503), "{mode}: {} {}", answer.status, answer.text());
            acme.ask_to_sign("own").await.expect(404);
        } else {
            let (_, body) = gateway.ask_admin("/readyz").await;
            let healthy = mode != "sign-in-health";
            assert_eq!(body.contains("\"healthy\":false"), !healthy, "{mode}: {body}");
        }
        assert_eq!(spy.count(SIGNS), signed, "{mode}");
        eventually("the token to be as it was", async || (stage.objects().await == before).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_key_pair_that_a_guest_keeps_for_later_makes_no_more_signatures_than_were_asked_for() {
    let Some((mut stage, spy)) = stage(&[]).await else { return };
    for instances in ["fresh", "reuse"] {
        stage.configure_as(instances, &[("mode", "keep")]);
        let gateway = stage.gateway().await;
        let acme = api(&gateway, "acme");
        let key = acme.create(instances, "ec-p256").await;

        let (mut answered, before) = (0, spy.count(SIGNS));
        for _ in 0..4 {
            let answer = acme.ask_to_sign(instances).await;
            assert!(answer.status == 500 || is_by(&key, answer.expect(200)), "{instances}");
            answered += usize::from(answer.status == 200);
        }
        assert_eq!(spy.count(SIGNS) - before, answered, "{instances}");
        assert!(answered >= 1, "{instances}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_grant_bounds_a_guest_to_its_mechanisms() {
    let Some((mut stage, spy)) = stage(&[]).await else { return };
    stage.configure_granted("mechanisms = [\"rsa-pss(sha-256)\"]\n");
    let gateway = stage.gateway().await;
    let acme = api(&gateway, "acme");
    acme.create("own", "ec-p256").await;

    let answer = acme.ask_to_sign_as("own", "not-granted").await;
    assert!(matches!(answer.status, 500 | 503), "{} {}", answer.status, answer.text());
    stage.is_on_record("not-granted", "failed");
    assert_eq!(spy.count(SIGNS), 0);
}

/// A gateway with a tenant whose provider misbehaves, and one whose provider is ours, both on one token.
struct Hostile {
    stage: Stage,
    way: super::stage::Way,
}

async fn stage(settings: &[(&str, &str)]) -> Option<(Hostile, Spy)> {
    let token = Token::new().await?;
    let (spy, way) = Spy::on(&token)?;
    let stage = Stage::set(token, &way, sections(settings, "", ""))?;
    stage.site.write(COMPONENT, component());

    Some((Hostile { stage, way }, spy))
}

impl Hostile {
    fn configure(&mut self, settings: &[(&str, &str)], more: &str) {
        self.stage.configure(&self.way, sections(settings, more, ""));
    }

    fn configure_as(&mut self, instances: &str, settings: &[(&str, &str)]) {
        let sections = sections(settings, "", "").into_iter().map(|section| {
            section.replace("settings = {", &format!("instances = \"{instances}\"\nsettings = {{"))
        });
        self.stage.configure(&self.way, sections.collect());
    }

    fn configure_granted(&mut self, grant: &str) {
        self.stage.configure(&self.way, sections(&[], "", grant));
    }

    async fn gateway(&self) -> Gateway {
        self.stage.start().await
    }

    /// What is on the token.
    async fn objects(&self) -> [std::collections::BTreeSet<String>; 2] {
        [self.stage.token.ids(Half::Private).await, self.stage.token.ids(Half::Public).await]
    }

    /// The log has an intent and this outcome, with the component that it was.
    fn is_on_record(&self, id: &str, outcome: &str) {
        let events = entry_of(&self.stage.data(), id);

        let last = events.last().unwrap_or_else(|| panic!("{id} is not on record"));
        assert!(last.is("sign", outcome), "{id}: {events:#?}");
        assert_eq!(last.text("component"), format!("sha256:{}", digest_of(component())), "{id}");
    }
}

/// The tenant `acme`, whose provider has these settings, and `victim`.
fn sections(settings: &[(&str, &str)], more: &str, more_granted: &str) -> Vec<String> {
    let settings: Vec<_> = settings.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    let misbehaves = format!(
        "[[provider]]\nname = \"hostile\"\ncomponent = \"file:{COMPONENT}\"\nsha256 = \"{}\"\n\
         settings = {{ {}{more} }}\n{}{more_granted}",
        digest_of(component()),
        settings.join(", "),
        grant(&[]),
    );

    vec![provider("hsm", &[]), misbehaves, tenant("acme", "hostile"), tenant("victim", "hsm")]
}

fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();

    COMPONENT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        keyport_sdk_build::component(&workspace, "keyport-guest-hostile-pkcs11")
            .unwrap_or_else(|error| panic!("the hostile guest does not build: {error}"))
            .bytes
    })
}

/// What begins every signature. `C_Sign` itself may be called twice for one, to learn its length.
const SIGNS: &str = "C_SignInit";
/// The file that the component is in.
const COMPONENT: &str = "hostile-pkcs11.wasm";

const IN_SIGN: &[Case] = &[
    Case { mode: "other-object", settings: ", object = \"VICTIM\"", signs: 0 },
    Case { mode: "other-token", settings: ", token = \"embedded\"", signs: 0 },
    Case { mode: "other-mechanism", settings: "", signs: 0 },
    Case { mode: "saltless", settings: "", signs: 0 },
    Case { mode: "destroy-in-sign", settings: "", signs: 0 },
    Case { mode: "generate-in-sign", settings: "", signs: 0 },
    Case { mode: "hoard", settings: "", signs: 0 },
    Case { mode: "sign-twice", settings: "", signs: 1 },
];
