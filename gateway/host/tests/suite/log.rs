//! The log, which all tests of this process share.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Bench, call, hostile, sign, with_setting};

/// Every line from now on is kept, those of other tests, too.
pub(crate) fn listen() {
    LazyLock::force(&LOG);
}

/// What guests of the provider of this name have said on this host: the thread that wrote it is in each line.
pub(crate) async fn lines_of(bench: &Bench, provider: &str) -> Vec<String> {
    let last = format!("after-{provider}");
    let mut speaking = with_setting(hostile("flood-log"), "count", "1");
    speaking.name = last.parse().unwrap();
    let speaking = bench.load(speaking).await;
    speaking.provider.sign(call("a"), sign()).await.unwrap();

    // Lines of one host are written in the order in which they were said.
    while LOG.lines(&last).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    LOG.lines(provider)
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().with_ansi(false).without_time().with_thread_names(true);
    tracing::subscriber::set_global_default(lines.with_writer(log.clone()).finish()).unwrap();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self, provider: &str) -> Vec<String> {
        let named = format!(" provider=\"{provider}\"");

        self.0.lock().unwrap().iter().filter(|line| line.contains(&named)).cloned().collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap().trim_end().to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
