//! What uses up something that the gateway bounds.

use std::hint::black_box;

use keyport_sdk::{Log, Settings};

/// Never ends.
pub(crate) fn forever() -> ! {
    loop {
        black_box(());
    }
}

/// Calls itself, holding on to nothing but what the engine keeps for a call.
pub(crate) fn recurse(depth: u64) -> u64 {
    // Without an end that the compiler cannot rule out it would make this a loop; so would it with an
    // associative operation.
    if depth == u64::MAX { 0 } else { recurse(depth + 1).rotate_left(7) ^ depth }
}

/// Calls itself, each time with a kilobyte in the guest's own stack.
pub(crate) fn recurse_in_memory(depth: u64) -> u64 {
    let mut block = black_box([0_u8; 1024]);
    if depth == u64::MAX {
        return 0;
    }

    let deeper = recurse_in_memory(depth + 1);
    block.fill(1);
    black_box(&block);

    deeper.rotate_left(7) ^ depth
}

/// Takes memory, a megabyte at a time, until no more is given; writes to all of it.
pub(crate) fn memory() -> usize {
    let mut taken: Vec<Vec<u8>> = Vec::with_capacity(4096);
    while taken.len() < taken.capacity() {
        let mut block = Vec::new();
        if block.try_reserve_exact(MEBIBYTE).is_err() {
            break;
        }
        block.resize(MEBIBYTE, 1);
        taken.push(block);
    }

    for block in &mut taken {
        block.fill(2);
    }
    black_box(&taken).len()
}

/// Keeps four kilobytes for ever.
pub(crate) fn leak() {
    let kept: &'static mut [u8] = Box::leak(vec![1; 4096].into_boxed_slice());
    black_box(kept).fill(2);
}

/// Writes lines to the log: as many as the setting `count` says, or 100000.
pub(crate) fn log(host: &(impl Log + Settings)) {
    let count = host.setting("count").and_then(|count| count.parse().ok()).unwrap_or(100_000_u32);
    let line = "flood ".repeat(100);
    for _ in 0..count {
        host.info(&line);
    }
}

pub(crate) const MEBIBYTE: usize = 1024 * 1024;
