//! What a process and its children have used: CPU time and memory, from /proc (proc(5)).

use std::fs;

use anyhow::{Context, Result};

/// CPU time used since the start, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// In the process itself.
    pub(crate) user: f64,
    /// In the kernel on its behalf.
    pub(crate) system: f64,
}

impl Cpu {
    /// What `pid` and the processes below it have used, those that ended included.
    ///
    /// The kernel counts exactly and reports in ticks, usually of 10 ms: measure over a second or more.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let tick = 1e6 / rustix::param::clock_ticks_per_second() as f64;
        Ok(family(pid)?.iter().fold(Self::default(), |sum, process| Self {
            user: sum.user + process.user_ticks * tick,
            system: sum.system + process.system_ticks * tick,
        }))
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// Resident memory of `pid` and the processes below it, in MiB.
pub(crate) fn resident(pid: u32) -> Result<f64> {
    family(pid)?.iter().map(|process| resident_alone(process.pid)).sum()
}

fn resident_alone(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = kib.trim().trim_end_matches(" kB").parse().context("VmRSS is not a number")?;
    Ok(kib / 1024.0)
}

#[derive(Debug)]
struct Stat {
    pid: u32,
    parent: u32,
    user_ticks: f64,
    system_ticks: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name, in parentheses, may hold anything.
        let (before, after) = text.rsplit_once(") ")?;
        let pid = before.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<_> = after.split(' ').collect();
        let ticks = |number: usize| fields.get(number - STATE)?.parse::<f64>().ok();

        Some(Self {
            pid,
            parent: fields.get(PARENT - STATE)?.parse().ok()?,
            user_ticks: ticks(USER)? + ticks(ENDED_USER)?,
            system_ticks: ticks(SYSTEM)? + ticks(ENDED_SYSTEM)?,
        })
    }
}

fn family(pid: u32) -> Result<Vec<Stat>> {
    let mut strangers: Vec<_> = fs::read_dir("/proc")
        .context("this bench needs /proc")?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter_map(|text| Stat::parse(&text))
        .collect();

    let mut family: Vec<_> = strangers.extract_if(.., |stat| stat.pid == pid).collect();
    anyhow::ensure!(!family.is_empty(), "process {pid} is gone");
    let mut next = 0;
    while let Some(parent) = family.get(next).map(|stat| stat.pid) {
        family.extend(strangers.extract_if(.., |stat| stat.parent == parent));
        next += 1;
    }
    Ok(family)
}

/// The numbers of fields in /proc/PID/stat, from 1; the third is the first after the name.
const STATE: usize = 3;
const PARENT: usize = 4;
const USER: usize = 14;
const SYSTEM: usize = 15;
const ENDED_USER: usize = 16;
const ENDED_SYSTEM: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_no_obstacle() {
        let stat = Stat::parse("42 (a) b) S 7 42 42 0 -1 0 0 0 0 0 11 22 3 4 20 0 1 0").unwrap();

        assert_eq!((stat.pid, stat.parent, stat.user_ticks, stat.system_ticks), (42, 7, 14.0, 26.0));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(resident(std::process::id()).unwrap() > 0.5);
    }
}
