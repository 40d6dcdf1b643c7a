//! `wasi:cli/stdout` and `stderr`: lines in the operator's log, within the budget that those of the import `log` have.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use keyport_core::provider::Call;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdout};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::guest::{Guest, State};
use crate::imports::log::{Level, say};
use crate::text;

impl stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let wasi = self.of_wasi();
        let stream: DynOutputStream = Box::new(wasi.stdout.clone());

        Ok(wasi.held.push(stream)?)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let wasi = self.of_wasi();
        let stream: DynOutputStream = Box::new(wasi.stderr.clone());

        Ok(wasi.held.push(stream)?)
    }
}

/// Where a guest writes text. All its clones are one text.
#[derive(Clone)]
pub(super) struct Text(Arc<Mutex<Lines>>);

impl Text {
    pub(super) fn new(guest: &Arc<Guest>, call: Option<&Call>, level: Level) -> Self {
        let (guest, call) = (Arc::clone(guest), call.cloned());

        Self(Arc::new(Mutex::new(Lines { guest, call, level, begun: Vec::new() })))
    }

    /// What is written from now on is written in this call, and what was begun before is a line.
    pub(super) fn serve(&self, call: Option<&Call>) {
        let mut lines = self.lines();
        lines.end();
        lines.call = call.cloned();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pollable for Text {
    async fn ready(&mut self) {}
}

impl OutputStream for Text {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > AT_A_TIME {
            return Err(StreamError::trap("more was written at a time than check-write allows"));
        }

        self.lines().write(&bytes);
        Ok(())
    }

    /// What is flushed need not be a whole line, and lines are what a log has.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(AT_A_TIME)
    }
}

/// A text that becomes lines of the log.
struct Lines {
    guest: Arc<Guest>,
    call: Option<Call>,
    level: Level,
    /// The line that has not ended yet.
    begun: Vec<u8>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.split_last() {
                Some((b'\n', rest)) => {
                    self.append(rest);
                    self.end();
                }
                Some(_) | None => self.append(line),
            }
        }
    }

    /// A line that gets longer than one in the log goes on in the next.
    fn append(&mut self, mut part: &[u8]) {
        while let Some(room) = text::MESSAGE.checked_sub(self.begun.len())
            && let Some((fits, rest)) = part.split_at_checked(room)
            && !rest.is_empty()
        {
            self.begun.extend_from_slice(fits);
            let rest_of_character = incomplete(&self.begun);
            let next = self.begun.split_off(self.begun.len() - rest_of_character);
            self.end();
            self.begun = next;
            part = rest;
        }
        self.begun.extend_from_slice(part);
    }

    fn end(&mut self) {
        if self.begun.is_empty() {
            return;
        }

        let line = std::mem::take(&mut self.begun);
        say(&self.guest, self.call.as_ref(), self.level, &String::from_utf8_lossy(&line));
    }
}

/// A call that ends early, with its instance, may have said why.
impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}

/// How many bytes at the end of a text are the beginning of a character (UTF-8: RFC 3629, section 3).
fn incomplete(text: &[u8]) -> usize {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => text.len() - error.valid_up_to(),
        Ok(_) | Err(_) => 0,
    }
}

/// Bytes that may be written at a time; more take more calls.
const AT_A_TIME: usize = 4096;
