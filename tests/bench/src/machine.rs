//! What the figures were measured on.

use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::bench::Bench;

/// The machine and the programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    server_cpus: usize,
    client_cpus: usize,
    kernel: String,
    rustc: String,
    node: String,
    keyport: String,
}

impl Machine {
    /// Asks the machine.
    pub(crate) fn of(bench: &Bench) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());

        Self {
            cpu,
            server_cpus: bench.cpus.servers(),
            client_cpus: bench.cpus.clients(),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease")),
            rustc: first_line(Command::new("rustc").arg("--version")),
            node: first_line(Command::new("node").arg("--version")),
            keyport: first_line(Command::new(&bench.keyport).arg("--version")),
        }
    }

    /// One line of Markdown.
    pub(crate) fn markdown(&self) -> String {
        let Self { cpu, server_cpus, client_cpus, kernel, rustc, node, keyport } = self;
        format!(
            "{keyport} on {cpu}, {server_cpus} CPU(s) for the server and {client_cpus} for the clients; {kernel}, \
             {rustc}, Node.js {node}"
        )
    }
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
    output.as_deref().and_then(|text| text.lines().next()).unwrap_or("(none)").to_owned()
}
