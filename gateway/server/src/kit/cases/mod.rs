//! The promises, theme by theme.

mod concurrency;
mod create;
mod deadline;
mod describe;
mod destroy;
mod digest;
mod failure;
mod gateway;
mod grant;
mod handle;
mod health;
mod import;
mod instance;
mod limits;
mod lost;
mod pairs;
mod public_key;
mod setting;
mod sign;

use super::verdict::Case;

/// Every case, in the order they are tried.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().flat_map(|theme| theme.iter())
}

const THEMES: [&[Case]; 18] = [
    describe::CASES,
    setting::CASES,
    create::CASES,
    public_key::CASES,
    sign::CASES,
    digest::CASES,
    handle::CASES,
    destroy::CASES,
    lost::CASES,
    import::CASES,
    health::CASES,
    failure::CASES,
    deadline::CASES,
    grant::CASES,
    concurrency::CASES,
    instance::CASES,
    limits::CASES,
    gateway::CASES,
];
