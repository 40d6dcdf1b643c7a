//! `wasi:random`: all of it secure, and fresh in each instance.

use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::guest::State;

impl random::Host for State {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.random(count, MOST)?)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.number())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.random(count, MOST)?)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.number())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.number(), self.number()))
    }
}

impl State {
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.guest.outside.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// Random bytes at a time. Programs that were written for WASI know of no bound, and take what a seed or a key needs.
const MOST: u64 = 64 << 10;
