//! The text commands: one line to one [`Line`], as memcached 1.6.45 reads it.
//!
//! Rules that hold for every command there and here: the verb starts the line and ends at the first space; arguments are separated by
//! any number of spaces and nothing else; surplus arguments are ignored; `noreply` counts where it is the last argument; a line that
//! lacks arguments is answered even with `noreply`, a line with wrong ones is not; numbers are decimal digits, without `+`.
//!
//! Two rules are ours: flags are digits and beyond 32 bits they are refused, where memcached allows a sign and cuts them; and every
//! exptime may be any 64-bit number, where memcached's `touch`, `gat` and `flush_all` end in January 2038.

use super::keys::{Keys, Part};
use super::limits::KEY_MAX;
use super::line::{Args, Arguments, Line, Words, block_length, signed, trim, trim_end, trim_start, unsigned};
use super::operation::{Arith, Delete, DumpFormat, Get, Operation, Refused, Removal, Storage, StoreMode, Streams};
use super::{Request, Style, meta, reply as words};

/// Highest slab class of memcached.
const SLAB_CLASS_MAX: u64 = 63;

pub(super) mod reply;
#[cfg(test)]
pub(super) mod tests;

/// Reads one line of less than 64 bytes, given without its end, whose blanks are known, into `request`.
#[inline]
pub(super) fn near_line<'a>(line: &'a [u8], blanks: u64, stranger: bool, request: &mut Request<'a>) -> Line {
    // The commands that are asked for most, in their usual forms.
    match line {
        [b'g', b'e', b't', b' ', ..] => {
            let mut words = Words::new(line, blanks, 4);
            if let (Some(key), None) = (words.next(), words.next()) {
                *request = read(Keys::one(key), false, None);
                return Line::Complete;
            }
        }
        [b's', b'e', b't', b' ', ..] if !stranger => {
            return store(StoreMode::Set, false, Words::new(line, blanks, 4), request);
        }
        [b'i', b'n', b'c', b'r', b' ', ..] => {
            return arith(Words::new(line, blanks, 5), true, request);
        }
        _ => {}
    }
    self::line(line, stranger, request)
}

/// Reads one line, given without its end, into `request`. `stranger`: a `set` logs in.
#[inline]
pub(super) fn line<'a>(line: &'a [u8], stranger: bool, request: &mut Request<'a>) -> Line {
    // Verbs are short: a search that is quick over long distances takes longer to begin than this to end.
    let (verb, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
    *request = match verb {
        b"get" => get(rest, false),
        b"set" if stranger => return login(rest, request),
        b"set" => return store(StoreMode::Set, false, Args(rest), request),
        b"gets" => get(rest, true),
        b"cas" => return store(StoreMode::Set, true, Args(rest), request),
        b"add" => return store(StoreMode::Add, false, Args(rest), request),
        b"incr" => return arith(Args(rest), true, request),
        b"decr" => return arith(Args(rest), false, request),
        b"delete" => delete(rest),
        b"touch" => touch(rest),
        b"gat" => get_and_touch(rest, false),
        b"gats" => get_and_touch(rest, true),
        b"mg" => return meta::line(meta::Verb::Get, rest, request),
        b"ms" => return meta::line(meta::Verb::Set, rest, request),
        b"md" => return meta::line(meta::Verb::Delete, rest, request),
        b"ma" => return meta::line(meta::Verb::Arith, rest, request),
        b"mn" => return meta::line(meta::Verb::Noop, rest, request),
        b"me" => return meta::line(meta::Verb::Debug, rest, request),
        b"replace" => return store(StoreMode::Replace, false, Args(rest), request),
        b"append" => return store(StoreMode::Append, false, Args(rest), request),
        b"prepend" => return store(StoreMode::Prepend, false, Args(rest), request),
        b"flush_all" => flush_all(rest),
        b"version" => text(Operation::Version, false),
        b"verbosity" => verbosity(rest),
        b"stats" => stats(rest),
        b"lru_crawler" => lru_crawler(rest, line),
        b"cache_memlimit" => memory_limit(rest),
        b"bind" => bind(rest),
        b"refresh_certs" => text(Operation::RefreshCertificates, false),
        b"quit" => text(Operation::Quit, false),
        b"shutdown" => refused_unless(noreply(rest), words::SHUTDOWN_NOT_ENABLED),
        b"slabs" => slabs(rest, line),
        b"lru" => lru(rest, line),
        b"watch" => watch(rest),
        _ => return unknown(line, request),
    };
    Line::Complete
}

fn text(operation: Operation<'_>, noreply: bool) -> Request<'_> {
    Request { operation, style: Style::Text { noreply } }
}

/// A read as text commands know it.
#[inline]
fn read(keys: Keys<'_>, with_cas: bool, touch: Option<i64>) -> Request<'_> {
    let part = Part::Whole;
    text(Operation::Get(Get { keys, part, with_cas, with_value: true, touch, known: None, renewal: None }), false)
}

#[inline]
fn get(rest: &[u8], with_cas: bool) -> Request<'_> {
    match Keys::new(rest) {
        Some(keys) => read(keys, with_cas, None),
        None => Request::refused(words::BAD_FORMAT),
    }
}

/// Takes keys from the front of `rest`, which is what is left of a line of keys, and tells how many bytes they take if that is not all.
pub(super) fn some_keys(rest: &[u8], with_cas: bool, begins: bool) -> (Request<'_>, Option<usize>) {
    let Some(keys) = Keys::first_of(rest) else { return (Request::refused(words::BAD_FORMAT), None) };
    let taken = rest.len() - keys.behind.len();
    let ends = trim_start(keys.behind).is_empty();
    let part = match (begins, ends) {
        (true, true) => Part::Whole,
        (true, false) => Part::First,
        (false, false) => Part::Middle,
        (false, true) => Part::Last,
    };
    let get = Get { keys: keys.keys, part, with_cas, with_value: true, touch: None, known: None, renewal: None };
    (text(Operation::Get(get), false), (!ends).then_some(taken))
}

fn get_and_touch(rest: &[u8], with_cas: bool) -> Request<'_> {
    let mut args = Args(rest);
    let Some(exptime) = args.next() else { return Request::refused(words::BAD_FORMAT) };
    let Some(keys) = Keys::new(args.0) else { return Request::refused(words::BAD_FORMAT) };
    match signed(exptime) {
        Some(exptime) => read(keys, with_cas, Some(exptime)),
        None => Request::refused(words::INVALID_EXPTIME),
    }
}

/// `compares`: a cas number stands behind the length.
#[inline]
fn store<'a>(mode: StoreMode, compares: bool, mut args: impl Arguments<'a>, request: &mut Request<'a>) -> Line {
    let (Some(key), Some(flags), Some(exptime), Some(length)) = (args.next(), args.next(), args.next(), args.next())
    else {
        *request = Request::refused(words::BAD_FORMAT);
        return Line::Complete;
    };
    let Some(length) = block_length(length) else {
        *request = Request::refused(words::BAD_FORMAT);
        return Line::Complete;
    };
    let noreply = noreply(args.rest());
    // A `cas` without its number is wrong.
    let compare = if compares { args.next().and_then(unsigned).map(Some) } else { Some(None) };
    let flags = unsigned(flags).and_then(|flags| u32::try_from(flags).ok());
    match (flags, signed(exptime), compare) {
        (Some(flags), Some(exptime), Some(compare)) if key.len() <= KEY_MAX => {
            *request = text(Operation::Store(Storage { flags, exptime, compare, ..Storage::new(mode, key) }), noreply);
            Line::Block { length }
        }
        _ => {
            *request = refused_unless(noreply, words::BAD_FORMAT);
            Line::RefusedBlock { length }
        }
    }
}

/// The `set` of a stranger: its value is name and password, and of its arguments only their number and the length count.
#[cold]
fn login<'a>(rest: &'a [u8], request: &mut Request<'a>) -> Line {
    let mut args = Args(rest);
    match (args.next(), args.nth(2).and_then(block_length)) {
        (Some(key), Some(length)) => {
            *request = text(Operation::Store(Storage::new(StoreMode::Set, key)), false);
            Line::Block { length }
        }
        _ => {
            *request = Request::refused(words::BAD_FORMAT);
            Line::Complete
        }
    }
}

#[inline]
fn arith<'a>(mut args: impl Arguments<'a>, increment: bool, request: &mut Request<'a>) -> Line {
    let (Some(key), Some(delta)) = (args.next(), args.next()) else {
        *request = Request::refused(words::BAD_FORMAT);
        return Line::Complete;
    };
    let noreply = noreply(args.rest()) || delta == b"noreply" && trim(args.rest()).is_empty();
    *request = match unsigned(delta) {
        _ if key.len() > KEY_MAX => refused_unless(noreply, words::BAD_FORMAT),
        Some(delta) => text(Operation::Arith(Arith { delta, ..Arith::new(increment, key) }), noreply),
        None => refused_unless(noreply, words::INVALID_DELTA),
    };
    Line::Complete
}

/// The number that old clients send behind the key is a surplus argument like any other.
fn delete(rest: &[u8]) -> Request<'_> {
    let noreply = noreply(rest);
    let mut args = Args(rest);
    match args.next() {
        Some(key) if key.len() <= KEY_MAX && args.count() <= 2 => {
            text(Operation::Delete(Delete { key, compare: None, removal: Removal::Item }), noreply)
        }
        Some(_) => refused_unless(noreply, words::BAD_FORMAT),
        None => Request::refused(words::BAD_FORMAT),
    }
}

fn touch(rest: &[u8]) -> Request<'_> {
    let mut args = Args(rest);
    let (Some(key), Some(exptime)) = (args.next(), args.next()) else {
        return Request::refused(words::BAD_FORMAT);
    };
    let noreply = noreply(rest);
    if key.len() > KEY_MAX {
        return refused_unless(noreply, words::BAD_FORMAT);
    }
    match signed(exptime) {
        Some(exptime) => text(Operation::Touch { key, exptime, tells_flags: false }, noreply),
        None => refused_unless(noreply, words::INVALID_EXPTIME),
    }
}

fn flush_all(rest: &[u8]) -> Request<'_> {
    let mut args = Args(rest);
    let noreply = noreply(rest);
    let delay = match args.next() {
        None => Some(0),
        // Only the last argument can be the word itself.
        Some(b"noreply") if trim(args.0).is_empty() => Some(0),
        Some(delay) => signed(delay),
    };
    match delay {
        Some(delay) => text(Operation::FlushAll { delay }, noreply),
        None => refused_unless(noreply, words::INVALID_EXPTIME),
    }
}

fn verbosity(rest: &[u8]) -> Request<'_> {
    let Some(level) = Args(rest).next() else { return Request::refused(words::BAD_FORMAT) };
    let noreply = noreply(rest);
    match unsigned(level) {
        // It means nothing inside a host.
        Some(level) if level <= u64::from(u32::MAX) => text(Operation::Noop, noreply),
        _ => refused_unless(noreply, words::BAD_FORMAT),
    }
}

/// Not memcached's own command: exactly one argument, so that a misspelt line does not bind to half a name.
fn bind(rest: &[u8]) -> Request<'_> {
    let mut args = Args(rest);
    match (args.next(), args.next()) {
        (Some(name), None) if name.len() <= KEY_MAX => text(Operation::Bind { name }, false),
        _ => Request::refused(words::BAD_FORMAT),
    }
}

#[cold]
fn stats(rest: &[u8]) -> Request<'_> {
    let mut args = Args(rest);
    if args.next() != Some(b"cachedump") {
        return text(Operation::Stats { args: trim(rest) }, false);
    }
    let (Some(class), Some(limit)) = (args.next(), args.next()) else {
        return Request::refused(b"CLIENT_ERROR bad command line\r\n");
    };
    match (unsigned(class), unsigned(limit)) {
        // A table is one class, as if all of its rows were of one size.
        (Some(1), Some(0)) => dump(DumpFormat::Items, u64::MAX),
        (Some(1), Some(limit)) => dump(DumpFormat::Items, limit),
        (Some(0..=SLAB_CLASS_MAX), Some(_)) => Request::refused(words::END),
        (Some(_), Some(_)) => Request::refused(b"CLIENT_ERROR Illegal slab id\r\n"),
        _ => Request::refused(words::BAD_FORMAT),
    }
}

fn dump(format: DumpFormat, limit: u64) -> Request<'static> {
    text(Operation::KeyDump { format, limit }, false)
}

/// Commands that steer what there is nothing of here are answered as if they had done it: clients go on.
fn tune(line: &[u8]) -> Request<'_> {
    text(Operation::Tune { line }, false)
}

fn slabs<'a>(rest: &'a [u8], line: &'a [u8]) -> Request<'a> {
    let mut args = Args(rest);
    match (args.next(), args.next(), args.next()) {
        (Some(b"reassign"), Some(from), Some(to)) => match (signed(from), signed(to)) {
            (Some(_), Some(_)) => Request::refused(b"NOSPARE source class has no spare pages\r\n"),
            _ => Request::refused(words::BAD_FORMAT),
        },
        (Some(b"automove"), Some(level), _) if unsigned(level).is_some() => tune(line),
        (Some(b"automove"), Some(_), _) => Request::refused(words::BAD_FORMAT),
        _ => Request::refused(words::ERROR),
    }
}

fn lru<'a>(rest: &'a [u8], line: &'a [u8]) -> Request<'a> {
    let mut args = Args(rest);
    match (args.next(), args.next()) {
        (Some(b"mode"), Some(b"flat" | b"segmented")) => tune(line),
        (Some(b"temp_ttl"), Some(seconds)) if signed(seconds).is_some() => tune(line),
        (Some(b"tune"), Some(_)) if args.count() >= 3 => tune(line),
        (Some(b"mode" | b"tune" | b"temp_ttl"), Some(_)) => Request::refused(words::BAD_FORMAT),
        _ => Request::refused(words::ERROR),
    }
}

fn lru_crawler<'a>(rest: &'a [u8], line: &'a [u8]) -> Request<'a> {
    let mut args = Args(rest);
    let format = match args.next() {
        Some(b"metadump") => DumpFormat::Meta,
        Some(b"mgdump") => DumpFormat::MetaGet,
        Some(b"enable" | b"disable") => return tune(line),
        Some(word @ (b"crawl" | b"sleep" | b"tocrawl")) => return crawler_argument(word, args.next(), line),
        _ => return Request::refused(words::ERROR),
    };
    match args.next() {
        None => Request::refused(words::ERROR),
        Some(b"all" | b"hash") => dump(format, u64::MAX),
        Some(list) => match classes(list) {
            None => Request::refused(BAD_CLASS),
            Some(first) => dump(format, if first { u64::MAX } else { 0 }),
        },
    }
}

const BAD_CLASS: &[u8] = b"BADCLASS invalid class id\r\n";

/// Whether a list of slab classes has the first one in it, which all rows are of; `None` if it is no list of classes.
fn classes(list: &[u8]) -> Option<bool> {
    let class = |word: &[u8]| unsigned(word).filter(|class| (1..=SLAB_CLASS_MAX).contains(class));
    list.split(|byte| *byte == b',').try_fold(false, |first, word| Some(first | (class(word)? == 1)))
}

fn crawler_argument<'a>(word: &[u8], argument: Option<&[u8]>, line: &'a [u8]) -> Request<'a> {
    let Some(argument) = argument else { return Request::refused(words::ERROR) };
    match (word, unsigned(argument)) {
        (b"crawl", _) if argument == b"all" || classes(argument).is_some() => tune(line),
        (b"crawl", _) => Request::refused(BAD_CLASS),
        (_, None) => Request::refused(words::BAD_FORMAT),
        (b"sleep", Some(1_000_001..)) => Request::refused(b"CLIENT_ERROR sleep must be one second or less\r\n"),
        _ => tune(line),
    }
}

/// What there is nothing of here is watched in vain.
fn watch(rest: &[u8]) -> Request<'_> {
    let named = |word: &[u8]| {
        // As in memcached the beginning of a name is enough.
        STREAMS.iter().find(|(name, _)| name.as_bytes().starts_with(word)).map(|(_, streams)| *streams)
    };
    let mut args = Args(rest).peekable();
    if args.peek().is_none() {
        return text(Operation::Watch { streams: Streams::FETCHERS }, false);
    }
    match args.try_fold(Streams::NONE, |all, word| Some(all.and(named(word)?))) {
        Some(streams) => text(Operation::Watch { streams }, false),
        None => Request::refused(words::ERROR),
    }
}

/// What memcached lets watch, in the order in which it looks for a word.
const STREAMS: [(&str, Streams); 10] = [
    ("rawcmds", Streams::NONE),
    ("evictions", Streams::EVICTIONS),
    ("fetchers", Streams::FETCHERS),
    ("mutations", Streams::MUTATIONS),
    ("sysevents", Streams::NONE),
    ("connevents", Streams::CONNECTIONS),
    ("proxyreqs", Streams::NONE),
    ("proxyevents", Streams::NONE),
    ("proxyuser", Streams::NONE),
    ("deletions", Streams::DELETIONS),
];

fn memory_limit(rest: &[u8]) -> Request<'_> {
    let noreply = noreply(rest);
    match Args(rest).next().and_then(unsigned).and_then(|megabytes| u32::try_from(megabytes).ok()) {
        None => refused_unless(noreply, words::ERROR),
        Some(0..8) => refused_unless(noreply, b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"),
        Some(megabytes @ 8..=1_000_000_000) => text(Operation::MemoryLimit { megabytes }, noreply),
        Some(_) => refused_unless(noreply, b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"),
    }
}

fn unknown(line: &[u8], request: &mut Request<'_>) -> Line {
    let text = trim(line);
    let last = text.get(memchr::memrchr(b' ', text).map_or(0, |space| space + 1)..);
    if line.len() >= 2 && last.is_some_and(|word| word.starts_with(b"HTTP/")) {
        return Line::Foreign;
    }
    *request = Request::refused(if line.len() < 2 { words::BAD_FORMAT } else { words::ERROR });
    Line::Complete
}

fn refused_unless(noreply: bool, reply: &'static [u8]) -> Request<'static> {
    text(Operation::Refused(Refused::Line(if noreply { b"" } else { reply })), noreply)
}

/// Whether the last of the arguments is the word `noreply`. `rest` starts with the space before the first one.
#[inline]
fn noreply(rest: &[u8]) -> bool {
    trim_end(rest).ends_with(b" noreply")
}
