//! Two gateways, the one in front of the other.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Client, Gateway, Plan, Site, digest_of, entries, token_of};
use crate::remote_kms::client::RemoteKms;

/// A gateway on the embedded token, for one caller that is another gateway.
pub(super) struct Back {
    pub(super) site: Site,
    pub(super) gateway: Gateway,
}

impl Back {
    /// Starts one, which is asked again without harm.
    pub(super) async fn start() -> Self {
        let provider = "[[provider]]\nname = \"soft\"\ncomponent = \"builtin:soft\"\n\n[[provider.grant]]\n\
             connection = \"embedded\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n";
        let contracts = "[contract.remote-kms]\non-duplicate = \"return\"\n\n[contract.v1]\n";
        let plan = Plan::of([provider.to_owned(), fronts(), contracts.to_owned()]);
        let site = Site::new(&plan);
        let gateway = site.start().await;

        Self { site, gateway }
    }

    /// Where it speaks `remote_kms`.
    pub(super) fn url(&self) -> String {
        format!("https://{}/remote-kms", self.gateway.server.address)
    }

    /// The front, as it is known here.
    pub(super) fn kms(&self) -> RemoteKms {
        let client = self.gateway.server.client().with_token(&token_of("front"));

        RemoteKms::new(client.with_base("/remote-kms"))
    }

    /// Whoever may do everything, over `v1`.
    pub(super) fn owner(&self) -> Client {
        self.gateway.server.client().with_token(&token_of("owner")).with_base("/v1")
    }

    /// What the keys are called that are there, in order.
    pub(super) async fn names(&self) -> Vec<String> {
        let listed = self.owner().get("/keys").await.expect(200).json();
        let active = listed["keys"].as_array().unwrap().iter().filter(|key| key["state"] == "active");
        let mut names: Vec<_> = active.map(|key| key["name"].as_str().unwrap().to_owned()).collect();
        names.sort();

        names
    }

    /// How many signatures it has made.
    pub(super) fn signatures(&self) -> usize {
        entries(&self.site.data()).iter().filter(|entry| entry.is("sign", "ok")).count()
    }
}

/// A gateway in front of `back`. `settings` is a line of its provider.
pub(super) fn front(back: &Back, settings: &str) -> Site {
    let site = Site::new(&in_front_of(&back.url(), "ca = \"back-ca.pem\"", settings));
    site.write("back-ca.pem", back.site.authority.pem());
    present(&site);
    site
}

/// A gateway whose keys a server of `remote_kms` has. `more` is a line of the connection, `settings` one of the provider.
pub(super) fn in_front_of(url: &str, more: &str, settings: &str) -> Plan {
    let connection = format!(
        "[[connection]]\nname = \"back\"\nkind = \"http\"\nurl = \"{url}\"\n{more}\n\
         private-addresses = [\"127.0.0.0/8\"]\ncredential = {{ file = \"back-token\" }}\n"
    );
    let provider = format!(
        "[[provider]]\nname = \"remote\"\ncomponent = \"builtin:remote-kms\"\n{settings}\n\n\
         [[provider.grant]]\nconnection = \"back\"\n"
    );
    let contracts = "[contract.remote-kms]\n\n[contract.v1]\n".to_owned();

    Plan::of([connection, provider, tenant("acme", "remote", ALL), contracts])
}

/// Gives a front its credential for the back.
pub(super) fn present(site: &Site) {
    site.write("back-token", token_of("front"));
    private(site, "back-token");
}

/// Makes a file of the folder its owner's alone to read.
pub(super) fn private(site: &Site, name: &str) {
    fs::set_permissions(site.path(name), fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// The caller of a front, over `remote_kms`.
pub(super) fn remote_kms(gateway: &Gateway) -> RemoteKms {
    RemoteKms::new(gateway.server.client().with_token(&token_of("acme")).with_base("/remote-kms"))
}

/// A tenant that keeps no key longer than it must, with one caller.
pub(super) fn tenant(name: &str, provider: &str, may: &str) -> String {
    format!(
        "[[tenant]]\nname = \"{name}\"\nprovider = \"{provider}\"\ngrace = \"0s\"\n\n{}",
        caller("program", name, may)
    )
}

/// The back's tenant: the front may do three things, and its owner whatever is to be seen.
fn fronts() -> String {
    let tenant = "[[tenant]]\nname = \"fronts\"\nprovider = \"soft\"\ngrace = \"0s\"\n";

    [
        tenant.to_owned(),
        caller("front", "front", "\"create\", \"delete\", \"sign\""),
        caller("owner", "owner", ALL),
    ]
    .join("\n")
}

fn caller(name: &str, token: &str, may: &str) -> String {
    format!(
        "[[tenant.caller]]\nname = \"{name}\"\ntokens = [\"sha256:{}\"]\n\n[[tenant.caller.right]]\nkeys = [\"*\"]\nmay = [{may}]\n",
        digest_of(token_of(token).as_bytes())
    )
}

const ALL: &str = "\"create\", \"delete\", \"import\", \"list\", \"release\", \"sign\"";
