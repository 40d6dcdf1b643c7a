//! The keyport binary, as a library that only its own `main` and its fuzz targets use.

mod admin;
mod administration;
mod assemble;
mod auth;
mod client;
mod command;
mod component;
mod config;
mod conformance;
mod contract;
mod dev;
#[cfg(fuzzing)]
pub mod fuzz;
mod json;
mod jwk;
mod key_service;
mod kit;
mod listen;
mod log;
mod outside;
mod peer;
mod private_file;
mod project;
mod report;
mod request;
mod route;
mod telemetry;
mod testdouble;
#[cfg(test)]
mod testing;
mod tls;
mod token;

use std::process::ExitCode;

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    command::run()
}
