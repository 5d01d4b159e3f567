//! The server's state of our threads.
//!
//! A session runs on a `THD` of its own, the kind that the server gives its background threads. The server does not wait for those
//! when it shuts down, yet InnoDB must not go while one has a transaction: so each is counted among the server's connections until it
//! is gone. Workers see `abort_loop` and leave; then the server goes on. On a node of a cluster the session must be one that the server
//! can find by its number, and runs on the kind of `THD` that purge threads have, which the server lists and counts by itself.

use crate::host::HostError;
use crate::host::mysql::symbols;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Whether the server takes sessions: not while it starts. A server that does not tell is taken for one that does.
pub fn server_has_started() -> bool {
    let started = symbols::find(c"mysqld_server_started").cast::<c_int>();
    // SAFETY: the server's variable; any moment's value will do.
    started.is_null() || unsafe { ptr::read_volatile(started) } != 0
}

/// Whether the server has begun to shut down.
pub fn server_is_shutting_down() -> bool {
    let ends = symbols::find(c"abort_loop").cast::<u8>();
    // SAFETY: the server's variable, a boolean of one byte; any moment's value will do.
    !ends.is_null() && unsafe { ptr::read_volatile(ends) } != 0
}

/// Makes this thread one that may call the server's functions.
///
/// # Errors
/// The server refused.
pub fn init() -> Result<(), HostError> {
    let start = symbols::require(c"my_thread_init")?;
    // SAFETY: the function of that name in mysys; it may be called again on the same thread.
    match unsafe { transmute::<*mut c_void, unsafe extern "C" fn() -> c_char>(start)() } {
        0 => Ok(()),
        code => Err(HostError::Thread("the server", code.into())),
    }
}

/// Undoes [`init`]; the thread's sessions are closed.
pub fn end() {
    let end = symbols::find(c"my_thread_end");
    if !end.is_null() {
        // SAFETY: the function of that name in mysys, on a thread that was initialised.
        unsafe { transmute::<*mut c_void, unsafe extern "C" fn()>(end)() };
    }
}

/// One more connection that the server waits for when it shuts down, until this is dropped.
struct Counted(&'static AtomicU32);

impl Counted {
    fn new() -> Result<Counted, HostError> {
        let count = symbols::require(c"_ZN9THD_count5countE")?.cast::<u32>();
        // SAFETY: `THD_count::count` of the server, an atomic counter of 32 bits that lives as long as the process.
        let counted = Counted(unsafe { AtomicU32::from_ptr(count) });
        counted.0.fetch_add(1, Ordering::Relaxed);
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room for a `THD` of any release, in words.
const THD_WORDS: usize = 1 << 14;

/// Where a `THD` keeps a word that an accessor of the plugin API returns, in bytes. The accessor itself tells: it is shown memory in which
/// each word says where it stands. `None`: it does not read one word and return it.
fn offset_of(accessor: &CStr) -> Option<usize> {
    let get = symbols::find(accessor);
    if get.is_null() {
        return None;
    }
    let words: Vec<u64> = (0..THD_WORDS as u64).map(|word| word * 8).collect();
    // SAFETY: a function of the plugin API that reads one member of the `THD` it is given and writes nothing.
    let offset = unsafe {
        type Get = unsafe extern "C" fn(*const c_void) -> u64;
        transmute::<*mut c_void, Get>(get)(words.as_ptr().cast()) as usize
    };
    (offset > 0 && offset.is_multiple_of(8) && offset < THD_WORDS * 8).then_some(offset)
}

/// The numbers that the server gives to its own threads and statements, and that nobody gives to those in the background.
#[derive(Clone, Copy)]
struct Numbers {
    thread: usize,
    query: usize,
    next_thread: unsafe extern "C" fn() -> u64,
    next_query: &'static AtomicU64,
}

impl Numbers {
    /// `None`: this server does not show where they are.
    fn find() -> Option<Numbers> {
        static FOUND: OnceLock<Option<Numbers>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let (next_thread, next_query) =
                (symbols::find(c"_Z14next_thread_idv"), symbols::find(c"global_query_id").cast::<u64>());
            if next_thread.is_null() || next_query.is_null() {
                return None;
            }
            // SAFETY: the server's function of that signature, and its atomic counter of 64 bits.
            let (next_thread, next_query) = unsafe {
                let next_thread = transmute::<*mut c_void, unsafe extern "C" fn() -> u64>(next_thread);
                (next_thread, AtomicU64::from_ptr(next_query))
            };
            let (thread, query) = (offset_of(c"thd_get_thread_id")?, offset_of(c"thd_query_id")?);
            Some(Numbers { thread, query, next_thread, next_query })
        })
    }
}

/// The server's state of the thread that made this, attached to it until it is dropped.
pub struct Thd {
    raw: *mut c_void,
    numbers: Option<Numbers>,
    killed: unsafe extern "C" fn(*const c_void) -> c_int,
    destroy: unsafe extern "C" fn(*mut c_void),
    kind: Kind,
}

/// Where a state comes from.
enum Kind {
    /// Of a thread in the background, unknown to the rest of the server. The thread has lost what it had `before`, and the server may
    /// go on shutting down once the count is back.
    Background { before: *mut c_void, detach: unsafe extern "C" fn(*mut c_void), _counted: Counted },
    /// Among the server's connections, which counts and numbers it.
    Listed,
}

impl Thd {
    /// Makes one for this thread, which was initialised and has none.
    ///
    /// # Errors
    /// The server does not export what this needs.
    pub fn attach() -> Result<Thd, HostError> {
        let create = symbols::require(c"_Z21create_background_thdv")?;
        let attach = symbols::require(c"_Z14thd_attach_thdP3THD")?;
        let detach = symbols::require(c"_Z14thd_detach_thdPv")?;
        let destroy = symbols::require(c"_Z22destroy_background_thdP3THD")?;
        let (lex_start, killed) = Thd::common()?;
        let _counted = Counted::new()?;
        // SAFETY: the server's functions of these names, with the signatures that the names encode.
        unsafe {
            let raw = transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(create)();
            if raw.is_null() {
                return Err(HostError::NoMemory);
            }
            let before = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> *mut c_void>(attach)(raw);
            lex_start(raw);
            let numbers = Numbers::find();
            if let Some(numbers) = numbers {
                // The server names the temporary tables of statements by it.
                raw.byte_add(numbers.thread).cast::<u64>().write((numbers.next_thread)());
            }
            let detach = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(detach);
            let destroy = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(destroy);
            Ok(Thd { raw, numbers, killed, destroy, kind: Kind::Background { before, detach, _counted } })
        }
    }

    /// The same, for one that the rest of the server sees among its connections: it can be found by its number, and killed.
    ///
    /// # Errors
    /// The server does not export what this needs.
    pub fn attach_listed() -> Result<Thd, HostError> {
        let create = symbols::require(c"_Z10create_thdv")?;
        let destroy = symbols::require(c"_Z11destroy_thdP3THD")?;
        let (lex_start, killed) = Thd::common()?;
        let numbers =
            Some(Numbers::find().ok_or(HostError::Layout("this server does not number the daemon's threads"))?);
        // SAFETY: as above. It becomes the thread's own, and is so until it is destroyed.
        unsafe {
            let raw = transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(create)();
            if raw.is_null() {
                return Err(HostError::NoMemory);
            }
            lex_start(raw);
            let destroy = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(destroy);
            Ok(Thd { raw, numbers, killed, destroy, kind: Kind::Listed })
        }
    }

    /// What both kinds need.
    #[allow(clippy::type_complexity, reason = "two signatures of the server's")]
    fn common() -> Result<(unsafe extern "C" fn(*mut c_void), unsafe extern "C" fn(*const c_void) -> c_int), HostError>
    {
        let lex_start = symbols::require(c"_Z9lex_startP3THD")?;
        let killed = symbols::require(c"thd_killed")?;
        // SAFETY: the server's functions of these names and signatures.
        unsafe {
            Ok((
                transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(lex_start),
                transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(killed),
            ))
        }
    }

    /// The address.
    pub fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// The number that the server knows the thread by.
    pub fn number(&self) -> Option<u64> {
        // SAFETY: the member that its accessor reads, of 64 bits, in a state that is this thread's.
        self.numbers.as_ref().map(|numbers| unsafe { self.raw.byte_add(numbers.thread).cast::<u64>().read() })
    }

    /// Whether its statements may run beside those of other threads of ours: they can be told apart.
    pub fn is_numbered(&self) -> bool {
        self.numbers.is_some()
    }

    /// A statement begins: what the one before warned of is no longer of interest. Returns its number, 0 where it has none.
    pub fn next_query(&self) -> u64 {
        let Some(numbers) = &self.numbers else { return 0 };
        let number = numbers.next_query.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the member that its accessor reads, of 64 bits, in a state that is this thread's.
        unsafe { self.raw.byte_add(numbers.query).cast::<u64>().write(number) };
        number
    }

    /// Whether somebody killed it or its statement.
    pub fn is_killed(&self) -> bool {
        // SAFETY: the plugin API's function, and a state that lives.
        unsafe { (self.killed)(self.raw) != 0 }
    }
}

impl Drop for Thd {
    fn drop(&mut self) {
        // SAFETY: attached to this thread, and nobody uses it any more.
        unsafe {
            if let Kind::Background { before, detach, .. } = &self.kind {
                detach(*before);
            }
            (self.destroy)(self.raw);
        }
    }
}
