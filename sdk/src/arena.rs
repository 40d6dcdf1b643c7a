//! A global allocator on a static arena: a call that stays within it never grows the memory, which would cost
//! the gateway two system calls.
#![expect(unsafe_code, reason = "an allocator is given memory by address")]

use core::alloc::Layout;
use core::fmt::Debug;
use core::ptr::NonNull;

use talc::base::binning::Binning;
use talc::base::{CHUNK_UNIT, Talc};
use talc::source::Source;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::cell::TalcSyncCell<Arena<wasm::Memory>, talc::wasm::WasmBinning> = {
    use core::mem::MaybeUninit;

    static mut MEMORY: [MaybeUninit<u8>; SIZE] = [MaybeUninit::uninit(); SIZE];

    // SAFETY: nothing else names MEMORY, so it is the allocator's alone.
    talc::cell::TalcSyncCell::new_wasm(unsafe { Arena::new((&raw mut MEMORY).cast(), SIZE, wasm::Memory) })
};

/// More memory, once the arena is used up.
///
/// # Safety
///
/// What `grow` returns belongs to the caller alone, for ever.
unsafe trait Grow: Debug {
    /// Adds at least `bytes` bytes; returns where they start and how many they are.
    fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)>;
}

/// Where the allocator takes its memory: first a fixed region, then whatever `more` yields.
#[derive(Debug)]
struct Arena<G> {
    region: Option<(*mut u8, usize)>,
    more: G,
    /// Where the heap ends that `more` has been growing.
    end: Option<NonNull<u8>>,
}

impl<G> Arena<G> {
    /// # Safety
    ///
    /// The `size` bytes at `base` belong to the new arena alone, for ever.
    const unsafe fn new(base: *mut u8, size: usize, more: G) -> Self {
        Self { region: Some((base, size)), more, end: None }
    }
}

// SAFETY: allocates nothing itself.
unsafe impl<G: Grow> Source for Arena<G> {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if let Some((base, size)) = talc.source.region.take() {
            // SAFETY: `new` and `grow` were promised that the memory is theirs alone. A region too small to
            // be claimed is left unused.
            unsafe { talc.claim(base, size) };
            return Ok(());
        }

        let (base, size) = talc.source.more.grow(needed::<B>(layout).ok_or(())?).ok_or(())?;
        let end = match talc.source.end.take() {
            // SAFETY: as above; the heap that ended where this begins is `more`'s own.
            Some(end) if end == base => unsafe { talc.extend(end, base.as_ptr().wrapping_add(size)) },
            // SAFETY: as above.
            _ => unsafe { talc.claim(base.as_ptr(), size) }.ok_or(())?,
        };
        talc.source.end = Some(end);

        Ok(())
    }
}

/// How large a heap must be for an allocation of `layout` to fit, whatever its alignment and even if it is
/// the first heap, which also holds the allocator's own lists.
fn needed<B: Binning>(layout: Layout) -> Option<usize> {
    layout
        .size()
        .checked_add(layout.align())?
        .checked_add(3 * CHUNK_UNIT)?
        .checked_add(talc::min_first_heap_size::<B>())
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use core::ptr::NonNull;

    /// The memory of the WebAssembly instance.
    #[derive(Debug)]
    pub(super) struct Memory;

    // SAFETY: pages that `memory.grow` adds were nobody's before.
    unsafe impl super::Grow for Memory {
        #[expect(clippy::as_conversions, reason = "an address is made from a page number")]
        fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)> {
            let pages = bytes.div_ceil(PAGE);
            let old = core::arch::wasm32::memory_grow::<0>(pages);
            if old == usize::MAX {
                return None;
            }

            Some((NonNull::new((old * PAGE) as *mut u8)?, pages * PAGE))
        }
    }

    const PAGE: usize = 64 * 1024;
}

/// Enough for a provider's ordinary calls: requests and answers are a few kilobytes.
#[cfg(target_arch = "wasm32")]
const SIZE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use core::alloc::GlobalAlloc;
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use talc::cell::TalcCell;
    use talc::wasm::WasmBinning;

    use super::*;

    type Allocator = TalcCell<Arena<Region>, WasmBinning>;

    /// One block after the other of a fixed region, as a WebAssembly memory grows.
    #[derive(Debug)]
    struct Region {
        rest: &'static mut [u8],
        /// How often it grew.
        count: &'static std::sync::atomic::AtomicUsize,
    }

    // SAFETY: no block is handed out twice, and the region is leaked.
    unsafe impl Grow for Region {
        fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)> {
            let bytes = bytes.next_multiple_of(BLOCK);
            let rest = core::mem::take(&mut self.rest);
            let (block, rest) = rest.split_at_mut_checked(bytes)?;
            self.rest = rest;
            self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);

            NonNull::new(block.as_mut_ptr()).map(|base| (base, bytes))
        }
    }

    struct Fixture {
        allocator: Allocator,
        count: &'static std::sync::atomic::AtomicUsize,
    }

    impl Fixture {
        /// An allocator whose arena has `arena` bytes and may grow by `more`.
        fn new(arena: usize, more: usize) -> Self {
            let count = Box::leak(Box::default());
            // Pages of a WebAssembly memory are aligned.
            let region = vec![0_u8; more + BLOCK].leak();
            let start = region.as_ptr().align_offset(BLOCK);
            let region = Region { rest: &mut region[start..start + more], count };
            let memory = vec![0; arena].leak();

            // SAFETY: leaked, and named nowhere else.
            let arena = unsafe { Arena::new(memory.as_mut_ptr(), memory.len(), region) };
            Self { allocator: TalcCell::new(arena), count }
        }

        fn grown(&self) -> usize {
            self.count.load(std::sync::atomic::Ordering::Relaxed)
        }

        /// A block of `layout`, filled with `mark`; null where there is no memory left.
        fn take(&self, layout: Layout, mark: u8) -> *mut u8 {
            // SAFETY: the size is not zero; what was allocated is written within its length.
            unsafe {
                let block = self.allocator.alloc(layout);
                if !block.is_null() {
                    block.write_bytes(mark, layout.size());
                }
                block
            }
        }

        fn give(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the tests give back what `take` made, once, with its layout.
            unsafe { self.allocator.dealloc(block, layout) }
        }
    }

    #[test]
    fn what_fits_the_arena_never_grows_the_memory() {
        let fixture = Fixture::new(ARENA, 0);

        // Far more than the arena holds in sum: what is freed is used again.
        for size in (1..2000).cycle().take(100_000) {
            let layout = layout(size, 8);
            let block = fixture.take(layout, 1);
            assert!(!block.is_null());
            fixture.give(block, layout);
        }

        assert_eq!(fixture.grown(), 0);
    }

    #[test]
    fn what_does_not_fit_the_arena_grows_the_memory() {
        let fixture = Fixture::new(ARENA, 16 * ARENA);
        let large = layout(4 * ARENA, 16);

        for _ in 0..100 {
            let block = fixture.take(large, 1);
            assert!(!block.is_null());
            fixture.give(block, large);
        }

        assert_eq!(fixture.grown(), 1);
    }

    #[test]
    fn growth_extends_the_heap_that_grew_before() {
        let fixture = Fixture::new(ARENA, 64 * BLOCK);
        let small = layout(BLOCK / 2, 8);
        let blocks: Vec<_> = (0..16).map(|_| fixture.take(small, 1)).collect();
        let grown = fixture.grown();
        assert!(grown > 1);
        for block in blocks {
            fixture.give(block, small);
        }

        // Only heaps that have become one can hold this.
        assert!(!fixture.take(layout(6 * BLOCK, 8), 1).is_null());
        assert_eq!(fixture.grown(), grown);
    }

    #[test]
    fn a_region_too_small_to_use_is_left_unused() {
        let fixture = Fixture::new(16, 4 * BLOCK);

        assert!(!fixture.take(layout(100, 8), 1).is_null());
        assert_eq!(fixture.grown(), 1);
    }

    #[test]
    fn exhaustion_is_a_null_pointer() {
        let fixture = Fixture::new(ARENA, 0);

        assert!(fixture.take(layout(2 * ARENA, 8), 1).is_null());
        assert!(fixture.take(layout(usize::MAX / 4, 8), 1).is_null());
        assert!(!fixture.take(layout(100, 8), 1).is_null());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take { size: usize, align: usize },
        Give { which: usize },
        Resize { which: usize, size: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..3000_usize, 0..8_u32)
                .prop_map(|(size, power)| Step::Take { size, align: 1 << power }),
            2 => any::<usize>().prop_map(|which| Step::Give { which }),
            1 => (any::<usize>(), 1..6000_usize).prop_map(|(which, size)| Step::Resize { which, size }),
        ]
    }

    proptest! {
        #[test]
        fn blocks_keep_what_was_written_and_all_memory_comes_back(
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let fixture = Fixture::new(ARENA, 64 * BLOCK);
            let mut blocks: BTreeMap<usize, (*mut u8, Layout, u8)> = BTreeMap::new();

            for (number, step) in steps.into_iter().enumerate() {
                let mark = u8::try_from(number % 251).unwrap();
                match step {
                    Step::Take { size, align } => {
                        let layout = layout(size, align);
                        let block = fixture.take(layout, mark);
                        prop_assert!(!block.is_null());
                        prop_assert_eq!(block.align_offset(align), 0);
                        blocks.insert(number, (block, layout, mark));
                    }
                    Step::Give { which } => {
                        let Some((block, layout, mark)) = pick(&mut blocks, which) else { continue };
                        prop_assert!(holds(block, layout.size(), mark));
                        fixture.give(block, layout);
                    }
                    Step::Resize { which, size } => {
                        let Some((block, old, mark)) = pick(&mut blocks, which) else { continue };
                        let new = layout(size, old.align());
                        // SAFETY: `block` was made with `old` and is forgotten here.
                        let block = unsafe { fixture.allocator.realloc(block, old, size) };
                        prop_assert!(!block.is_null());
                        prop_assert!(holds(block, old.size().min(size), mark));
                        // SAFETY: the block is `size` bytes long.
                        unsafe { block.write_bytes(mark, size) };
                        blocks.insert(number, (block, new, mark));
                    }
                }
            }

            for (block, layout, mark) in blocks.into_values() {
                prop_assert!(holds(block, layout.size(), mark));
                fixture.give(block, layout);
            }
            let grown = fixture.grown();
            prop_assert!(!fixture.take(layout(ARENA * 9 / 10, 8), 0).is_null());
            prop_assert_eq!(fixture.grown(), grown);
        }
    }

    fn pick(
        blocks: &mut BTreeMap<usize, (*mut u8, Layout, u8)>,
        which: usize,
    ) -> Option<(*mut u8, Layout, u8)> {
        let key = *blocks.keys().nth(which.checked_rem(blocks.len())?)?;
        blocks.remove(&key)
    }

    fn holds(block: *const u8, size: usize, mark: u8) -> bool {
        // SAFETY: the tests ask about blocks of at least `size` bytes that they own and have written.
        unsafe { core::slice::from_raw_parts(block, size) }.iter().all(|byte| *byte == mark)
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    const ARENA: usize = 64 * 1024;
    const BLOCK: usize = 64 * 1024;
}
