//! `keyport backend state`: how a key stands at its custodians, as a running gateway is told.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use keyport_core::gateway::Which;
use keyport_core::key::{self, KeyId, KeyName};
use keyport_core::name::TenantId;

use crate::administration::{self, AtCustodian, KeyStanding, Sought};
use crate::command::gateway::RunningGateway;
use crate::command::print;

/// Ask a running gateway how a key stands at its custodians, beside its state in the gateway
///
/// Each custodian of the key is asked once, which changes nothing there: it is enabled, disabled, pending, gone, pending
/// deletion and until when that can be taken back, or unavailable, where the custodian itself cannot reach it. Where one does
/// not say, it is unknown, and why. The exit code is 1 unless every custodian of an active key says that it is enabled.
#[derive(Args, Debug)]
pub(in crate::command) struct State {
    /// The tenant and the key's name; of several keys of that name, such as released ones, the ten made last are told
    #[arg(value_name = "TENANT/NAME", value_parser = named)]
    key: (TenantId, KeyName),
    /// The key of this id instead of those of the name, destroyed or not
    #[arg(long, value_name = "ID")]
    id: Option<KeyId>,
    #[command(flatten)]
    gateway: RunningGateway,
}

impl State {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { key: (tenant, name), id, gateway } = self;
        let data = gateway.folder()?;
        let which = id.map_or(Which::Name(name), Which::Id);
        let sought = Sought { tenant, which };
        let asked = async { Ok(administration::standings(&data, &sought).await?) };

        let told = match crate::command::block_on(asked)? {
            Ok(told) if told.is_empty() => bail!("there is no such key"),
            Ok(told) => told,
            Err(refused) => bail!(refused.error),
        };
        told.iter().flat_map(lines).for_each(print::line);
        let is_well = told.iter().all(is_well);
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn named(text: &str) -> Result<(TenantId, KeyName)> {
    let (tenant, name) = text.split_once('/').context("write TENANT/NAME")?;

    Ok((tenant.parse()?, KeyName::new("NAME", name)?))
}

/// Whether the key signs wherever it should.
fn is_well(KeyStanding { state, custodians, .. }: &KeyStanding) -> bool {
    let is_enabled = |at: &AtCustodian| at.state.as_deref() == Some(ENABLED);

    state != key::State::Active.as_str() || custodians.iter().all(is_enabled)
}

fn lines(KeyStanding { id, state, custodians }: &KeyStanding) -> Vec<String> {
    if custodians.is_empty() {
        return vec![format!("{id} {state:<10} at no custodian")];
    }

    custodians.iter().map(|at| format!("{id} {state:<10} {}", line(at))).collect()
}

fn line(AtCustodian { connection, state, until, failure }: &AtCustodian) -> String {
    let state = state.as_deref().unwrap_or("unknown");
    let more = match (until, failure) {
        (Some(until), _) => format!(" until {until}"),
        (None, Some(failure)) => format!(": {failure}"),
        (None, None) => String::new(),
    };

    format!("{connection:<16} {state}{more}")
}

const ENABLED: &str = keyport_core::backend::KeyState::Enabled.as_str();
