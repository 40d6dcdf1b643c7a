//! Components that were valid before bytes of them were changed, cut out, put in or moved.

use std::time::Duration;

use keyport_host::{HostOptions, Refusal, Source};

use crate::crafted::{component, descriptor};
use crate::support::{Bench, SOFT, source};
use crate::wasi::speaking;

#[tokio::test]
async fn of_twelve_thousand_mutants_each_is_refused_or_loaded_and_none_breaks_anything() {
    let bench = Bench::with(HostOptions {
        instances: 16,
        load_timeout: Duration::from_secs(20),
        ..HostOptions::default()
    });
    let (small, of_wasi) = (component(&descriptor(1, "")), speaking());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut loads, mut refusals) = (0, 0);

    for number in 0..12_000 {
        // What is large is compiled for as long where the change is of no account.
        let valid = match dice.roll(24) {
            0 => &**SOFT,
            1..4 => &*of_wasi,
            _ => &*small,
        };
        let mutant = Source { wasi: true, ..source("mutant", dice.mutant(valid)) };
        match bench.host.load(mutant).await {
            Ok(_) => loads += 1,
            Err(refused) => {
                let broke = matches!(refused.refusal, Refusal::Compiler(_) | Refusal::Slow { .. });
                assert!(!broke, "mutant {number}: {refused}");
                refusals += 1;
            }
        }
    }

    // Some changes are of no account, as are those to names; most are.
    assert!(loads > 0 && refusals > 10_000, "{loads} loaded, {refusals} refused");
}

#[tokio::test]
async fn a_component_that_ends_too_early_is_refused_wherever_that_is() {
    let bench = Bench::new();
    let whole = component(&descriptor(1, ""));
    // What begins a section ends a component as well as the end does; what is missing then shows when it is linked.
    for end in 0..whole.len() {
        let refused = bench.refusal(source("cut", whole[..end].to_vec())).await;

        assert!(!matches!(refused.refusal, Refusal::Compiler(_)), "{end}: {refused}");
    }
}

/// Numbers that are the same in each run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;

        usize::try_from(number).unwrap() % below.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    /// A place behind the magic number; half of the time near the beginning, where the types are.
    fn place(&mut self, bytes: &[u8]) -> usize {
        let end = if self.roll(2) == 0 { bytes.len() } else { bytes.len().min(4096) };

        HEAD + self.roll(end.saturating_sub(HEAD))
    }

    fn mutant(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut bytes = valid.to_vec();
        for _ in 0..=self.roll(3) {
            self.mutate(&mut bytes, valid);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, valid: &[u8]) {
        let at = self.place(bytes).min(bytes.len());
        match self.roll(8) {
            0 | 1 => self.change(bytes, |byte, dice| byte.wrapping_add(dice.byte() | 1)),
            2 => self.change(bytes, |byte, dice| byte ^ 1 << dice.roll(8)),
            3 => bytes.truncate(at),
            4 => {
                let put: Vec<_> = (0..=self.roll(8)).map(|_| self.byte()).collect();
                drop(bytes.splice(at..at, put));
            }
            5 => {
                let end = (at + self.roll(16)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            6 => {
                let from = self.place(valid);
                let piece = &valid[from..(from + self.roll(64)).min(valid.len())];
                let end = (at + self.roll(64)).min(bytes.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
            _ => self.swap(bytes),
        }
    }

    fn change(&mut self, bytes: &mut [u8], to: impl Fn(u8, &mut Self) -> u8) {
        let at = self.place(bytes);
        if let Some(byte) = bytes.get(at).copied() {
            bytes[at] = to(byte, self);
        }
    }

    /// Puts two sections of the component in each other's place.
    fn swap(&mut self, bytes: &mut Vec<u8>) {
        let mut sections = sections(bytes);
        let (one, other) = (self.roll(sections.len()), self.roll(sections.len()));
        if !sections.is_empty() {
            sections.swap(one, other);
            *bytes = [&bytes[..HEAD], &sections.concat()].concat();
        }
    }
}

/// The sections of a component, as far as it has any.
fn sections(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut sections = Vec::new();
    let mut rest = bytes.get(HEAD..).unwrap_or_default();
    while let Some(length) = section(rest) {
        let (section, after) = rest.split_at(length);
        sections.push(section.to_vec());
        rest = after;
    }
    sections.push(rest.to_vec());
    sections
}

/// Bytes of the section that begins here: its id, its length (LEB128), and what that counts.
fn section(bytes: &[u8]) -> Option<usize> {
    let (mut length, mut shift) = (0_usize, 0);
    for (at, byte) in bytes.iter().enumerate().skip(1).take(5) {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (at + 1).checked_add(length).filter(|end| *end <= bytes.len());
        }
    }
    None
}

/// Bytes before the first section.
const HEAD: usize = 8;
