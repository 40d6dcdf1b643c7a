//! Keys in the transit engine of a real OpenBao, through the whole gateway.

mod bao;
mod crash;
mod example;
mod keys;
mod promises;
mod relay;
