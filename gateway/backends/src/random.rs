//! Randomness for delays. Keys and nonces never come from here.

/// Uniform in 0..1; 1 where the system has no randomness to give.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX),
        Err(_no_randomness) => 1.0,
    }
}
