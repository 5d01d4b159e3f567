//! The library as a database server uses it: loaded by name, called through the interface of loadable functions.

use crate::common::{self, lock};
use daemon_memcached::udf::call::{UdfArgs, UdfInit};
use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// An argument as SQL has it.
#[derive(Clone, Debug)]
pub enum Arg {
    Null,
    Bytes(Vec<u8>),
    Integer(i64),
    /// Bytes that are no constant: `_init` sees nothing of them.
    Column(Vec<u8>),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Arg {
        Arg::Bytes(text.as_bytes().to_vec())
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Arg {
        Arg::Integer(number)
    }
}

/// A function's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
}

impl Answer {
    pub fn text(&self) -> String {
        match self {
            Answer::Null => "NULL".to_owned(),
            Answer::Integer(number) => number.to_string(),
            Answer::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

fn open(path: &Path, flags: c_int) -> usize {
    let name = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: loads a library that this package built.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    assert!(!handle.is_null(), "cannot load {}", path.display());
    handle as usize
}

fn symbol(handle: usize, name: &str) -> *mut c_void {
    let name = CString::new(name).unwrap();
    // SAFETY: a handle that `open` gave.
    let address = unsafe { libc::dlsym(handle as *mut c_void, name.as_ptr()) };
    assert!(!address.is_null(), "no {name:?}");
    address
}

/// What the library looks for in its process; it looks once, so this comes first.
fn server() -> usize {
    static SERVER: OnceLock<usize> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.so");
        common::cc(&["-shared", "-fPIC", "tests/c/udf_server.c"], &path);
        open(&path, libc::RTLD_NOW | libc::RTLD_GLOBAL)
    })
}

/// Whether the statement of every thread is killed.
pub fn set_killed(killed: bool) {
    let address = symbol(server(), "udf_killed").cast::<c_int>();
    // SAFETY: an int that is only used atomically.
    unsafe { std::sync::atomic::AtomicI32::from_ptr(address) }
        .store(c_int::from(killed), std::sync::atomic::Ordering::SeqCst);
}

/// The message that failed the last statement; forgotten when it is read.
pub fn take_message() -> String {
    let address = symbol(server(), "udf_message").cast::<c_char>();
    // SAFETY: text with its end, written by functions that this thread called.
    unsafe {
        let text = CStr::from_ptr(address).to_string_lossy().into_owned();
        *address = 0;
        text
    }
}

/// The library; the client in it is one for the process, so tests take turns.
pub struct Library {
    handle: usize,
    _turn: MutexGuard<'static, ()>,
}

/// One function for the rows of one statement.
pub struct Statement<'l> {
    library: &'l Library,
    name: &'l str,
    init: UdfInit,
    types: Vec<c_int>,
}

const STRING: c_int = 0;
const INTEGER: c_int = 2;

impl Library {
    /// With these servers, and behaviours as they are at first.
    pub fn with(servers: &str) -> Library {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = lock(&TURN);
        set_killed(false);
        let library = Library {
            handle: open(&common::library_folder().join("libdaemon_memcached.so"), libc::RTLD_NOW),
            _turn: turn,
        };
        for (name, value) in [
            ("KETAMA_WEIGHTED", "1"),
            ("POLL_TIMEOUT", "20000"),
            ("CONNECT_TIMEOUT", "20000"),
            ("RETRY_TIMEOUT", "2"),
            ("DEAD_TIMEOUT", "10"),
            ("SERVER_FAILURE_LIMIT", "2"),
            ("SERVER_TIMEOUT_LIMIT", "3"),
            ("AUTO_EJECT_HOSTS", "0"),
            ("BINARY_PROTOCOL", "0"),
            ("FAIL_STATEMENTS", "0"),
            ("SORT_HOSTS", "0"),
            ("SASL_USER", ""),
            ("SASL_PASSWORD", ""),
        ] {
            library.behave(name, value);
        }
        // Servers keep their state while they are listed.
        library.number("memc_servers_set", &["".into()]);
        assert_eq!(library.number("memc_servers_set", &[servers.into()]), 0);
        library
    }

    pub fn behave(&self, name: &str, value: &str) {
        assert_eq!(self.number("memc_behavior_set", &[name.into(), value.into()]), 0, "{name} {value}");
    }

    pub fn statement<'l>(&'l self, name: &'l str, args: &[Arg]) -> Result<Statement<'l>, String> {
        type Init = unsafe extern "C" fn(*mut UdfInit, *mut UdfArgs, *mut c_char) -> bool;
        let init = UdfInit {
            maybe_null: false,
            decimals: 31,
            max_length: 0,
            ptr: std::ptr::null_mut(),
            const_item: true,
            extension: std::ptr::null_mut(),
        };
        let types = args.iter().map(|arg| if matches!(arg, Arg::Integer(_)) { INTEGER } else { STRING }).collect();
        let mut statement = Statement { library: self, name, init, types };
        let constants: Vec<Arg> =
            args.iter().map(|arg| if matches!(arg, Arg::Column(_)) { Arg::Null } else { arg.clone() }).collect();
        let mut message = [1 as c_char; 512];
        // SAFETY: the function has this signature.
        let call: Init = unsafe { std::mem::transmute(symbol(self.handle, &format!("{name}_init"))) };
        let mut fixed = statement.types.clone();
        // SAFETY: structures as the interface has them, valid for the call.
        let refused = with_args(
            &constants,
            &mut fixed,
            |args, init| unsafe { call(init, args, message.as_mut_ptr()) },
            &mut statement.init,
        );
        statement.types = fixed;
        if refused {
            // SAFETY: a refusal leaves a text with its end.
            return Err(unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy().into_owned());
        }
        assert!(statement.init.maybe_null && !statement.init.const_item, "{name}");
        Ok(statement)
    }

    /// One call in a statement of its own.
    pub fn call(&self, name: &str, args: &[Arg]) -> Result<Answer, String> {
        self.statement(name, args).map(|mut statement| statement.row(args))
    }

    #[track_caller]
    pub fn number(&self, name: &str, args: &[Arg]) -> i64 {
        match self.call(name, args) {
            Ok(Answer::Integer(number)) => number,
            other => panic!("{name} {args:?}: {other:?}"),
        }
    }

    /// The value as text, or the message.
    pub fn text(&self, name: &str, args: &[Arg]) -> String {
        self.call(name, args).map_or_else(|e| e, |answer| answer.text())
    }
}

/// Calls with arguments converted to the types that `_init` asked for.
fn with_args<T>(
    args: &[Arg],
    types: &mut [c_int],
    body: impl FnOnce(*mut UdfArgs, *mut UdfInit) -> T,
    init: &mut UdfInit,
) -> T {
    let held: Vec<Option<Vec<u8>>> = args
        .iter()
        .zip(&*types)
        .map(|(arg, &kind)| match (arg, kind) {
            (Arg::Null, _) => None,
            (Arg::Integer(number), INTEGER) => Some(number.to_ne_bytes().to_vec()),
            (Arg::Integer(number), _) => Some(number.to_string().into_bytes()),
            (Arg::Bytes(bytes) | Arg::Column(bytes), INTEGER) => {
                let number: i64 = String::from_utf8_lossy(bytes).parse().unwrap_or(0);
                Some(number.to_ne_bytes().to_vec())
            }
            (Arg::Bytes(bytes) | Arg::Column(bytes), _) => Some(bytes.clone()),
        })
        .collect();
    let mut values: Vec<*mut c_char> = held
        .iter()
        .map(|bytes| bytes.as_ref().map_or(std::ptr::null_mut(), |b| b.as_ptr().cast_mut().cast()))
        .collect();
    let mut lengths: Vec<c_ulong> = held.iter().map(|bytes| bytes.as_ref().map_or(0, Vec::len) as c_ulong).collect();
    let mut structure = UdfArgs {
        arg_count: args.len() as u32,
        arg_type: types.as_mut_ptr(),
        args: values.as_mut_ptr(),
        lengths: lengths.as_mut_ptr(),
        maybe_null: std::ptr::null_mut(),
        attributes: std::ptr::null_mut(),
        attribute_lengths: std::ptr::null_mut(),
        extension: std::ptr::null_mut(),
    };
    body(&raw mut structure, init)
}

/// Which functions return bytes; the others return integers.
fn returns_bytes(name: &str) -> bool {
    let name = name.trim_start_matches("memc_");
    matches!(
        name,
        "get" | "get_by_key" | "behavior_get" | "servers_behavior_get" | "udf_version" | "libmemcached_version"
    ) || name.starts_with("list_")
        || name.starts_with("stat")
}

impl Statement<'_> {
    pub fn row(&mut self, args: &[Arg]) -> Answer {
        type Integer = unsafe extern "C" fn(*mut UdfInit, *mut UdfArgs, *mut u8, *mut u8) -> i64;
        type Bytes = unsafe extern "C" fn(
            *mut UdfInit,
            *mut UdfArgs,
            *mut c_char,
            *mut c_ulong,
            *mut u8,
            *mut u8,
        ) -> *const c_char;
        let address = symbol(self.library.handle, self.name);
        let (mut null, mut error) = (0, 0);
        let mut types = self.types.clone();
        if !returns_bytes(self.name) {
            // SAFETY: the function has this signature; structures valid for the call.
            let number = with_args(
                args,
                &mut types,
                |args, init| unsafe {
                    std::mem::transmute::<*mut c_void, Integer>(address)(init, args, &raw mut null, &raw mut error)
                },
                &mut self.init,
            );
            return if null == 0 { Answer::Integer(number) } else { Answer::Null };
        }
        let (mut room, mut length) = ([0 as c_char; 255], 0);
        // SAFETY: the function has this signature; structures valid for the call.
        let bytes = with_args(
            args,
            &mut types,
            |args, init| unsafe {
                let call = std::mem::transmute::<*mut c_void, Bytes>(address);
                call(init, args, room.as_mut_ptr(), &raw mut length, &raw mut null, &raw mut error)
            },
            &mut self.init,
        );
        if null != 0 {
            return Answer::Null;
        }
        // SAFETY: the bytes stay until the next row.
        Answer::Bytes(unsafe { std::slice::from_raw_parts(bytes.cast(), length as usize) }.to_vec())
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        type Deinit = unsafe extern "C" fn(*mut UdfInit);
        // SAFETY: the function has this signature; `init` is as `_init` left it.
        unsafe {
            let call: Deinit = std::mem::transmute(symbol(self.library.handle, &format!("{}_deinit", self.name)));
            call(&raw mut self.init);
        }
        assert!(self.init.ptr.is_null());
    }
}
