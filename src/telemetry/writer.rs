//! The way of log lines to stderr, on which no request ever waits.
//!
//! Whoever logs appends to a buffer; a thread of its own writes what has gathered. A reader that is too slow, or
//! a disk that is full, costs lines, which are counted, and nothing else.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

use crate::metrics::Metrics;

/// Takes lines.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Pipe>);

/// Waits on drop, for a moment, until everything has been written.
#[derive(Debug)]
#[must_use]
pub struct Flush(Arc<Pipe>);

#[derive(Debug)]
struct Pipe {
    state: Mutex<State>,
    /// There are lines.
    filled: Condvar,
    /// There are none, and none is being written.
    emptied: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Lines that were dropped since the reader was told.
    dropped: u64,
    /// The other side takes no more.
    is_closed: bool,
}

/// Lines that wait for a slow reader, in bytes.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// For which the program's end waits for a slow reader.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Starts the thread. `tell_dropped` makes the line that tells of lines that were dropped.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    out: impl Write + Send + 'static,
    metrics: Arc<Metrics>,
    tell_dropped: fn(u64) -> String,
) -> io::Result<(Writer, Flush)> {
    let (filled, emptied) = (Condvar::new(), Condvar::new());
    let pipe = Arc::new(Pipe { state: Mutex::default(), filled, emptied, metrics });
    let shared = Arc::clone(&pipe);
    thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_on(out, tell_dropped))?;
    Ok((Writer(Arc::clone(&pipe)), Flush(pipe)))
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.is_closed || state.waiting.len() + line.len() > MAX_WAITING_BYTES {
            state.dropped += 1;
            self.metrics.log_lines_dropped.count();
            return;
        }
        state.waiting.extend_from_slice(line);
        if !state.is_writing {
            self.filled.notify_one();
        }
    }

    /// Writes until the process ends.
    fn write_on(&self, mut out: impl Write, tell_dropped: fn(u64) -> String) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state();
            state.is_writing = false;
            while state.waiting.is_empty() {
                self.emptied.notify_all();
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.is_writing = true;
            mem::swap(&mut state.waiting, &mut lines);
            let dropped = mem::take(&mut state.dropped);
            drop(state);
            if dropped > 0 {
                lines.extend_from_slice(tell_dropped(dropped).as_bytes());
            }
            if let Err(error) = out.write_all(&lines) {
                self.failed(&lines, &error);
            }
            lines.clear();
        }
    }

    /// There is nobody to tell; a reader that is gone does not come back, a full disk may be emptied.
    fn failed(&self, lines: &[u8], error: &io::Error) {
        let count = memchr::memchr_iter(b'\n', lines).count();
        self.metrics.log_lines_dropped.add(u64::try_from(count).unwrap_or(u64::MAX));
        self.state().is_closed |= error.kind() == io::ErrorKind::BrokenPipe;
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let state = self.0.state();
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let waited = self.0.emptied.wait_timeout_while(state, FLUSH_WITHIN, is_busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes one line, which comes whole in one call.
pub(super) struct Line<'a>(&'a Pipe);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes only when the test lets it, and shows what it wrote.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(writer: &Writer, line: &str) {
        writer.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_slow_reader_costs_lines_and_is_told() {
        let (let_go, gate) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let metrics = Arc::new(Metrics::default());
        let slow = Slow(gate, sender);
        let (writer, _flush) = start(slow, Arc::clone(&metrics), |count| format!("{count} lost\n")).unwrap();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..3_000 {
            write(&writer, &line);
        }
        let dropped = metrics.log_lines_dropped.get();
        assert!((900..=1_976).contains(&dropped), "{dropped}: two megabytes may be held, one being written");
        // How many writes it takes, and which of them tells of the lines, is the scheduler's choice.
        for _ in 0..10 {
            let_go.send(()).unwrap();
        }
        let (mut all, mut told) = (Vec::new(), 0);
        while told < dropped {
            all.extend(written.recv_timeout(Duration::from_secs(60)).unwrap());
            let text = String::from_utf8_lossy(&all);
            let counts = text.lines().filter_map(|line| line.strip_suffix(" lost"));
            told = counts.map(|count| count.parse::<u64>().unwrap()).sum();
        }
        assert_eq!(told, dropped);
    }

    #[test]
    fn a_reader_that_is_gone_harms_nobody() {
        let (sender, _written) = mpsc::channel();
        let (_, gate) = mpsc::channel();
        let metrics = Arc::new(Metrics::default());
        let (writer, flush) = start(Slow(gate, sender), Arc::clone(&metrics), |_| String::new()).unwrap();
        write(&writer, "a\nb\n");
        drop(flush);
        write(&writer, "c\n");
        assert_eq!(metrics.log_lines_dropped.get(), 3);
    }

    #[test]
    fn the_end_waits_until_all_is_written() {
        let (let_go, gate) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let (writer, flush) = start(Slow(gate, sender), Arc::default(), |_| String::new()).unwrap();
        write(&writer, "last words\n");
        let_go.send(()).unwrap();
        drop(flush);
        assert_eq!(written.try_recv().unwrap(), b"last words\n");
    }
}
