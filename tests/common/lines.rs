//! The lines that a program writes, as they come.

use super::{PATIENCE, lock};
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// Lines of a pipe, kept by a thread that reads it to its end, so that the program never blocks on it.
#[derive(Clone)]
pub struct Lines(Arc<Pipe>);

#[derive(Default)]
struct Pipe {
    state: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    lines: Vec<Vec<u8>>,
    ended: bool,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let writer = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                lock(&writer.0.state).lines.push(line);
                writer.0.news.notify_all();
            }
            lock(&writer.0.state).ended = true;
            writer.0.news.notify_all();
        });
        lines
    }

    /// Waits for the first line from number `from` on for which `wanted` holds.
    pub fn position(&self, from: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<usize, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut next = from;
        let mut state = lock(&self.0.state);
        loop {
            while let Some(line) = state.lines.get(next) {
                if wanted(line) {
                    return Ok(next);
                }
                next += 1;
            }
            if state.ended {
                return Err("the program ended".into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no answer within {PATIENCE:?}"));
            }
            state = self.0.news.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    pub fn range(&self, from: usize, to: usize) -> Vec<Vec<u8>> {
        lock(&self.0.state).lines[from..to].to_vec()
    }

    pub fn text(&self) -> String {
        lock(&self.0.state).lines.iter().map(|l| String::from_utf8_lossy(l).into_owned() + "\n").collect()
    }
}
