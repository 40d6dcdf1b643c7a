//! Grants that are withheld: a component that may do less than it could.

use keyport_core::grant::{Grant, Use};
use keyport_core::outbound::{During, Method, Rule};
use keyport_core::provider::Loaded;

use crate::assemble::stage::Manner;
use crate::kit::subject::{Kit, ordinary};
use crate::kit::verdict::{Broken, Verdict, cases, fails};

cases! {
    "grant-withheld-for-sign",
    "Without the grant to sign it signs nothing, says so, and does not trap." => for_sign;
    "grant-withheld-for-generate",
    "Without the grant to make keys it makes none, says so, and does not trap." => for_generate;
    "grant-withheld-for-public-key",
    "Without the grant to read public halves it answers none, says so, and does not trap." => for_public_key;
    "grant-withheld-for-destroy",
    "Without the grant to destroy keys it says of none that it is destroyed, and does not trap." => for_destroy;
}

async fn for_sign(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let loaded = without(kit, |grants| withheld(grants, Use::Sign)).await?;
    let scheme = kit.scheme(made.key.key_type())?;
    let input = ordinary(0);

    let tried = kit.ask().of(&loaded).sign(&made.key, made.told(), (scheme, &input)).await?;
    fails(tried.without_trap(EXPECTED)?.answer, EXPECTED).map(drop)
}

async fn for_generate(kit: &Kit) -> Verdict {
    let key_type = kit.cheapest().await?;
    let loaded = without(kit, |grants| withheld(grants, Use::Generate)).await?;
    let key = kit.trial.plan(&loaded, key_type).await?;

    let tried = kit.ask().of(&loaded).create(&key).await?;
    fails(tried.without_trap(EXPECTED)?.answer, EXPECTED).map(drop)
}

async fn for_public_key(kit: &Kit) -> Verdict {
    let made = kit.key(kit.cheapest().await?).await?;
    let loaded = without(kit, |grants| withheld(grants, Use::PublicKey)).await?;

    let tried = kit.ask().of(&loaded).public_key(&made.key, made.told()).await?;
    fails(tried.without_trap(EXPECTED)?.answer, EXPECTED).map(drop)
}

async fn for_destroy(kit: &Kit) -> Verdict {
    let made = kit.fresh(kit.cheapest().await?).await?;
    let loaded = without(kit, |grants| withheld(grants, Use::Destroy)).await?;

    let tried = kit.ask().of(&loaded).destroy(&made.key, made.told()).await?;
    fails(tried.without_trap(EXPECTED)?.answer, EXPECTED).map(drop)
}

async fn without(kit: &Kit, grants: fn(Vec<Grant>) -> Vec<Grant>) -> Result<Loaded, Broken> {
    Ok(kit.stage.load(Manner { grants, ..Manner::default() }).await?)
}

fn withheld(mut grants: Vec<Grant>, withheld: Use) -> Vec<Grant> {
    for grant in &mut grants {
        grant.uses.remove(&withheld);
        grant.requests.retain(|rule| !is_for(rule, withheld));
    }
    grants
}

/// Whether requests by this rule are what a use comes to, where the custodian takes requests.
fn is_for(rule: &Rule, wanted: Use) -> bool {
    match wanted {
        Use::Generate | Use::Import => rule.during == During::Create,
        Use::PublicKey => rule.method == Method::Get && rule.during != During::Health,
        Use::Sign => rule.during == During::Sign,
        Use::Destroy => rule.during == During::Destroy,
    }
}

const EXPECTED: &str = "a failure, as it is not granted";
