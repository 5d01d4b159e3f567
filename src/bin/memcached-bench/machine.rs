//! What the kernel is asked: cores, CPU time of other processes, signals, and what machine this is.

use std::fs;
use std::io::{self, Read};
use std::mem::{MaybeUninit, size_of};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The core of the servers.
pub const SERVER_CORE: usize = 0;
/// The core of this program while it makes load.
pub const CLIENT_CORE: usize = 1;

/// CPU time of a process, exited threads included.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// Nanoseconds, user and system, from the process's CPU clock.
    pub total: u64,
    /// Clock ticks in user mode; the kernel keeps the parts no finer.
    pub user_ticks: u64,
    /// Clock ticks in the kernel.
    pub system_ticks: u64,
}

/// Reads the CPU time of a process.
pub fn cpu_of(pid: u32) -> Result<Cpu, String> {
    let gone = || format!("process {pid} cannot be read: it has ended");
    let mut clock = 0;
    // SAFETY: `clock` is valid for writes during the call.
    if unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &mut clock) } != 0 {
        return Err(gone());
    }
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` is valid for writes; the result is looked at.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return Err(gone());
    }
    // SAFETY: zeroed is a valid timespec, and the call filled it.
    let time = unsafe { time.assume_init() };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| gone())?;
    // The name in parentheses may hold spaces; fields are counted behind it, utime is the 14th of all.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse().ok()).unwrap_or(0);
    let total = time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned();
    Ok(Cpu { total, user_ticks: ticks(11), system_ticks: ticks(12) })
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    /// What is in memory, files that it has mapped included.
    pub resident: u64,
    /// What is in memory and in no file.
    pub own: u64,
    /// The most that was resident.
    pub peak: u64,
}

/// Reads the memory of a process; `None` where it has ended.
pub fn memory_of(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    let bytes = |name| kib(name).map(|kib: u64| kib * 1024);
    Some(Memory { resident: bytes("VmRSS:")?, own: bytes("RssAnon:")?, peak: bytes("VmHWM:")? })
}

/// How often a process called `read` or `pread`, with what came of it or not. What it receives with `recv` is not counted.
pub fn reads_of(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok())
}

/// Reads all files of a folder, so that the operating system's cache has them: some systems take out what was not read for minutes, and
/// then a read of a file costs what the disk does. What goes away meanwhile is nobody's loss, nor is what a file of holes has behind as many
/// bytes as it takes.
pub fn warm(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => warm(&entry.path()),
            Ok(kind) if kind.is_file() => {
                let (Ok(about), Ok(file)) = (entry.metadata(), fs::File::open(entry.path())) else { continue };
                let _ = io::copy(&mut file.take(about.blocks() * 512), &mut io::sink());
            }
            _ => {}
        }
    }
}

/// Puts a thread (0: the caller, and what it starts from then on) on one core.
pub fn pin(thread: u32, core: usize) -> Result<(), String> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: a zeroed cpu_set_t is the empty set, `core` is below its size, and the pointer lives through both calls.
    let result = unsafe {
        libc::CPU_SET(core, &mut *set.as_mut_ptr());
        libc::sched_setaffinity(thread.cast_signed(), size_of::<libc::cpu_set_t>(), set.as_ptr())
    };
    if result == 0 {
        return Ok(());
    }
    Err(format!("core {core} cannot be used: {}", std::io::Error::last_os_error()))
}

/// Puts every thread of a running process on the servers' core.
pub fn pin_process(pid: u32) -> Result<(), String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|e| format!("process {pid}: {e}"))?;
    for task in tasks.flatten() {
        if let Ok(thread) = task.file_name().to_string_lossy().parse() {
            pin(thread, SERVER_CORE)?;
        }
    }
    Ok(())
}

/// SIGTERM to a child that was not waited for yet, so the id is still its own.
pub fn terminate(pid: u32) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) };
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    // SAFETY: the call has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// CPU model, cores and kernel in one line.
pub fn describe() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": ")).map_or("", |m| m.1);
    let cores = info.lines().filter(|l| l.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
