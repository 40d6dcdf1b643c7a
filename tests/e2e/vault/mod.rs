//! Keys in the transit engine of a real OpenBao, through the whole gateway.

mod bao;
mod example;
mod keys;
mod promises;
