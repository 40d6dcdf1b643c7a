//! Frames: a length, four bytes big-endian, and as many bytes of a value in postcard's encoding.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Writes `value` as one frame. It is wiped when it is dropped: a PIN may be in it.
pub fn encode<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    // Room enough that a value with a secret is not moved about in memory while it grows.
    let mut frame = Zeroizing::new(Vec::with_capacity(ROOM));
    frame.extend_from_slice(&[0; HEADER]);
    let mut frame = Zeroizing::new(postcard::to_extend(value, std::mem::take(&mut *frame))?);

    let length = frame.len() - HEADER;
    let header = u32::try_from(length).ok().filter(|_| length <= MAX).ok_or(FrameError::TooLong(length))?;
    if let Some(start) = frame.get_mut(..HEADER) {
        start.copy_from_slice(&header.to_be_bytes());
    }
    Ok(frame)
}

/// Reads the value of a frame. Bytes left over are refused.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let (value, rest) = postcard::take_from_bytes(body)?;

    if rest.is_empty() { Ok(value) } else { Err(FrameError::LeftOver(rest.len())) }
}

/// Reads one frame's value from a blocking stream; `None` where the stream ended between two frames.
pub(super) fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut header = [0; HEADER];
    let started = stream.read(&mut header)?;
    if started == 0 {
        return Ok(None);
    }
    stream.read_exact(header.get_mut(started..).unwrap_or_default())?;

    let mut body = Zeroizing::new(vec![0; length(header)?]);
    stream.read_exact(&mut body)?;
    decode(&body).map(Some)
}

/// Takes frames out of bytes as they come in.
#[derive(Debug, Default)]
pub struct Unframer {
    bytes: Vec<u8>,
    taken: usize,
}

impl Unframer {
    /// Where the next bytes are to be appended.
    pub fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken);
        self.taken = 0;

        &mut self.bytes
    }

    /// The value of the next frame, if it is complete.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = length(*header)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };

        let value = decode(body)?;
        self.taken += HEADER + length;
        Ok(Some(value))
    }
}

/// Why bytes are no frame, or a value cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed, or ended within a frame.
    #[error("the socket failed: {0}")]
    Io(#[from] std::io::Error),
    /// More bytes than its value has.
    #[error("a frame has {0} bytes more than its value")]
    LeftOver(usize),
    /// Not the encoding of the value expected.
    #[error("a frame holds no such value: {0}")]
    Malformed(#[from] postcard::Error),
    /// Longer than any frame may be.
    #[error("a frame of {0} bytes is too long, at most {MAX} are sent")]
    TooLong(usize),
}

fn length(header: [u8; HEADER]) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);

    if length <= MAX { Ok(length) } else { Err(FrameError::TooLong(length)) }
}

const HEADER: usize = 4;
const ROOM: usize = 1024;
/// The longest value: a message to be signed and a little more.
const MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_out_as_they_went_in_however_the_bytes_arrive(
            values: Vec<(u64, String, Vec<u8>)>,
            chunk in 1..50_usize,
        ) {
            let bytes: Vec<u8> = values.iter().flat_map(|value| encode(value).unwrap().to_vec()).collect();

            let (mut unframer, mut taken) = (Unframer::default(), Vec::new());
            for piece in bytes.chunks(chunk) {
                unframer.room().extend_from_slice(piece);
                while let Some(value) = unframer.take::<(u64, String, Vec<u8>)>().unwrap() {
                    taken.push(value);
                }
            }
            prop_assert_eq!(&taken, &values);

            let mut stream = bytes.as_slice();
            for value in values {
                prop_assert_eq!(read(&mut stream).unwrap(), Some(value));
            }
            prop_assert_eq!(read::<(u64, String, Vec<u8>)>(&mut stream).unwrap(), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut unframer = Unframer::default();
            unframer.room().extend_from_slice(&bytes);
            while let Ok(Some(_)) = unframer.take::<(u64, String)>() {}

            let _value = read::<(u64, String)>(&mut bytes.as_slice());
        }
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_header_alone() {
        let mut unframer = Unframer::default();
        unframer.room().extend_from_slice(&u32::MAX.to_be_bytes());

        assert!(matches!(unframer.take::<u8>(), Err(FrameError::TooLong(_))));
        assert!(matches!(encode(&vec![0_u8; MAX + 1]), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        assert!(matches!(decode::<u8>(&[1, 2]), Err(FrameError::LeftOver(1))));
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_failed() {
        let frame = encode(&"text").unwrap();

        for length in 1..frame.len() {
            assert!(matches!(read::<String>(&mut &frame[..length]), Err(FrameError::Io(_))), "{length}");
        }
    }
}
