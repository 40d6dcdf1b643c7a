//! Every limit on what providers may cost, run into, and shown in the metrics; and what takes its time or ends processes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::harness::{
    Gateway, Hash, Plan, Site, Webhook, digest_of, eventually, hostile, http_component, soft, tenant,
    token_of,
};
use crate::hostile::Bystander;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_that_is_hit_shows_in_the_metrics_with_whom_it_stopped() {
    let service = Dripping::start().await;
    let site = site_of_limits(&service);
    let gateway = site.start().await;
    for (name, _, _) in SIGNING {
        gateway.webhook(&token_of(name)).create("own", "EC-P256").await;
    }

    for limit in ["cpu", "host-bytes", "log", "memory", "result-bytes", "stack"] {
        asked_to_sign(&gateway, limit).await;
        assert!(hits(&gateway, limit, limit).await > 0, "{limit}");
    }
    assert_eq!(asked_to_sign(&gateway, "late").await, 503);
    is_hit(&gateway, "late", "deadline").await;
    // What it has used counts as soon as it has let go of its thread.
    eventually("CPU time to be spent", async || (asked_to_sign(&gateway, "late").await == 429).then_some(()))
        .await;
    assert!(hits(&gateway, "late", "tenant-cpu").await > 0);

    let mut running = JoinSet::new();
    for name in ["crowd", "crowd", "crowd", "crowd", "narrow", "narrow"] {
        let webhook = gateway.webhook(&token_of(name));
        running.spawn(async move { webhook.ask_to_sign("own", Hash::Sha256, b"m").await.status });
    }
    for (name, limit) in [("crowd", "tenant-in-flight"), ("narrow", "in-flight")] {
        is_hit(&gateway, name, limit).await;
    }
    // Four run now, and no more may.
    assert_eq!(asked_to_sign(&gateway, "stack").await, 503);
    assert_eq!(hits(&gateway, "stack", "instances").await, 1);
    let statuses = running.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 2, "{statuses:?}");

    for (name, limit) in [("thin", "outbound-connections"), ("wide", "tenant-outbound-connections")] {
        let waiting = service.occupied_by(gateway.webhook(&token_of(name))).await;
        gateway.webhook(&token_of(name)).ask_to_create("more", "EC-P256").await.expect(429);
        assert_eq!(hits(&gateway, name, limit).await, 1, "{limit}");
        waiting.abort();
    }
    // A bound that is new is tried here, or where there is a token to be had.
    assert_eq!(never_hit(&gateway).await, BTreeSet::from(["resources".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custodian_that_drips_is_given_up_and_nobody_else_waits() {
    let service = Dripping::start().await;
    let sections = [
        soft("soft"),
        service.connection("300ms"),
        provider("drips", ""),
        tenant("drips", "drips"),
        tenant("bystander", "soft"),
    ];
    let site = Site::new(&Plan::of(sections));
    site.write(COMPONENT, http_component());
    let gateway = site.start().await;
    gateway.webhook(&token_of("bystander")).create("victim", "EC-P256").await;
    let bystander = Bystander::begin(&gateway);

    let webhook = gateway.webhook(&token_of("drips"));
    for turn in 0..3 {
        webhook.ask_to_create(&format!("key-{turn}"), "EC-P256").await.expect(503);
    }
    assert!(service.asked() >= 3);
    bystander.noticed_nothing().await;
}

#[tokio::test]
async fn a_component_that_would_end_the_process_ends_its_compiler_alone() {
    let bomb = nested_types(100_000);
    let provider = format!(
        "[[provider]]\nname = \"bomb\"\ncomponent = \"file:{COMPONENT}\"\nsha256 = \"{}\"\n",
        digest_of(&bomb)
    );
    let site = Site::new(&Plan::of([soft("soft"), tenant("acme", "soft")]));
    site.write(COMPONENT, bomb);
    site.configure(&Plan::of([soft("soft"), provider, tenant("acme", "soft")]));

    let ended = site.refuses().await;
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(ended.said().contains("`bomb` has a component that is too large or too deep"), "{ended:#?}");
}

type Settings = &'static [(&'static str, &'static str)];

/// Tenants, each with a provider of the same name; how that misbehaves in `sign`, and its limits.
const SIGNING: [(&str, Settings, &str); 9] = [
    ("cpu", &[("mode", "loop")], ""),
    ("host-bytes", &[("mode", "huge-result")], ""),
    ("log", &[("mode", "flood-log")], ""),
    ("memory", &[("mode", "grow-memory")], ""),
    ("result-bytes", &[("mode", "huge-result"), ("length", "100000")], ""),
    ("stack", &[("mode", "recurse")], ""),
    ("late", &[("mode", "loop")], "limits = { cpu = \"1m\" }"),
    ("crowd", &[("mode", "loop")], "limits = { cpu = \"1m\" }"),
    ("narrow", &[("mode", "loop")], "limits = { cpu = \"1m\", in-flight = 1 }"),
];

fn site_of_limits(service: &Dripping) -> Site {
    let mut sections = vec![service.connection("20s")];
    for (name, settings, more) in SIGNING {
        sections.extend([hostile(name, settings, more), tenant(name, name)]);
    }
    for (name, more) in [("thin", "limits = { outbound-connections = 1 }"), ("wide", "")] {
        sections.extend([provider(name, more), tenant(name, name)]);
    }

    let site = Site::new(&Plan {
        top: "[limits]\ninstances = 4\ntenant-in-flight = 3\ntenant-outbound-connections = 1\n".to_owned(),
        limits: "request-timeout = \"3s\"".to_owned(),
        ..Plan::of(sections)
    });
    site.write(COMPONENT, http_component());
    site
}

/// A provider that passes everything on to the connection `kms`.
fn provider(name: &str, more: &str) -> String {
    format!(
        "[[provider]]\nname = \"{name}\"\ncomponent = \"file:{COMPONENT}\"\nsha256 = \"{}\"\n{more}\n\n\
         [[provider.grant]]\nconnection = \"kms\"\n\n\
         [[provider.grant.request]]\nduring = \"create\"\nmethod = \"POST\"\npath = \"/keys\"\n\n\
         [[provider.grant.request]]\nduring = \"sign\"\nmethod = \"POST\"\npath = \"/keys/{{key}}/sign\"\n\n\
         [[provider.grant.request]]\nduring = \"destroy\"\nmethod = \"DELETE\"\npath = \"/keys/{{key}}\"\n",
        digest_of(http_component())
    )
}

/// The status of an answer for a tenant whose provider misbehaves.
async fn asked_to_sign(gateway: &Gateway, tenant: &str) -> u16 {
    gateway.webhook(&token_of(tenant)).ask_to_sign("own", Hash::Sha256, b"m").await.status
}

/// Waits until a provider has hit a limit.
async fn is_hit(gateway: &Gateway, provider: &str, limit: &str) {
    eventually(limit, async || (hits(gateway, provider, limit).await > 0).then_some(())).await;
}

/// How often a provider has hit a limit.
async fn hits(gateway: &Gateway, provider: &str, limit: &str) -> u64 {
    let (_, page) = gateway.ask_admin("/metrics").await;
    let line = format!("{HITS}{{provider=\"{provider}\",limit=\"{limit}\"}} ");
    let count = page.lines().find_map(|each| each.strip_prefix(line.as_str()));

    count.unwrap_or_else(|| panic!("{line} is not in\n{page}")).parse().unwrap()
}

/// The limits that no provider has hit.
async fn never_hit(gateway: &Gateway) -> BTreeSet<String> {
    let (_, page) = gateway.ask_admin("/metrics").await;
    let lines = page.lines().filter(|line| line.starts_with(HITS));
    let (hit, not): (Vec<_>, Vec<_>) = lines.partition(|line| !line.ends_with("} 0"));
    let limits = |lines: Vec<&str>| -> BTreeSet<String> {
        lines.into_iter().map(|line| line.rsplit('"').nth(1).unwrap().to_owned()).collect()
    };

    &limits(not) - &limits(hit)
}

/// A service that answers each request with a byte now and then.
struct Dripping {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Dripping {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (socket.local_addr().unwrap(), Arc::<AtomicUsize>::default());

        let counts = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(drip(stream, Arc::clone(&counts)));
            }
        });
        Self { address, asked }
    }

    /// How often it was asked.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn connection(&self, timeout: &str) -> String {
        format!(
            "[[connection]]\nname = \"kms\"\nkind = \"http\"\nurl = \"http://{}\"\n\
             private-addresses = [\"127.0.0.1/32\"]\ntimeout = \"{timeout}\"\n",
            self.address
        )
    }

    /// A create that waits for it.
    async fn occupied_by(&self, webhook: Webhook) -> AbortHandle {
        let before = self.asked();
        let waiting = tokio::spawn(async move { webhook.ask_to_create("own", "EC-P256").await });

        eventually("the service to be asked", async || (self.asked() > before).then_some(())).await;
        waiting.abort_handle()
    }
}

async fn drip(mut stream: TcpStream, asked: Arc<AtomicUsize>) {
    let mut request = [0; 4096];
    drop(stream.read(&mut request).await);
    asked.fetch_add(1, Ordering::Relaxed);

    drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await);
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(BETWEEN_BYTES).await;
    }
}

/// An instance type in component types, each in the next (component model, `Binary.md`).
fn nested_types(levels: usize) -> Vec<u8> {
    let types = [[0x41, 1, 1].repeat(levels), vec![0x42, 0]].concat();
    let mut length = types.len() + 1;
    let mut component = b"\0asm\x0d\0\x01\0\x07".to_vec();
    while length > 0x7f {
        component.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    component.extend([u8::try_from(length).unwrap(), 1]);

    [component, types].concat()
}

const HITS: &str = "keyport_provider_limit_hits_total";
/// The file that a component is in.
const COMPONENT: &str = "component.wasm";
const BETWEEN_BYTES: Duration = Duration::from_millis(50);
