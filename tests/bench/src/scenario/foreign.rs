//! Answers about another tenant's keys beside those about keys that are missing: nobody may tell them apart by time.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::tenant;
use crate::bench::Bench;
use crate::client::{Client, Target};
use crate::contract::Contract;
use crate::key::KeyType;
use crate::measure::median;
use crate::report::Section;
use crate::server::{Audit, Gateway, Instances};

/// Asks about both in turn, over one connection, and about a second missing one to see the noise.
pub(super) async fn run(bench: &Bench) -> Result<Section> {
    let gateway = Gateway::prepare(bench, "foreign", Instances::Reuse, Audit::Interval).await?;
    // Refusals are counted and not written one by one: what is compared is the looking.
    gateway.configure(&format!("{}[limits]\nrefusals-per-minute = 1\n", tenant("stranger", TOKEN)))?;
    let server = gateway.start(bench).await?;
    let mut owner = Client::connect(&server.target).await?;
    owner.create(&server.target, Contract::V1, FOREIGN, KeyType::P256).await?;

    let stranger = server.target.with_token(TOKEN);
    let mut section = Section::new(
        "Another tenant's key beside a missing one",
        &["asked", "missing, median µs", "foreign, median µs", "foreign ÷ missing", "missing ÷ missing"],
    );
    for (name, request) in ENDPOINTS {
        let [missing, foreign, control] = medians(bench, &stranger, request).await?;
        let (ratio, noise) = (foreign / missing, control / missing);
        section.row([json!(name), json!(missing), json!(foreign), json!(ratio), json!(noise)]);
        section.at_most(&format!("`{name}`: the difference"), (ratio - 1.0).abs() * 100.0, 2.0, " %");
    }
    section.note("over one connection, the names in turn, and who is first in turn, too; the last column is noise alone");
    Ok(section)
}

/// The median round trip for each name, in microseconds.
async fn medians(bench: &Bench, target: &Target, request: Request) -> Result<[f64; NAMES]> {
    let mut client = Client::connect(target).await?;
    let requests = [MISSING, FOREIGN, CONTROL].map(|name| request(target, name));
    let mut took = requests.each_ref().map(|_| Vec::new());
    let measured = bench.requests(20_000);
    let warm_up = measured / 8;

    for round in 0..warm_up + measured {
        for turn in 0..NAMES {
            let which = (round + turn) % NAMES;
            let start = Instant::now();
            let answer = client.exchange(&requests[which]).await?;
            let round_trip = start.elapsed();
            ensure!(answer.status == 404, "not a refusal: {answer}");
            took[which].push(round_trip.as_secs_f64() * 1e6);
        }
    }
    Ok(took.map(|took| median(took.into_iter().skip(warm_up))))
}

type Request = fn(&Target, &str) -> Vec<u8>;

const ENDPOINTS: [(&str, Request); 4] = [
    ("webhook sign", |target, name| Contract::Webhook.sign(target, name, KeyType::P256, &[0; 32])),
    ("remote_kms sign", |target, name| Contract::RemoteKms.sign(target, name, KeyType::P256, &[0; 32])),
    ("v1 sign", |target, name| Contract::V1.sign(target, name, KeyType::P256, &[0; 32])),
    ("v1 get", |target, name| target.get(&format!("/v1/keys/{name}"))),
];
/// Names of one length.
const FOREIGN: &str = "a-foreign-key";
const MISSING: &str = "a-missing-key";
const CONTROL: &str = "a-missing-too";
/// How many names are asked about.
const NAMES: usize = 3;
const TOKEN: &str = "the-strangers-token";
