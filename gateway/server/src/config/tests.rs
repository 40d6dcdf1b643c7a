//! Whole files: what is right is read, what is wrong is reported as the golden files say.

use std::collections::BTreeSet;
use std::time::Duration;

use keyport_core::caller::Verb;
use keyport_core::gateway::OnDuplicate;
use keyport_core::grant::{ConnectionKind, Use};
use keyport_core::name::ConnectionName;
use proptest::prelude::*;

use super::gcp::GcpCredentials;
use super::vault::VaultLogin;
use super::*;

fn environment() -> Environment {
    Environment::new(|name| match name {
        "KEYPORT_MASTER_KEY" => Some("hunter2".to_owned()),
        "SECRET_ADDRESS" => Some("hunter3".to_owned()),
        _ => None,
    })
}

fn parse(text: &str) -> Result<Config, Mistakes> {
    Config::parse(text, Path::new("etc/keyport.toml"), &environment())
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/config")
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/minimal/keyport.toml")
}

#[test]
fn mistakes_read_as_the_golden_files_say() {
    let mut files: Vec<_> = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    assert!(!files.is_empty());

    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap();
        let mistakes = Config::parse(&text, Path::new(name), &environment()).unwrap_err().to_string() + "\n";

        let expected = file.with_extension("txt");
        if std::env::var_os("KEYPORT_BLESS").is_some() {
            std::fs::write(&expected, &mistakes).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(
            mistakes,
            expected,
            "{}: if the new text is better, run with KEYPORT_BLESS=1",
            file.display()
        );
    }
}

#[test]
fn the_minimal_example_shows_every_setting() {
    let golden = std::fs::read_to_string(golden().join("settings.txt")).unwrap();
    let (shown, mut tables) = (settings_shown(), 0);
    for (mistake, known) in golden.lines().zip(golden.lines().skip(1)) {
        let Some((_, place)) = mistake.split_once("unknown field `none` ") else { continue };
        let (_, known) = known.split_once("known here: ").unwrap();
        let table = place.trim_start_matches("in ").trim_matches(['[', ']']);
        // A small table is written in braces, in the one that it is of.
        let parent = table.rsplit_once('.').map_or(table, |(parent, _)| parent);
        tables += 1;

        for setting in known.split(", ") {
            let is_shown = |table: &str| shown.contains(&(table.to_owned(), setting.to_owned()));
            assert!(is_shown(table) || is_shown(parent), "`{setting}` {place} is not in the minimal example");
        }
    }

    assert!(tables > 30, "{golden}");
}

/// Tables of the minimal example with the settings that are in them, or in what is said before them.
fn settings_shown() -> BTreeSet<(String, String)> {
    let (mut shown, mut said, mut table) = (BTreeSet::new(), Vec::new(), TOP.to_owned());
    for line in std::fs::read_to_string(example()).unwrap().lines() {
        let (text, is_for_people) = (line.trim_start_matches('#'), line == "#" || line.starts_with("# "));
        if text.starts_with('[') && text.ends_with(']') {
            text.trim_matches(['[', ']']).clone_into(&mut table);
            let (parent, name) = table.rsplit_once('.').unwrap_or((TOP, &table));
            shown.insert((parent.to_owned(), name.to_owned()));
            shown.insert((TOP.to_owned(), table.split('.').next().unwrap().to_owned()));
        }
        let before = text.match_indices(" = ").map(|(at, _)| &text[..at]);
        said.extend(before.filter_map(|before| before.rsplit([' ', '{', '`']).next()).map(str::to_owned));
        if !is_for_people {
            shown.extend(said.drain(..).map(|setting| (table.clone(), setting)));
        }
    }

    shown
}

/// What a mistake calls the place of a setting that is in no table.
const TOP: &str = "at the top of the file";

#[test]
fn a_pkcs11_token_is_read_with_what_it_may_reach() {
    let text = std::fs::read_to_string(example()).unwrap();
    let hsm = r#"
        [[connection]]
        name = "hsm"
        kind = "pkcs11"
        module = "/usr/lib/softhsm/libsofthsm2.so"
        slot = 0
        network = "allowed"

        [connection.pin]
        environment = "KEYPORT_MASTER_KEY"
    "#;
    let config = parse(&format!("{text}{hsm}")).unwrap();

    let Custodian::Pkcs11(pkcs11) = &config.connections[1].custodian else { panic!("another kind") };
    assert_eq!((&pkcs11.token, pkcs11.network, pkcs11.read_only), (&Token::Slot(0), true, false));
    assert_eq!(pkcs11.in_flight, pkcs11.sessions);
    assert_eq!(pkcs11.label, "keyport:{tenant}:{key}");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_transit_engine_is_read_with_its_login_and_its_rates() {
    let text = std::fs::read_to_string(example()).unwrap();
    let engine = r#"
        [[connection]]
        name = "transit"
        kind = "vault"
        address = "http://127.0.0.1:8100"
        namespace = "team/a"
        rates = { sign = 500 }
        login = { method = "token", environment = "KEYPORT_MASTER_KEY" }
    "#;
    let read = |text: &str| {
        let Custodian::Vault(vault) = parse(text).unwrap().connections.remove(1).custodian else {
            panic!("another kind")
        };
        vault
    };

    let vault = read(&format!("{text}{engine}"));
    assert_eq!((vault.mount.as_str(), vault.prefix.as_str(), vault.verify), ("transit", "keyport", true));
    assert_eq!((vault.rates.sign, vault.rates.manage, vault.create_mount), (Some(500), None, false));
    assert!(matches!(vault.login, VaultLogin::Token(_)) && !format!("{vault:?}").contains("hunter2"));
    let pod = engine.replace(
        "method = \"token\", environment = \"KEYPORT_MASTER_KEY\"",
        "method = \"kubernetes\", role = \"r\"",
    );
    let service_account = "/var/run/secrets/kubernetes.io/serviceaccount/token".into();
    let (mount, role) = ("kubernetes".to_owned(), "r".to_owned());
    assert_eq!(read(&format!("{text}{pod}")).login, VaultLogin::Jwt { mount, role, file: service_account });
}

#[test]
fn the_example_is_right_and_means_what_it_says() {
    let text = std::fs::read_to_string(example()).unwrap();
    let config = parse(&text).unwrap();

    assert_eq!(config.data, Path::new("etc/keyport-data"));
    assert_eq!(config.listen.address, "127.0.0.1:8443".parse().unwrap());
    assert_eq!(config.listen.tls.certificate, Path::new("etc/server.pem"));
    assert_eq!(config.audit.sync, Sync::Always);
    assert_eq!(config.connections[0].custodian.kind(), ConnectionKind::Soft);
    let provider = &config.providers[0];
    assert_eq!(
        (&provider.component, provider.instances),
        (&Component::BuiltIn(BuiltIn::Soft), Instances::Reuse)
    );
    let embedded: ConnectionName = "embedded".parse().unwrap();
    assert_eq!(provider.grants.on(&embedded).unwrap().uses.len(), 5);
    let granted = parse(&text.replace("#wasi = false", "wasi = true")).unwrap();
    assert_eq!((provider.wasi, granted.providers[0].wasi), (false, true));
    let tenant = &config.tenants[0];
    assert_eq!(tenant.grace, Duration::from_secs(7 * 24 * 60 * 60));
    assert!(!tenant.anonymous);
    assert!(tenant.callers[0].caller.rights[0].verbs.contains(&Verb::Sign));
    assert_eq!(config.contracts.webhook.unwrap().on_duplicate, OnDuplicate::Replace);
}

#[test]
fn googles_default_credentials_are_looked_for_where_the_environment_says() {
    let environment = Environment::new(|name| match name {
        "GOOGLE_APPLICATION_CREDENTIALS" => Some(String::new()),
        "HOME" => Some("/home/me".to_owned()),
        "GCE_METADATA_HOST" => Some("metadata".to_owned()),
        _ => None,
    });
    let text = std::fs::read_to_string(example()).unwrap();
    let ring =
        "[[connection]]\nname = \"ring\"\nkind = \"gcp\"\nkey-ring = \"projects/a/locations/b/keyRings/c\"\n";
    let config =
        Config::parse(&format!("{text}\n{ring}"), Path::new("etc/keyport.toml"), &environment).unwrap();

    let Custodian::Gcp(ring) = &config.connections[1].custodian else { panic!("another kind") };
    let folder = Some(PathBuf::from("/home/me/.config/gcloud"));
    assert_eq!(
        ring.credentials,
        GcpCredentials::Default { file: None, folder, metadata: Some("metadata".to_owned()) }
    );
}

#[test]
fn every_line_of_the_example_that_is_commented_out_can_be_switched_on() {
    let text = std::fs::read_to_string(example()).unwrap();
    // A comment for people has a space after its sign.
    let uncommented: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect();

    assert_ne!(uncommented.join("\n"), text.trim_end());
    parse(&uncommented.join("\n")).unwrap();
}

#[test]
fn only_a_component_of_ours_has_requests_that_nobody_wrote_down() {
    let text = std::fs::read_to_string(example()).unwrap();
    let connection = "[[connection]]\nname = \"kms\"\nkind = \"http\"\nurl = \"https://kms.example\"\n";
    let with = |component: &str, rule: &str| {
        let provider = format!("[[provider]]\nname = \"remote\"\ncomponent = \"{component}\"\n");
        let grant = "[[provider.grant]]\nconnection = \"kms\"\n";
        parse(&format!("{text}\n{connection}{provider}{grant}{rule}"))
    };
    let kms: ConnectionName = "kms".parse().unwrap();

    let own = with("builtin:remote-kms", "").unwrap();
    let granted = own.providers[1].grants.on(&kms).unwrap();
    assert_eq!(granted.requests.len(), 4);
    assert!(granted.uses.contains(&Use::Sign) && granted.requests.iter().all(|rule| rule.times == 1));
    let rule = "[[provider.grant.request]]\nduring = \"health\"\nmethod = \"GET\"\npath = \"/health\"\n";
    let written = with("builtin:remote-kms", rule).unwrap();
    assert_eq!(written.providers[1].grants.on(&kms).unwrap().requests.len(), 1);

    for component in [
        "builtin:soft",
        "file:mine.wasm\"\nsha256 = \"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    ] {
        let mistakes = with(component, "").unwrap_err().to_string();
        assert!(mistakes.contains("[[provider.grant.request]] for each request"), "{mistakes}");
    }
}

#[test]
fn a_secret_is_never_printed() {
    let text = std::fs::read_to_string(example()).unwrap();
    let with_secret = text.replace("file = \"master.key\"", "environment = \"KEYPORT_MASTER_KEY\"");
    let printed = format!("{:?}", parse(&with_secret).unwrap());
    assert!(printed.contains("KEYPORT_MASTER_KEY") && !printed.contains("hunter2"));

    for wrong in [
        text.replace("\"127.0.0.1:8443\"", "\"${SECRET_ADDRESS}\""),
        text.replace("tokens = [\"sha256:", "tokens = [\"hunter4\", \"sha256:"),
        with_secret.replace("\"KEYPORT_MASTER_KEY\"", "\"hunter4\""),
    ] {
        let mistakes = parse(&wrong).unwrap_err();
        assert!(!mistakes.to_string().contains("hunter"), "{mistakes}");
        assert!(!format!("{mistakes:?}").contains("hunter"), "{mistakes:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("nowhere/keyport.toml"), &environment()).unwrap_err();

    assert_eq!(error.to_string(), "cannot read nowhere/keyport.toml");
}

/// A line that is in its place somewhere, or nowhere.
fn line() -> impl Strategy<Value = String> {
    use proptest::sample::select;

    (select(KEYS), select(KEYS), select(VALUES), 0..5).prop_map(|(key, other, value, shape)| match shape {
        0 => format!("[{key}]"),
        1 => format!("[[{key}]]"),
        2 => format!("[[{key}.{other}]]"),
        _ => format!("{key} = {value}"),
    })
}

proptest! {
    #[test]
    fn no_text_panics_and_every_mistake_has_a_line_of_it(lines in proptest::collection::vec(line(), 0..30)) {
        let count = lines.len().max(1);
        let mistakes = parse(&lines.join("\n")).unwrap_err().mistakes;

        prop_assert!(!mistakes.is_empty());
        prop_assert!(mistakes.iter().all(|mistake| (1..=count).contains(&mistake.line)));
    }

    #[test]
    fn no_bytes_panic(text in any::<String>()) {
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn one_changed_line_of_the_example_is_never_two_tables_of_mistakes(at in 0_usize..200, value in line()) {
        let text = std::fs::read_to_string(example()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let at = at % lines.len();
        lines[at] = value;

        if let Err(mistakes) = parse(&lines.join("\n")) {
            prop_assert!(mistakes.mistakes.len() <= 12, "{mistakes}");
        }
    }
}

const KEYS: &[&str] = &[
    "data", "listen", "admin", "tls", "address", "name", "kind", "provider", "grant", "tenant", "caller",
    "right", "tokens", "limits", "cpu", "file", "contract", "webhook", "path", "uses", "may", "settings",
    "audit", "sync",
];
const VALUES: &[&str] = &[
    "1",
    "true",
    "\"\"",
    "\"a\"",
    "\"${A}\"",
    "\"${\"",
    "[]",
    "[1]",
    "{}",
    "{ a = 1 }",
    "1.5",
    "1979-05-27",
    "\"7d\"",
    "[[]]",
    "",
    "\"builtin:soft\"",
    "\"file:\"",
    "\"soft\"",
    "[{}]",
];
