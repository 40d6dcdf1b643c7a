//! `keyport provider bench`: what a component costs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::component::Component;
use crate::assemble::stage::Stage;
use crate::command::{block_on, print};
use crate::kit::{Cost, Measured, bench};

/// Measure what a component costs: to load, and for one signature
#[derive(Args, Debug)]
pub(in crate::command) struct Bench {
    #[command(flatten)]
    component: Component,
    /// How many signatures are averaged
    #[arg(long, default_value = "1000", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    signatures: u32,
}

impl Bench {
    pub(super) fn run(self) -> Result<ExitCode> {
        let component = self.component.built()?;
        let name = component.name();
        let measured = block_on(async {
            let stage = Stage::open(component.trying()?).await?;
            bench(stage, self.signatures).await
        })?;
        lines(&name, &measured).iter().for_each(print::line);

        Ok(if measured.signatures.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn lines(name: &str, Measured { size, compiled, kept, signatures }: &Measured) -> Vec<String> {
    let mut lines = vec![
        name.to_owned(),
        format!("size       {size} bytes"),
        format!("compile    {:.1} ms, from its bytes to its first answer", milliseconds(*compiled)),
        format!("load       {:.1} ms, the same with its code from the cache", milliseconds(*kept)),
        String::new(),
    ];
    match signatures {
        Ok(costs) => {
            lines.push("µs of CPU for one signature".to_owned());
            lines.push(format!(
                "{:<30} {:>8} {:>8} {:>9} {:>11} {:>9}",
                "", "fresh", "reused", "process", "host calls", "memory"
            ));
            lines.extend(costs.iter().map(line));
            lines.push(String::new());
            lines.push(
                "fresh, reused: the guest and what is computed for it; process: all threads of this process, reused"
                    .to_owned(),
            );
        }
        Err(why) => lines.push(format!("no signature: {why}")),
    }
    lines
}

fn line(Cost { key_type, scheme, fresh, reused, process, host_calls, memory }: &Cost) -> String {
    let what = format!("{key_type} {scheme}");
    let [fresh, reused, process] = [fresh, reused, process].map(|time| microseconds(*time));

    format!("{what:<30} {fresh:>8.1} {reused:>8.1} {process:>9.1} {host_calls:>11.1} {:>5} KiB", memory >> 10)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
