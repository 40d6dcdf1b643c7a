//! `keyport provider test`: whether a component keeps what every provider promises.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::component::Component;
use crate::assemble::stage::Stage;
use crate::command::{block_on, print};
use crate::kit;
use crate::report::Output;

/// Try whether a component keeps what every provider promises
#[derive(Args, Debug)]
pub(in crate::command) struct Test {
    #[command(flatten)]
    component: Component,
    /// Try this case alone; may be given several times
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Name every case with its promise, and try none
    #[arg(long, conflicts_with = "only")]
    list: bool,
    #[command(flatten)]
    output: Output,
}

impl Test {
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.list {
            list();
            return Ok(ExitCode::SUCCESS);
        }

        let component = self.component.built()?;
        let report = block_on(async {
            let name = component.name();
            let stage = Stage::open(component.trying()?).await?;
            kit::run(stage, name, &self.only).await
        })?;
        self.output.write(&report)
    }
}

fn list() {
    let widest = kit::listed().map(|(name, _)| name.len()).max().unwrap_or_default();

    kit::listed().for_each(|(name, promise)| print::line(format_args!("{name:<widest$}  {promise}")));
}
