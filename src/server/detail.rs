//! `stats detail`: operations by key prefix, the part of a key before its first delimiter. Off unless somebody asks
//! ([`Attention`](super::watch::Attention)); then a lock per key.

use crate::protocol::reply;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Write;

/// Prefixes that are told apart; keys of further ones are not counted.
const PREFIXES_MAX: usize = 1 << 16;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A read, and whether it found the key.
    Get(bool),
    /// Any storage command, whatever became of it.
    Set,
    /// A delete, whatever became of it.
    Delete,
}

/// The counters.
#[derive(Debug)]
pub struct Detail {
    delimiter: u8,
    prefixes: Mutex<HashMap<Box<[u8]>, Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    get: u64,
    hit: u64,
    set: u64,
    del: u64,
}

impl Detail {
    /// Counters for prefixes that end at `delimiter`.
    pub fn new(delimiter: u8) -> Detail {
        Detail { delimiter, prefixes: Mutex::default() }
    }

    /// The character behind which a prefix ends.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Counts an operation. A key without the delimiter has no prefix.
    #[cold]
    pub fn count(&self, key: &[u8], event: Event) {
        let Some(end) = memchr::memchr(self.delimiter, key) else { return };
        let prefix = &key[..end];
        // No line could tell of it.
        if !reply::is_printable(prefix) {
            return;
        }
        let mut prefixes = self.prefixes.lock();
        if !prefixes.contains_key(prefix) {
            if prefixes.len() >= PREFIXES_MAX {
                return;
            }
            prefixes.insert(prefix.into(), Counts::default());
        }
        let Some(counts) = prefixes.get_mut(prefix) else { return };
        match event {
            Event::Get(hit) => {
                counts.get += 1;
                counts.hit += u64::from(hit);
            }
            Event::Set => counts.set += 1,
            Event::Delete => counts.del += 1,
        }
    }

    /// Forgets what was counted.
    pub fn clear(&self) {
        self.prefixes.lock().clear();
    }

    /// Appends a line per prefix.
    pub fn dump(&self, out: &mut Vec<u8>) {
        for (prefix, counts) in self.prefixes.lock().iter() {
            let Counts { get, hit, set, del } = counts;
            out.extend_from_slice(b"PREFIX ");
            out.extend_from_slice(prefix);
            // Writing to a vector cannot fail.
            let _ = write!(out, " get {get} hit {hit} set {set} del {del}\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_for_the_part_before_the_first_delimiter() {
        let detail = Detail::new(b':');
        let note = |key: &str, event| detail.count(key.as_bytes(), event);
        for (key, event) in [
            ("a:1", Event::Get(true)),
            ("a:2:3", Event::Get(false)),
            ("a:1", Event::Set),
            ("a:1", Event::Delete),
            ("plain", Event::Get(true)),
        ] {
            note(key, event);
        }
        let mut out = Vec::new();
        detail.dump(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "PREFIX a get 2 hit 1 set 1 del 1\r\n");
        for i in 0..PREFIXES_MAX + 10 {
            note(&format!("{i}:"), Event::Set);
        }
        assert_eq!(detail.prefixes.lock().len(), PREFIXES_MAX);
    }
}
