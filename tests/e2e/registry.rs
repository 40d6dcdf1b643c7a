//! Components in a registry, the Docker one: pushed, pulled, kept, and refused where they are not what was asked for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{
    Ended, Hash, Plan, Site, digest_of, hostile, hostile_component, keyport, tenant, token_of, tool,
};

/// A registry on this machine, without TLS. It ends with the value.
struct Registry {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Registry {
    /// One that is open to all, or to nobody but `user` with the password `secret`. `None` where none is installed.
    async fn start(is_open: bool) -> Option<Self> {
        if !tool("docker-registry").await {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let users = folder.path().join("users");
        fs::write(&users, "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n").unwrap();
        let auth = format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", users.display());
        let config = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {path}/store }} }}\n\
             http: {{ addr: \"127.0.0.1:0\", secret: test }}\n{}",
            if is_open { "" } else { &auth }
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();

        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(folder.path().join("config.yml"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("listening on ")?;
            Some(address.split(['"', ',', ' ']).next().unwrap().to_owned())
        });
        // It would end if nobody read on.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, address: address.expect("its address"), folder })
    }

    fn place(&self) -> String {
        format!("oci://{}/acme/provider:1", self.address)
    }

    /// The file in which it keeps what has this digest.
    fn blob(&self, digits: &str) -> PathBuf {
        let blobs = self.folder.path().join("store/docker/registry/v2/blobs/sha256");

        blobs.join(&digits[..2]).join(digits).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended, which is just as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Pushes the site's component, and returns what names it.
async fn push(site: &Site, registry: &Registry) -> String {
    let pushed = keyport(&[&"provider", &"push", &site.path("hostile.wasm"), &registry.place()]).await;
    assert_eq!(pushed.code(), Some(0), "{pushed:#?}");

    pushed.stdout.trim().strip_prefix("component = \"").unwrap().strip_suffix('"').unwrap().to_owned()
}

/// A site with the component in a file, and a provider that has it from a file.
fn site() -> Site {
    Site::new(&Plan::of([hostile("pulled", &[("mode", "behave")], ""), tenant("acme", "pulled")]))
}

/// Has the provider take the component from a registry.
fn take_from(site: &Site, artifact: &str, more: &str) {
    site.configure(&Plan::of([hostile("pulled", &[("mode", "behave")], more), tenant("acme", "pulled")]));
    let text = fs::read_to_string(site.path("keyport.toml")).unwrap();
    let pin = format!("sha256 = \"{}\"\n", digest_of(hostile_component()));
    site.write("keyport.toml", text.replace("file:hostile.wasm", artifact).replace(&pin, ""));
}

async fn serves(site: &Site) -> Ended {
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("key", "EC-P256").await;
    webhook.sign(&key, Hash::Sha256, b"signed").await;

    gateway.stop().await
}

/// Neither a start nor a check goes well, and both say these words.
async fn refuses(site: &Site, words: &[&str]) {
    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;
    for ended in [site.refuses().await, checked] {
        assert_ne!(ended.code(), Some(0), "{ended:#?}");
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` is not in\n{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_component_is_pulled_once_and_then_needs_no_registry() {
    let Some(registry) = Registry::start(true).await else { return };
    let site = site();
    let artifact = push(&site, &registry).await;
    assert_eq!(push(&site, &registry).await, artifact, "the same gives the same");
    take_from(&site, &artifact, "");

    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;
    assert_eq!(checked.code(), Some(0), "{checked:#?}");
    assert!(!site.data().exists(), "a check keeps nothing");
    assert!(serves(&site).await.stderr.contains("component pulled"));
    drop(registry);
    let ended = serves(&site).await;
    assert!(!ended.stderr.contains("component pulled"), "{}", ended.stderr);

    // What is kept is believed no more than what is pulled.
    let kept = fs::read_dir(site.data().join("components")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    fs::write(kept.unwrap(), [hostile_component(), b"\0\x02\x01a"].concat()).unwrap();
    refuses(&site, &["`pulled`", &artifact, "the registry cannot be used"]).await;
}

#[tokio::test]
async fn what_a_registry_has_instead_of_the_component_is_refused() {
    let Some(registry) = Registry::start(true).await else { return };
    let site = site();
    let artifact = push(&site, &registry).await;
    take_from(&site, &artifact, "");
    let blob = registry.blob(&digest_of(hostile_component()));
    let right = fs::read(&blob).unwrap();
    let mut altered = right.clone();
    *altered.last_mut().unwrap() ^= 1;

    fs::write(&blob, altered).unwrap();
    refuses(&site, &["`pulled`", &artifact, "igest"]).await;
    fs::write(&blob, right).unwrap();

    let manifest = registry.blob(artifact.rsplit_once(':').unwrap().1);
    let right = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, right.replace("application/wasm", "application/other")).unwrap();
    refuses(&site, &["`pulled`", &artifact, "igest"]).await;
    fs::write(&manifest, right).unwrap();

    let (place, digits) = artifact.rsplit_once(':').unwrap();
    take_from(&site, &format!("{place}:{}", digits.chars().rev().collect::<String>()), "");
    refuses(&site, &["`pulled`", "the registry has none such"]).await;
    take_from(&site, &registry.place(), "");
    refuses(&site, &["is not a component in a registry", "@sha256:DIGITS"]).await;
    take_from(&site, &artifact, "");
    serves(&site).await;
}

#[tokio::test]
async fn signatures_travel_with_a_component() {
    let Some(registry) = Registry::start(true).await else { return };
    let site = site();
    let (component, key) = (site.path("hostile.wasm"), site.path("mine.pem"));
    let made = keyport(&[&"provider", &"key", &"new", &key]).await;
    let signer = made.stdout.lines().next().unwrap();
    let signed_by = format!("signed-by = [\"{signer}\"]");

    let unsigned = push(&site, &registry).await;
    take_from(&site, &unsigned, &signed_by);
    refuses(&site, &["keyport.toml:", &unsigned, "is not signed", "push it again"]).await;

    assert_eq!(keyport(&[&"provider", &"sign", &component, &"--key", &key]).await.code(), Some(0));
    let signed = push(&site, &registry).await;
    assert_ne!(signed, unsigned);
    take_from(&site, &signed, &signed_by);
    assert!(serves(&site).await.stderr.contains("the component is signed"));

    let copy = site.path("copy.wasm");
    let pulled = keyport(&[&"provider", &"pull", &signed, &copy]).await;
    assert_eq!(pulled.code(), Some(0), "{pulled:#?}");
    assert_eq!(fs::read(&copy).unwrap(), hostile_component());
    assert_eq!(keyport(&[&"provider", &"verify", &copy, &"--key", &signer]).await.code(), Some(0));
    let again = keyport(&[&"provider", &"pull", &signed, &copy]).await;
    assert!(again.code() == Some(1) && again.stderr.contains("copy.wasm cannot be written"), "{again:#?}");
}

#[tokio::test]
async fn a_registry_that_knows_its_users_is_shown_who_asks() {
    let Some(registry) = Registry::start(false).await else { return };
    let site = site();
    let (component, place) = (site.path("hostile.wasm"), registry.place());
    site.write("password", "secret\n");
    site.write("wrong", "wrong\n");
    for file in ["password", "wrong"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(site.path(file), mode).unwrap();
    }
    let (password, wrong) = (site.path("password"), site.path("wrong"));

    for refused in [
        keyport(&[&"provider", &"push", &component, &place]).await,
        keyport(&[&"provider", &"push", &component, &place, &"--user", &"user", &"--password-file", &wrong])
            .await,
    ] {
        assert!(
            refused.code() == Some(1) && refused.stderr.contains("without other credentials"),
            "{refused:#?}"
        );
    }
    let pushed = keyport(&[
        &"provider",
        &"push",
        &component,
        &place,
        &"--user",
        &"user",
        &"--password-file",
        &password,
    ])
    .await;
    assert_eq!(pushed.code(), Some(0), "{pushed:#?}");

    let artifact = pushed.stdout.trim().trim_start_matches("component = \"").trim_end_matches('"').to_owned();
    let copy = site.path("copy.wasm");
    let pull: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"provider", &"pull", &artifact, &copy];
    assert_eq!(keyport(&pull).await.code(), Some(1));
    let pulled = keyport(&[&pull[..], &[&"--user", &"user", &"--password-file", &password]].concat()).await;
    assert_eq!(pulled.code(), Some(0), "{pulled:#?}");
    assert_eq!(fs::read(&copy).unwrap(), hostile_component());
}
