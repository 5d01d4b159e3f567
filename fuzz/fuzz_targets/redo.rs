//! Redo logs: any two files are read or refused, and what was read is read again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let at = data.first().map_or(0, |cut| usize::from(*cut) * 8);
    let rest = data.get(1..).unwrap_or_default();
    let (first, second) = rest.split_at(at.min(rest.len()));
    daemon_memcached::refengine::fuzzing::replay(first, second);
});
