//! Measuring: one run gives a sample, rounds of runs give a series for each variant.
//!
//! In each round every variant has its turn, in the opposite order every other time, so that a machine that slows down
//! or warms up does so for all. Ratios are taken within a round, and medians over rounds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::Client;
use crate::load::{self, Workload};
use crate::server::Server;
use crate::usage::Cpu;

/// One thing to measure.
#[derive(Debug)]
pub(crate) struct Variant<'a> {
    /// What is called.
    pub(crate) server: &'a Server,
    /// With what.
    pub(crate) workload: Arc<Workload>,
    /// Over how many connections.
    pub(crate) connections: usize,
    /// How many requests a run has, beside those that warm up.
    pub(crate) requests: usize,
}

/// What one run showed. CPU time is that of the server for each answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// In the server's process, in microseconds.
    pub(crate) user: f64,
    /// In the kernel on its behalf, in microseconds.
    pub(crate) system: f64,
    /// Answers in a second.
    pub(crate) rate: f64,
    /// The median round trip, in microseconds.
    pub(crate) median: f64,
    /// The round trip that one in a hundred exceeds, in microseconds.
    pub(crate) p99: f64,
    /// Which share of the requests was refused for now.
    pub(crate) refused: f64,
}

impl Sample {
    /// CPU time of both kinds, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

impl Variant<'_> {
    /// How many requests a run has, with those that warm up.
    pub(crate) fn sent(&self) -> usize {
        self.requests + self.requests / WARM_UP
    }

    /// Connects, warms up, and measures one run.
    pub(crate) async fn run(&self) -> Result<Sample> {
        let name = &self.server.name;
        let mut clients = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            clients
                .push(Client::connect(&self.server.target).await.with_context(|| format!("calling {name}"))?);
        }
        load::send(&mut clients, &self.workload, self.requests / WARM_UP)
            .await
            .with_context(|| format!("calling {name}"))?;

        let before = Cpu::of(self.server.pid())?;
        let seen = load::send(&mut clients, &self.workload, self.requests)
            .await
            .with_context(|| format!("calling {name}"))?;
        let used = Cpu::of(self.server.pid())?.since(before);

        let answers = seen.round_trips.len() as f64;
        Ok(Sample {
            user: used.user / answers,
            system: used.system / answers,
            rate: answers / seen.took.as_secs_f64(),
            median: percentile(&seen.round_trips, 50),
            p99: percentile(&seen.round_trips, 99),
            refused: seen.refused as f64 / self.requests as f64,
        })
    }
}

/// The samples of one variant, a round each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    samples: Vec<Sample>,
}

impl Series {
    /// The median of `figure` over all rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure))
    }

    /// By how much this one's `figure` is beyond `other`'s, in the median over all rounds.
    pub(crate) fn difference(&self, other: &Self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().zip(&other.samples).map(|(own, other)| figure(own) - figure(other)))
    }

    /// How many times `other`'s `figure` this one's is, in the median over all rounds.
    pub(crate) fn ratio(&self, other: &Self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().zip(&other.samples).map(|(own, other)| figure(own) / figure(other)))
    }
}

/// Measures every variant once in each of `rounds` rounds.
pub(crate) async fn rounds(rounds: usize, variants: &[Variant<'_>]) -> Result<Vec<Series>> {
    let mut series = vec![Series::default(); variants.len()];
    for round in 0..rounds {
        let mut order: Vec<_> = (0..variants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            series[number].samples.push(variants[number].run().await?);
        }
    }
    Ok(series)
}

/// The middle value; of an even number the upper one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `percent` of the sorted round trips do not exceed (nearest rank), in microseconds.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

/// One request in so many again warms up.
const WARM_UP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_micros).collect();

        assert!((percentile(&sorted, 50) - 100.0).abs() < 1e-6);
        assert!((percentile(&sorted, 99) - 198.0).abs() < 1e-6);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert!((median([3.0, 900.0, 2.0].into_iter()) - 3.0).abs() < 1e-9);
    }
}
