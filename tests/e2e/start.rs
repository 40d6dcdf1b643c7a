//! Starts that are refused, and what is said then.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{
    Ended, Gateway, Plan, Site, Webhook, digest_of, hostile_component, keyport, soft, tenant, token_of,
};

#[tokio::test]
async fn the_version_is_told() {
    let ended = keyport(&[&"--version"]).await;

    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stdout.trim(), format!("keyport {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_command_that_is_none_is_refused() {
    for arguments in [&["nonsense"][..], &["serve"], &["serve", "--config"], &["dev", "--listen", "nowhere"]]
    {
        let mut command = tokio::process::Command::new(crate::harness::KEYPORT);
        command.args(arguments);
        assert_eq!(crate::harness::run(command).await.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn every_mistake_is_told_at_once_with_its_line_and_its_mend() {
    let site = Site::new(&Plan::soft());
    let mistakes = "data = \"data\"\nlisten.adress = \"127.0.0.1:0\"\n\n[admin]\naddress = \"nowhere\"\n\n\
                    [contract.webhook]\non-duplicate = \"maybe\"\n\n[[tenant]]\nname = \"Acme\"\nprovider = \"gone\"\n";
    site.write("keyport.toml", mistakes);

    let served = site.refuses().await;
    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;
    for ended in [served, checked] {
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        for words in
            ["adress", "`address`", "keyport.toml:5:", "nowhere", "maybe", "replace, return", "Acme", "gone"]
        {
            assert!(ended.said().contains(words), "`{words}` is not in\n{}", ended.said());
        }
    }
    assert!(!site.data().exists(), "nothing was begun");
}

#[tokio::test]
async fn a_configuration_that_would_start_passes_the_check() {
    let site = Site::new(&Plan::soft());
    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;

    assert_eq!(checked.code(), Some(0), "{checked:#?}");
    assert!(!site.data().exists(), "a check begins nothing");
}

#[tokio::test]
async fn two_processes_cannot_have_one_data_folder() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let second = site.refuses().await;

    refuses_with(&second, &["another process"]);
    gateway.webhook(&token_of("acme")).create("still-here", "EC-P256").await;

    gateway.kill().await;
    site.start().await.webhook(&token_of("acme")).create("again", "EC-P256").await;
}

#[tokio::test]
async fn a_master_key_that_others_may_read_is_refused() {
    let site = Site::new(&Plan::soft());
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(mode)).unwrap();
        refuses_with(&site.refuses().await, &["master.key", &format!("{mode:o}"), "chmod 600"]);
    }

    fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(0o600)).unwrap();
    site.start().await;
}

#[tokio::test]
async fn a_master_key_that_is_none_is_refused() {
    let site = Site::new(&Plan::soft());
    for (text, words) in [("5a5a", "64"), ("", "64"), (&"zz".repeat(32), "64 hexadecimal")] {
        site.write("master.key", text);
        let ended = site.refuses().await;
        refuses_with(&ended, &["master.key", words]);
        assert!(text.is_empty() || !ended.said().contains(text), "it is never repeated");
    }

    fs::remove_file(site.path("master.key")).unwrap();
    refuses_with(&site.refuses().await, &["master.key", "no such"]);
}

#[tokio::test]
async fn another_master_key_than_the_one_before_is_refused_and_loses_nothing() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let key = gateway.webhook(&token_of("acme")).create("sealed", "EC-P256").await;
    gateway.stop().await;
    let right = fs::read(site.path("master.key")).unwrap();

    site.write("master.key", format!("{}\n", "a5".repeat(32)));
    refuses_with(&site.refuses().await, &["master key"]);

    site.write("master.key", right);
    site.start().await.webhook(&token_of("acme")).sign(&key, crate::harness::Hash::Sha256, b"back").await;
}

#[tokio::test]
async fn a_rotated_master_key_opens_the_same_keys() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let key = gateway.webhook(&token_of("acme")).create("rotated", "EC-P256").await;
    let (config, new) = (site.path("keyport.toml"), site.path("new.key"));
    let made = keyport(&[&"master-key", &"new", &new]).await;
    assert_eq!(made.code(), Some(0), "{made:#?}");

    let running = keyport(&[&"master-key", &"rotate", &"--config", &config, &"--new", &new]).await;
    assert_eq!(running.code(), Some(1), "not while it runs: {running:#?}");
    gateway.stop().await;
    let rotated = keyport(&[&"master-key", &"rotate", &"--config", &config, &"--new", &new]).await;
    assert_eq!(rotated.code(), Some(0), "{rotated:#?}");

    refuses_with(&site.refuses().await, &["master key"]);
    fs::rename(&new, site.path("master.key")).unwrap();
    site.start().await.webhook(&token_of("acme")).sign(&key, crate::harness::Hash::Sha256, b"rotated").await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused() {
    let site = Site::new(&Plan::soft());
    let (certificate, _) = site.authority.server();
    let (_, key) = site.authority.server();
    site.certify(&(certificate, key));
    refuses_with(&site.refuses().await, &["server."]);

    site.certify(&("no certificate".to_owned(), "no key".to_owned()));
    refuses_with(&site.refuses().await, &["server."]);

    fs::remove_file(site.path("server.pem")).unwrap();
    refuses_with(&site.refuses().await, &["server.pem"]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let (one, other) = (Site::new(&Plan::soft()), Site::new(&Plan::soft()));
    let gateway = one.start().await;
    let text = fs::read_to_string(other.path("keyport.toml")).unwrap();
    other.write("keyport.toml", text.replacen("127.0.0.1:0", &gateway.server.address.to_string(), 1));

    refuses_with(&other.refuses().await, &["cannot listen", &gateway.server.address.to_string()]);
}

#[tokio::test]
async fn a_new_token_works_as_it_is_printed() {
    let made = keyport(&[&"token", &"new", &"--name", &"fresh"]).await;
    assert_eq!(made.code(), Some(0), "{made:#?}");
    let (token, configuration) = made.stdout.split_once('\n').unwrap();
    assert!(!configuration.contains(token), "what is configured does not tell the token");
    let right = "[[tenant.caller.right]]\nmay = [\"list\"]\nkeys = [\"*\"]\n";
    let site =
        Site::new(&Plan::of([soft("soft"), tenant("acme", "soft"), format!("{configuration}\n{right}")]));

    let gateway = site.start().await;
    assert_eq!(gateway.webhook(token).list().await, []);
    gateway.webhook(token).ask_to_create("a", "EC-P256").await.expect(403);
}

#[tokio::test]
async fn nobody_is_anonymous_unless_a_tenant_is_opened_by_name() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let anonymous = |gateway: &Gateway| Webhook::new(gateway.server.client().with_base("/webhook"));
    anonymous(&gateway).client.get("/keys").await.expect(401);
    gateway.stop().await;

    let open = format!(
        "{}\n[[tenant]]\nname = \"open\"\nprovider = \"soft\"\nanonymous = true\n\n[[tenant.caller]]\n\
         name = \"anonymous\"\n\n[[tenant.caller.right]]\nmay = [\"create\", \"list\", \"sign\"]\nkeys = [\"*\"]\n",
        tenant("acme", "soft")
    );
    site.configure(&Plan::of([soft("soft"), open]));
    let gateway = site.start().await;
    assert!(gateway.logged().contains("open"), "start-up says so:\n{}", gateway.logged());
    let key = anonymous(&gateway).create("anybodys", "EC-P256").await;

    assert_eq!(gateway.webhook(&token_of("acme")).list().await, [], "it opens that tenant alone");
    assert_eq!(anonymous(&gateway).list().await, [key]);
    gateway.webhook("wrong").client.get("/keys").await.expect(401);
}

#[tokio::test]
async fn a_component_that_imports_what_it_is_not_granted_is_refused_with_the_grant_that_is_missing() {
    let site = Site::new(&Plan::soft());
    let provider = file_provider(hostile_component());
    site.write("component.wasm", hostile_component());
    site.configure(&Plan::of([provider, tenant("acme", "file")]));

    let ended = site.refuses().await;
    refuses_with(
        &ended,
        &[
            "keyport:provider/soft-token",
            "[[provider.grant]]",
            "connection = \"embedded\"",
            "\"sign\"",
            "`file`",
        ],
    );
    assert_eq!(site.refuses().await.code(), Some(1), "and again");
}

#[tokio::test]
async fn a_component_that_imports_what_no_grant_gives_is_refused_by_name() {
    let component = wat::parse_str(
        "(component (import \"wasi:sockets/network@0.2.0\" (instance (export \"network\" (type (sub resource))))))",
    )
    .unwrap();

    refuses_component(&component, None, &["wasi:sockets/network@0.2.0", "`file`"]).await;
}

#[tokio::test]
async fn a_component_of_wasi_is_told_the_line_that_gives_it() {
    let component = "(component (import \"wasi:cli/environment@0.2.0\" (instance)))";
    let component = wat::parse_str(component).unwrap();

    refuses_component(&component, None, &["`wasi:cli/environment@0.2.0`", "wasi = true", "`file`"]).await;
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let module = wat::parse_str("(module)").unwrap();

    refuses_component(&module, None, &["core WebAssembly module"]).await;
    refuses_component(b"", None, &["not a WebAssembly component"]).await;
    refuses_component(b"\x7fELF and so on", None, &["not a WebAssembly component"]).await;
    refuses_component(b"(component)", None, &["text format"]).await;
    let half = &hostile_component()[..hostile_component().len() / 2];
    refuses_component(half, None, &["`file`"]).await;
    refuses_component(&vec![0; 33 << 20], None, &["limit"]).await;
}

#[tokio::test]
async fn what_would_abort_an_engine_that_is_not_hardened_is_refused() {
    let component = wat::parse_str(
        "(component (core module
            (type $open (sub (func)))
            (table 1 funcref)
            (func (export \"run\") (call_indirect (type $open) (i32.const 0)))))",
    )
    .unwrap();

    refuses_component(&component, None, &["not accepted", "`file`"]).await;
}

#[tokio::test]
async fn another_component_than_the_pinned_one_is_refused() {
    let pinned = digest_of(b"another one");
    let words = [pinned.as_str(), &digest_of(hostile_component())];

    refuses_component(hostile_component(), Some(&pinned), &words).await;
}

/// A start with `component` is refused, and all of `words` are said.
async fn refuses_component(component: &[u8], pinned: Option<&str>, words: &[&str]) {
    let site = Site::new(&Plan::soft());
    site.write("component.wasm", component);
    let provider = match pinned {
        Some(pinned) => file_provider(component).replace(&digest_of(component), pinned),
        None => file_provider(component),
    };
    site.configure(&Plan::of([provider, tenant("acme", "file")]));

    refuses_with(&site.refuses().await, words);
    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;
    refuses_with(&checked, words);
}

fn file_provider(component: &[u8]) -> String {
    let sha256 = digest_of(component);
    format!("[[provider]]\nname = \"file\"\ncomponent = \"file:component.wasm\"\nsha256 = \"{sha256}\"\n")
}

#[track_caller]
fn refuses_with(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    for word in words {
        assert!(ended.said().contains(word), "`{word}` is not in\n{}", ended.said());
    }
    assert!(!ended.said().contains("panicked"), "{}", ended.said());
}
