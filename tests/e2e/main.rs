//! The whole gateway, from outside: the real binary, over real sockets, on good days and bad ones.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and so do the functions it is made of"
)]

mod admin;
mod administration;
mod auth;
mod aws;
mod azure;
mod backend;
mod chain;
mod code;
mod conformance;
mod crash;
mod curl;
mod derived;
mod dev;
mod disk;
mod drain;
mod example;
mod flood;
mod gcp;
mod harness;
mod hostile;
mod http;
mod limits;
mod pkcs11;
mod project;
mod provider;
mod quotas;
mod registry;
mod reload;
mod remote_kms;
mod replicas;
mod signed;
mod start;
mod swap;
mod tamper;
mod tenants;
mod testdouble;
mod tls;
mod v1;
mod vault;
mod webhook;
