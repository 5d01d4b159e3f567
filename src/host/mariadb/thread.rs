//! The server's state of our threads.
//!
//! A session runs on a `THD` of its own, the kind that the server gives its background threads. The server does not wait for those
//! when it shuts down, yet InnoDB must not go while one has a transaction: so each is counted among the server's connections until it
//! is gone. Workers see `abort_loop` and leave; then the server goes on.

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
pub fn init() -> Result<(), String> {
    let start = symbols::require(c"my_thread_init")?;
    // SAFETY: the function of that name in mysys; it may be called again on the same thread.
    match unsafe { transmute::<*mut c_void, unsafe extern "C" fn() -> c_char>(start)() } {
        0 => Ok(()),
        code => Err(format!("the server refused a thread of the daemon with code {code}")),
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
    fn new() -> Result<Counted, String> {
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

/// The numbers that the server gives to its own threads and statements, and that nobody gives to ours.
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
    /// What the thread had instead.
    before: *mut c_void,
    numbers: Option<Numbers>,
    detach: unsafe extern "C" fn(*mut c_void),
    destroy: unsafe extern "C" fn(*mut c_void),
    killed: unsafe extern "C" fn(*const c_void) -> c_int,
    // Declared last: the server may go on once nothing of this is left.
    _counted: Counted,
}

impl Thd {
    /// Makes one for this thread, which was initialised and has none.
    ///
    /// # Errors
    /// The server does not export what this needs.
    pub fn attach() -> Result<Thd, String> {
        let create = symbols::require(c"_Z21create_background_thdv")?;
        let attach = symbols::require(c"_Z14thd_attach_thdP3THD")?;
        let detach = symbols::require(c"_Z14thd_detach_thdPv")?;
        let destroy = symbols::require(c"_Z22destroy_background_thdP3THD")?;
        let lex_start = symbols::require(c"_Z9lex_startP3THD")?;
        let killed = symbols::require(c"thd_killed")?;
        let _counted = Counted::new()?;
        // SAFETY: the server's functions of these names, with the signatures that the names encode.
        unsafe {
            let raw = transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(create)();
            if raw.is_null() {
                return Err("the server has no memory for a session of the daemon".into());
            }
            let before = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> *mut c_void>(attach)(raw);
            transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(lex_start)(raw);
            let numbers = Numbers::find();
            if let Some(numbers) = numbers {
                // The server names the temporary tables of statements by it.
                raw.byte_add(numbers.thread).cast::<u64>().write((numbers.next_thread)());
            }
            let detach = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(detach);
            let destroy = transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(destroy);
            let killed = transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(killed);
            Ok(Thd { raw, before, numbers, detach, destroy, killed, _counted })
        }
    }

    /// The address.
    pub fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// Whether its statements may run beside those of other threads of ours: they can be told apart.
    pub fn is_numbered(&self) -> bool {
        self.numbers.is_some()
    }

    /// A statement begins: what the one before warned of is no longer of interest.
    pub fn next_query(&self) {
        if let Some(numbers) = &self.numbers {
            let number = numbers.next_query.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the member that its accessor reads, of 64 bits, in a state that is this thread's.
            unsafe { self.raw.byte_add(numbers.query).cast::<u64>().write(number) };
        }
    }

    /// Whether somebody killed it or its statement.
    pub fn is_killed(&self) -> bool {
        // SAFETY: the plugin API's function, and a state that lives.
        unsafe { (self.killed)(self.raw) != 0 }
    }
}

impl Drop for Thd {
    fn drop(&mut self) {
        // SAFETY: attached to this thread by `attach`, and nobody uses it any more.
        unsafe {
            (self.detach)(self.before);
            (self.destroy)(self.raw);
        }
    }
}
