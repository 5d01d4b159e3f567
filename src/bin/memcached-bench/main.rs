//! `memcached-bench`: servers of the memcached protocol side by side, in one interleaved run.
//!
//! Every workload is run on each server in turn, round after round (A B C A B C ...), so that what else the machine does
//! falls on all of them. Servers live on one core and this program on another. A reply is checked before it counts.
//!
//! `workload` says what is asked, `client` asks it, `peers` starts the servers, `machine` reads CPU times, `report` adds up.

mod client;
mod machine;
mod options;
mod peers;
mod report;
mod workload;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use client::{Client, ask};
use machine::{CLIENT_CORE, Cpu, SERVER_CORE, cpu_of, pin};
use options::Options;
use peers::Server;
use report::{Cell, Round};
use workload::{Encoder, Keys, Operation, Workload};

const SEED: u64 = 0x5EED;
const WARM: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("memcached-bench: {message}");
            return ExitCode::FAILURE;
        }
    };
    let folder = options.folder.join(format!("memcached-bench.{}", std::process::id()));
    let result = measure(&options, &folder);
    // The servers have ended; nothing of theirs is wanted any more.
    let _ = fs::remove_dir_all(&folder);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("memcached-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options, folder: &std::path::Path) -> Result<(), String> {
    // Children inherit the core.
    pin(0, SERVER_CORE)?;
    let servers = if options.servers.is_empty() {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        peers::start_all(folder, options.memcached.as_deref(), options.threads)?
    } else {
        options.servers.iter().map(|s| peers::attach(s)).collect::<Result<_, _>>()?
    };
    if servers.is_empty() {
        return Err("there is no server to measure".to_owned());
    }
    pin(0, CLIENT_CORE)?;
    let mut lengths: Vec<usize> = options.workloads.iter().map(|w| w.value).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for server in &servers {
        for &length in &lengths {
            preload(server, length, options.keys).map_err(|e| format!("{}: preload: {e}", server.name))?;
        }
    }
    let mut rows = Vec::new();
    for (at, workload) in options.workloads.iter().enumerate() {
        eprint!("[{}/{}] {:14}", at + 1, options.workloads.len(), workload.name);
        rows.push((*workload, run_workload(options, workload, &servers)?));
        eprintln!();
    }
    report::print(&servers, &rows);
    if options.write {
        report::write(options, &servers, &rows)?;
    }
    Ok(())
}

fn preload(server: &Server, length: usize, keys: u32) -> Result<(), String> {
    let encoder = Encoder::new(server.dialect, length);
    for first in (0..keys).step_by(100) {
        let mut out = Vec::new();
        let expect: Vec<_> = (first..keys.min(first + 100)).map(|key| encoder.set(&mut out, key)).collect();
        ask(server.address, &out, &expect)?;
    }
    Ok(())
}

/// All rounds of one workload, a cell for each server.
fn run_workload(options: &Options, workload: &Workload, servers: &[Server]) -> Result<Vec<Cell>, String> {
    let mut clients = Vec::new();
    for server in servers {
        let client = Client::connect(server.address, Encoder::new(server.dialect, workload.value), *workload);
        clients.push(client.map_err(|e| format!("{}: {e}", server.name))?);
    }
    let mut cells: Vec<Cell> = servers.iter().map(|_| Cell::default()).collect();
    let mut ends: Vec<Option<Cpu>> = vec![None; servers.len()];
    for round in 0..options.rounds {
        eprint!(" {}", round + 1);
        // The same keys for every server of a round.
        let seed = SEED + round as u64;
        for (at, (server, client)) in servers.iter().zip(&mut clients).enumerate() {
            let (Some(cell), Some(end)) = (cells.get_mut(at), ends.get_mut(at)) else { continue };
            if let Some(end) = end {
                cell.background += cpu_of(server.pid)?.total - end.total;
            }
            let mut keys = Keys::new(options.keys, seed);
            let round = run_round(options, workload, server, client, &mut keys);
            let (round, last) = round.map_err(|e| format!("{}, {}: {e}", server.name, workload.name))?;
            cell.rounds.push(round);
            *end = Some(last);
        }
    }
    Ok(cells)
}

/// One server, one stretch of time. Returns the CPU time at the end of the stretch, too.
fn run_round(
    options: &Options,
    workload: &Workload,
    server: &Server,
    client: &mut Client,
    keys: &mut Keys,
) -> Result<(Round, Cpu), String> {
    let encoder = Encoder::new(server.dialect, workload.value);
    let counting = workload.operation == Operation::Incr;
    if counting {
        let mut out = Vec::new();
        let expect = encoder.reset_counter(&mut out);
        ask(server.address, &out, &[expect])?;
    }
    let mut marks: Vec<Cpu> = Vec::with_capacity(2);
    let (sample, total) = client.run(keys, WARM, options.seconds, || {
        marks.push(cpu_of(server.pid)?);
        Ok(())
    })?;
    if counting {
        let mut out = Vec::new();
        let expect = encoder.incr(&mut out, 0);
        let reply = String::from_utf8_lossy(&ask(server.address, &out, &[expect])?).into_owned();
        let value: Option<u64> = reply.trim().trim_start_matches(':').parse().ok();
        if value != Some(total) {
            return Err(format!("{total} increments were acknowledged, the counter is {}", reply.trim()));
        }
    }
    let &[start, end] = marks.as_slice() else { return Err("the stretch was not measured".to_owned()) };
    Ok((Round::new(sample, start, end), cpu_of(server.pid)?))
}
