//! `memcached-bench`: servers of the memcached protocol side by side, in one interleaved run.
//!
//! Every workload is run on each server in turn, round after round (A B C A B C ...), so that what else the machine does
//! falls on all of them. Servers live on one core and this program on another. A reply is checked before it counts.
//!
//! `workload` says what is asked, `client` asks it, `peers` starts the servers, `machine` reads CPU times, `report` adds up.

mod chart;
mod client;
mod compare;
mod encoder;
mod goals;
mod machine;
mod mariadb;
mod mysqld;
mod options;
mod peers;
mod pool;
mod report;
mod section;
mod sql;
mod subject;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::Client;
use encoder::Dialect;
use machine::{CLIENT_CORE, Cpu, SERVER_CORE, pin};
use options::Options;
use peers::Server;
use report::{Cell, Round, Row, Versions};
use workload::{Keys, Operation, Workload};

const NOTHING: &str =
    "there is nothing to measure: --list names the workloads, --only selects by a part of their names";
const SEED: u64 = 0x5EED;
const WARM: Duration = Duration::from_millis(50);
/// A server that does not know a request may say nothing at all.
const PROBE: Duration = Duration::from_secs(2);
/// Work behind the replies is waited for, no longer than this.
const SETTLE: Duration = Duration::from_millis(500);

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
    if let Some((before, after)) = &options.compare {
        return finish(compare(&options, before, after));
    }
    let folder = options.folder.join(format!("memcached-bench.{}", std::process::id()));
    let result = measure(&options, &folder);
    // The servers have ended; nothing of theirs is wanted any more.
    let _ = fs::remove_dir_all(&folder);
    finish(result)
}

fn finish(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("memcached-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Two runs that were kept.
fn compare(options: &Options, before: &str, after: &str) -> Result<(), String> {
    let (before, after) = (compare::load(before)?, compare::load(after)?);
    let pairs = compare::pairs(&before, &after);
    if pairs.is_empty() {
        return Err("the two runs have no workload on the same server in common".to_owned());
    }
    print!("{}", compare::lines(&pairs, false));
    let group = |(before, after): &(&compare::Figures, &compare::Figures)| chart::Group {
        label: before.workload.clone(),
        bars: vec![Some(before.rate()), Some(after.rate())],
    };
    let style = chart::Style { title: "Operations per second".to_owned(), scale: None };
    let groups: Vec<_> = pairs.iter().map(group).collect();
    write_chart(options, || chart::draw(&style, &["before", "after"], &groups))
}

fn write_chart(options: &Options, draw: impl FnOnce() -> String) -> Result<(), String> {
    match &options.chart {
        Some(path) => fs::write(path, draw()).map_err(|e| format!("{path}: {e}")),
        None => Ok(()),
    }
}

fn measure(options: &Options, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    if let Some(mib) = options.pool {
        return measure_pool(options, folder, mib);
    }
    let (versions, rows) = match &options.mysql {
        Some(tree) => measure_mysql(options, folder, tree)?,
        None => {
            let workloads = options.chosen(&workload::WORKLOADS);
            if workloads.is_empty() {
                return Err(NOTHING.to_owned());
            }
            let wanted = |name: &str| workloads.iter().any(|workload| workload.also.contains(&name));
            let servers = if let Some(change) = &options.change {
                on_server_core(|| peers::start_change(folder, change, options.threads))?
            } else if options.servers.is_empty() {
                on_server_core(|| peers::start_all(folder, options, wanted))?
            } else {
                options.servers.iter().map(|s| peers::attach(s)).collect::<Result<_, _>>()?
            };
            (versions(&servers), run(options, &workloads, &servers)?)
        }
    };
    if rows.is_empty() {
        return Err(NOTHING.to_owned());
    }
    report::print(&rows);
    if let Some(path) = &options.save {
        compare::save(path, &rows)?;
    }
    write_chart(options, || report::rates(&rows))?;
    if options.change.is_some() {
        let (before, after): (Vec<_>, Vec<_>) =
            compare::figures(&rows).into_iter().partition(|figures| figures.server == peers::BEFORE);
        print!("\n{}", compare::lines(&compare::pairs(&before, &after), true));
        return Ok(());
    }
    if !options.servers.is_empty() {
        return Ok(());
    }
    let goals: &[goals::Goal] = match &options.mysql {
        Some(_) if options.mariadb => &goals::MARIADB,
        Some(_) => &goals::MYSQL,
        None => &goals::PERFORMANCE,
    };
    print!("\n{}\n{}", report::syncs(&rows), goals::markdown(goals, &rows));
    if options.write {
        report::write(options, &versions, &rows)?;
    }
    Ok(())
}

/// The stage of `--pool`.
fn measure_pool(options: &Options, folder: &Path, mib: u32) -> Result<(), String> {
    let mut outcome = pool::Outcome::default();
    let measured = pool::measure(options, folder, mib, &mut outcome);
    if !outcome.rows.is_empty() {
        print!("{}", section::tables(&outcome));
    }
    measured?;
    if let Some(path) = &options.save {
        compare::save(path, &outcome.rows)?;
    }
    write_chart(options, || report::rates(&outcome.rows))?;
    if options.write { report::write_pool(&section::section(options, &outcome)) } else { Ok(()) }
}

/// The stages of `--mysql` or `--mariadb`: the server is started anew for each, memcached runs through all of them.
fn measure_mysql(options: &Options, folder: &Path, tree: &Path) -> Result<(Versions, Vec<Row>), String> {
    let plugin = match &options.plugin {
        Some(path) => path.clone(),
        None => {
            let program = std::env::current_exe().map_err(|e| e.to_string())?;
            // `cargo run` leaves the one beside the program as an earlier `cargo build` made it.
            let places =
                ["libdaemon_memcached.so", "deps/libdaemon_memcached.so"].map(|name| program.with_file_name(name));
            let built = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
            let newest = places.into_iter().filter(|path| built(path).is_some()).max_by_key(built);
            newest.ok_or("no libdaemon_memcached.so beside this program: cargo build --release, or --plugin PATH")?
        }
    };
    let memcached = match (&options.memcached, options.mariadb) {
        (Some(path), _) => path.clone(),
        (None, true) => "memcached".to_owned(),
        (None, false) => tree.join("usr/bin/memcached").to_string_lossy().into_owned(),
    };
    let mut all = Vec::new();
    let mut found = Vec::new();
    for stage in workload::MYSQL.iter().chain(options.mariadb.then_some(&workload::BY_SQL)) {
        let workloads = options.chosen(stage.workloads);
        if workloads.is_empty() {
            continue;
        }
        let data = mysqld::Folder::new(tree)?;
        let servers = on_server_core(|| {
            let mut servers = data.start(&plugin, stage.workers.unwrap_or(options.threads), stage.options)?;
            servers.push(peers::start_memcached(folder, "memcached", &memcached, options.threads, &[])?);
            Ok(servers)
        })?;
        found = versions(&servers);
        all.extend(run(options, &workloads, &servers)?);
    }
    Ok((found, all))
}

/// Children inherit the core.
fn on_server_core<T>(start: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    pin(0, SERVER_CORE)?;
    let started = start();
    pin(0, CLIENT_CORE)?;
    started
}

fn versions(servers: &[Server]) -> Versions {
    servers.iter().map(|server| (server.name.clone(), server.version.clone())).collect()
}

fn takes_part(workload: &Workload, server: &Server) -> bool {
    (!server.extra || workload.also.contains(&server.name.as_str())) && workload.asked_in(server.dialect).is_some()
}

/// Every workload on the servers that take part in it.
fn run(options: &Options, workloads: &[Workload], servers: &[Server]) -> Result<Vec<Row>, String> {
    for server in servers {
        let mut lengths: Vec<usize> =
            workloads.iter().filter(|workload| takes_part(workload, server)).map(|w| w.value).collect();
        lengths.sort_unstable();
        lengths.dedup();
        // Two ends of one table: it is filled once.
        let filled = servers.iter().any(|s| {
            s.dialect != server.dialect
                && s.address.ip() == server.address.ip()
                && s.pid.is_some()
                && s.pid == server.pid
                && s.table == server.table
        });
        if filled && server.dialect == Dialect::Sql {
            continue;
        }
        for length in lengths {
            preload(server, length, options.keys).map_err(|e| format!("{}: preload: {e}", server.name))?;
        }
    }
    let mut rows = Vec::new();
    for (at, workload) in workloads.iter().enumerate() {
        let servers: Vec<&Server> = servers.iter().filter(|server| takes_part(workload, server)).collect();
        eprint!("[{}/{}] {:22}", at + 1, workloads.len(), workload.name);
        rows.push(Row { workload: *workload, cells: run_workload(options, workload, &servers)? });
        eprintln!();
    }
    Ok(rows)
}

fn preload(server: &Server, length: usize, keys: u32) -> Result<(), String> {
    let mut link = server.open(server.dialect, length)?;
    for first in (0..keys).step_by(100) {
        link.ask(|encoder, out| (first..keys.min(first + 100)).map(|key| encoder.set(out, key)).collect())?;
    }
    Ok(())
}

/// A server in one workload.
struct Run<'s> {
    server: &'s Server,
    dialect: Dialect,
    /// `None`: the server does not know the dialect.
    client: Option<Client>,
    cell: Cell,
}

/// All rounds of one workload, a cell for each server.
fn run_workload(options: &Options, workload: &Workload, servers: &[&Server]) -> Result<Vec<Cell>, String> {
    let mut runs = Vec::new();
    for server in servers {
        let Some(dialect) = workload.asked_in(server.dialect) else { continue };
        let refused = if dialect == server.dialect { None } else { probe(server, dialect, workload.value).err() };
        let client = match refused {
            None => Some(Client::connect(server, dialect, *workload).map_err(|e| format!("{}: {e}", server.name))?),
            Some(refusal) => {
                eprint!(" ({} takes no part: {refusal})", server.name);
                None
            }
        };
        let cell = Cell { server: server.name.clone(), rounds: Vec::new(), background: 0 };
        runs.push(Run { server, dialect, client, cell });
    }
    for round in 0..options.rounds {
        eprint!(" {}", round + 1);
        // The same keys for every server of a round.
        let seed = SEED + round as u64;
        for run in &mut runs {
            let Some(client) = &mut run.client else { continue };
            let before = run.server.cpu()?.map(|cpu| cpu.total);
            let mut keys = Keys::new(options.keys, seed);
            let round = run_round(options, workload, run.server, run.dialect, client, &mut keys);
            let (round, measured) = round.map_err(|e| format!("{}, {}: {e}", run.server.name, workload.name))?;
            if workload.operation != Operation::Get || workload.writers > 0 {
                settle(run.server)?;
            }
            run.cell.rounds.push(round);
            if let (Some(before), Some(now)) = (before, run.server.cpu()?) {
                run.cell.background += now.total - before - measured;
            }
        }
    }
    Ok(runs.into_iter().map(|run| run.cell).collect())
}

/// Whether a server answers in a dialect that it need not know.
fn probe(server: &Server, dialect: Dialect, length: usize) -> Result<(), String> {
    let mut link = server.open(dialect, length)?;
    link.stream.set_read_timeout(Some(PROBE)).map_err(|e| e.to_string())?;
    link.ask(|encoder, out| vec![encoder.set(out, 0), encoder.get(out, &[0])]).map(drop)
}

/// Waits until a server does next to nothing: what it does behind its replies is not the next server's to pay.
fn settle(server: &Server) -> Result<(), String> {
    let Some(mut last) = server.cpu()?.map(|cpu| cpu.total) else { return Ok(()) };
    let end = Instant::now() + SETTLE;
    let window = Duration::from_millis(10);
    while Instant::now() < end {
        std::thread::sleep(window);
        let now = server.cpu()?.map_or(last, |cpu| cpu.total);
        if u128::from(now - last) < window.as_nanos() / 20 {
            break;
        }
        last = now;
    }
    Ok(())
}

/// One server, one stretch of time. Returns the CPU time in nanoseconds that the stretch took, too.
fn run_round(
    options: &Options,
    workload: &Workload,
    server: &Server,
    dialect: Dialect,
    client: &mut Client,
    keys: &mut Keys,
) -> Result<(Round, u64), String> {
    let counting = workload.operation == Operation::Incr;
    if counting {
        server.open(dialect, workload.value)?.ask(|encoder, out| vec![encoder.reset_counter(out)])?;
    }
    // Asked outside of the stretch: the answer takes CPU time.
    let syncs = || if workload.operation == Operation::Set { server.log_syncs() } else { None };
    let syncs_before = syncs();
    let mut marks: Vec<Option<Cpu>> = Vec::with_capacity(2);
    let (sample, total) = client.run(
        keys,
        (WARM, options.seconds),
        |_, _| false,
        || {
            marks.push(server.cpu()?);
            Ok(())
        },
    )?;
    if counting {
        let mut link = server.open(dialect, workload.value)?;
        let reply = link.ask(|encoder, out| vec![encoder.incr(out, 0)])?;
        if link.encoder.counter(&reply) != Some(total) {
            return Err(format!("{total} increments were acknowledged, the counter is {}", reply.escape_ascii()));
        }
    }
    let &[start, end] = marks.as_slice() else { return Err("the stretch was not measured".to_owned()) };
    let synced = syncs_before.and_then(|before| syncs()?.checked_sub(before)).filter(|&n| n > 0);
    let per_sync = synced.map_or(f64::NAN, |n| total as f64 / n as f64);
    let used = start.zip(end);
    Ok((Round::new(sample, used, per_sync), used.map_or(0, |(start, end)| end.total - start.total)))
}
