//! The `log` crate's output goes to the host's log.

use super::callbacks::{Callbacks, Severity};
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;

static SINK: Sink = Sink(RwLock::new(Callbacks::NONE));

struct Sink(RwLock<Callbacks>);

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata) -> bool {
        // Libraries have their own notion of what is worth a line; a server's error log has room for their complaints only.
        is_ours(metadata) || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            let severity = match record.level() {
                Level::Error => Severity::Error,
                Level::Warn => Severity::Warning,
                _ => Severity::Note,
            };
            let callbacks = *self.0.read();
            callbacks.log(severity, &line(record));
        }
    }

    fn flush(&self) {}
}

/// What a record says. Lines of libraries get an identifier here: they bring none.
pub fn line(record: &Record) -> String {
    if is_ours(record.metadata()) {
        return record.args().to_string();
    }
    format!("DM1110: {}: {}", record.target(), record.args())
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// From now on lines go to `callbacks`; `verbose` 0 shows notes, more shows details.
pub fn install(callbacks: Callbacks, verbose: u8) {
    *SINK.0.write() = callbacks;
    // Fails where a logger is set already: at the second INSTALL, when it is this one.
    let _ = log::set_logger(&SINK);
    log::set_max_level(if verbose == 0 { LevelFilter::Info } else { LevelFilter::Debug });
}

/// From now on lines go nowhere: the host's functions are about to become invalid.
pub fn remove() {
    log::set_max_level(LevelFilter::Off);
    *SINK.0.write() = Callbacks::NONE;
}
