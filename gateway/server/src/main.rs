//! The keyport binary: a signing gateway, and the commands around it.

mod admin;
mod assemble;
mod auth;
mod command;
mod config;
mod contract;
mod dev;
mod json;
mod jwk;
mod listen;
mod log;
mod outside;
mod peer;
mod request;
mod route;
mod telemetry;
#[cfg(test)]
mod testing;
mod tls;
mod token;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
