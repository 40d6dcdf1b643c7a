//! Room for so many calls at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many calls at once. Those that make keys or do away with them get half of it at most: custodians are slow with
/// such calls, or paced, and no signature is to wait for that.
#[derive(Debug)]
pub struct Room {
    calls: Arc<Semaphore>,
    changes: Arc<Semaphore>,
}

/// A call's place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    _call: OwnedSemaphorePermit,
    _change: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// So many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);

        Self {
            calls: Arc::new(Semaphore::new(places)),
            changes: Arc::new(Semaphore::new(places.div_ceil(2))),
        }
    }

    /// Waits for a place, in the order of those who wait for one of this kind; `None` if there will never be one.
    pub async fn place(&self, is_change: bool) -> Option<Place> {
        let change = match is_change {
            true => Some(Arc::clone(&self.changes).acquire_owned().await.ok()?),
            false => None,
        };
        let call = Arc::clone(&self.calls).acquire_owned().await.ok()?;

        Some(Place { _call: call, _change: change })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn at_once(room: &Room, is_change: bool) -> Option<Place> {
        room.place(is_change).now_or_never().flatten()
    }

    #[test]
    fn changes_have_half_of_the_places_and_everything_else_has_all() {
        let room = Room::new(5);

        let changes: Vec<_> = std::iter::from_fn(|| at_once(&room, true)).collect();
        let others: Vec<_> = std::iter::from_fn(|| at_once(&room, false)).collect();
        assert_eq!((changes.len(), others.len()), (3, 2));

        drop((changes, others));
        assert_eq!(std::iter::from_fn(|| at_once(&room, false)).collect::<Vec<_>>().len(), 5);
    }

    #[test]
    fn one_place_is_for_whoever_comes() {
        let room = Room::new(1);

        assert!(at_once(&room, true).is_some());
        assert!(at_once(&room, false).is_some());
    }
}
