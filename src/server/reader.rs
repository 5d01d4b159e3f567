//! The thread that reads the configuration of containers, when [`Mapping`](super::mapping::Mapping) has orders for it, and what the daemon
//! does about a configuration that is another one now.

use super::mapping::{Begun, Order, ReloadError};
use super::shared::Shared;
use crate::boundary::catch;
use crate::host::{Host, HostError, RowSession};
use crate::rows::{Rows, TableSize};
use crate::store::{Config, ConfigError, Rules, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the order to reload waits until it is carried out.
const ORDER_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks at whether all workers have taken a configuration over.
const LOOK: Duration = Duration::from_millis(2);

/// How long what the host is to other servers is taken for what it was.
const ROLE_LASTS: Duration = Duration::from_secs(1);

impl Shared {
    /// Reads the containers again, and returns when no worker uses the old ones any more.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub fn reload(&self) -> Result<(), ReloadError> {
        let until = Instant::now() + ORDER_PATIENCE;
        let outcome = self.mapping.reload(ORDER_PATIENCE);
        while !self.mapping.is_taken() && !self.stopping() {
            if Instant::now() >= until {
                return outcome.and(Err(ReloadError::WorkersBusy));
            }
            std::thread::sleep(LOOK);
        }
        outcome
    }

    /// The containers that serve nobody, each with the rule that its row breaks.
    pub fn refused_containers(&self) -> String {
        self.mapping.newest().refused().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Makes `known`, of which some container does not suit its table, the newest configuration, and that of `store`. `true`: it was
    /// the newest, and was read anew, unless reading it did not help a moment ago or takes long.
    pub fn follow_table<R: Rows>(&self, known: &mut Arc<Config>, store: &mut Store<R>) -> bool {
        let was_newest = Arc::ptr_eq(&self.mapping.newest(), known);
        if was_newest {
            self.mapping.mend_and_wait();
        }
        *known = self.mapping.newest();
        store.set_config(Arc::clone(known));
        was_newest
    }

    /// A client was told that a table does not suit its container. Ticks do not read it anew where batches are open.
    pub fn note_misfit(&self) {
        if self.batches() {
            self.mapping.mend();
        }
    }

    /// A table does not suit its container: the reader looks into it.
    pub fn mend_mapping(&self) {
        self.mapping.mend();
    }

    fn wake_workers(&self) {
        for mailbox in self.mailboxes.get().into_iter().flatten() {
            mailbox.wake();
        }
    }
}

/// Whether other servers change rows on the host's; `None`: it did not say. Asked on a thread of its own, which may have a session of the
/// host beside the one of this thread.
pub fn rows_are_replicated(host: &Host) -> Option<bool> {
    if !host.writes_in_sql() {
        return Some(false);
    }
    let role = std::thread::scope(|scope| {
        // It inherits that all signals are blocked.
        let thread = std::thread::Builder::new().name("memcached-role".into());
        thread.spawn_scoped(scope, || host.replication_role()).ok()?.join().ok()
    });
    match role? {
        "primary" => Some(false),
        "unknown" => None,
        _ => Some(true),
    }
}

/// The body of the thread: carries orders out until the daemon stops.
pub fn run(shared: &Shared) {
    let attached = shared.host.attach_thread();
    let mut reader = Reader { shared, session: None, retired: Vec::new(), asked: None };
    while !shared.stopping() {
        if let Err(error) = &attached {
            // Whoever orders is told so.
            reader.refuse(ReloadError::NoSession(error.clone()));
            continue;
        }
        if let Err(defect) = catch(|| reader.step()) {
            log::error!("DM1422: the reader of the configuration: {defect}; it goes on");
            reader.session = None;
            reader.refuse(ReloadError::Defect);
        }
    }
}

/// The thread's state.
struct Reader<'s> {
    shared: &'s Shared,
    session: Option<RowSession>,
    /// Numbers of old mappings, for memory to forget.
    retired: Vec<u32>,
    /// When the host was last asked whether rows are replicated to it.
    asked: Option<Instant>,
}

impl Reader<'_> {
    /// Carries the next orders out, or waits for some.
    fn step(&mut self) {
        let (shared, mapping) = (self.shared, &self.shared.mapping);
        if !self.retired.is_empty() && mapping.is_taken() {
            self.retired.drain(..).for_each(|number| shared.memory.flush(number));
        }
        if let Some(session) = &mut self.session {
            session.check_session();
        }
        self.ask_about_replication();
        let Some(Begun { number, order, measure }) = mapping.begin(|| shared.stopping()) else { return };
        match order {
            Order::Everything => {
                let (outcome, helped) = self.read_everything();
                self.measure(measure);
                mapping.end_of_everything(number, outcome, helped);
            }
            Order::Names(names) => {
                self.read_names(&names);
                self.measure(measure);
                mapping.end_of_names(number, names);
            }
        }
    }

    /// Where memory stands in front of tables, the host may begin or cease to be one on which other servers change rows.
    fn ask_about_replication(&mut self) {
        let newest = self.shared.mapping.newest();
        if !newest.policies.cache_rows() || self.asked.is_some_and(|asked| asked.elapsed() < ROLE_LASTS) {
            return;
        }
        self.asked = Some(Instant::now());
        let Some(replicated) = rows_are_replicated(&self.shared.host) else { return };
        if replicated != newest.rules.replicated {
            let rules = Rules { replicated, ..newest.rules };
            match self.read(|session| Config::load(session, rules, Some(&newest))) {
                Ok(config) => self.publish(&newest, config),
                Err(error) => self.shared.complain(|| format!("DM1439: {error}")),
            }
        }
    }

    /// Finds out how large the tables are. What is not found out stays as it was.
    fn measure(&mut self, wanted: bool) {
        if !wanted {
            return;
        }
        let shared = self.shared;
        let config = shared.mapping.newest();
        let measured = self.session().map_err(|error| error.to_string()).and_then(|session| {
            let mut all = TableSize::default();
            for path in config.tables_with_items() {
                let size = session.size(path).map_err(|error| error.to_string())?.unwrap_or_default();
                (all.rows, all.bytes) = (all.rows + size.rows, all.bytes + size.bytes);
            }
            Ok(all)
        });
        match measured {
            Ok(all) => shared.sizes.note(all),
            Err(error) => shared.complain(|| format!("DM1442: curr_items and bytes stay as they were: {error}")),
        }
    }

    /// What is ordered cannot be done.
    fn refuse(&mut self, reason: ReloadError) {
        if let Some(Begun { number, .. }) = self.shared.mapping.begin(|| self.shared.stopping()) {
            self.shared.mapping.end_of_everything(number, Err(reason), false);
        }
    }

    fn session(&mut self) -> Result<&mut RowSession, HostError> {
        match self.session {
            Some(ref mut session) => Ok(session),
            None => Ok(self.session.insert(self.shared.host.session()?)),
        }
    }

    /// Reads with a session; once more where a lock was in the way, which may belong to a batch that a worker keeps open.
    fn read<T>(&mut self, read: impl Fn(&mut RowSession) -> Result<T, ConfigError>) -> Result<T, ReloadError> {
        let shared = self.shared;
        let session = self.session().map_err(ReloadError::NoSession)?;
        match read(session) {
            Err(ConfigError::Table(_, error)) if error.aborts() && shared.batches() => {
                shared.commit_batches();
                read(session).map_err(ReloadError::Unusable)
            }
            other => other.map_err(ReloadError::Unusable),
        }
    }

    /// What becomes of the order, and whether anything is another than before.
    fn read_everything(&mut self) -> (Result<(), ReloadError>, bool) {
        let before = self.shared.mapping.newest();
        let config = match self.read(|session| Config::load(session, before.rules, Some(&before))) {
            Ok(config) => config,
            Err(error) => {
                self.shared.complain(|| format!("DM1439: {error}"));
                return (Err(error), false);
            }
        };
        let outcome = config.verdict().map_err(ReloadError::Rows);
        let helped = !config.is_same_as(&before);
        if helped {
            log::info!("DM1423: the containers were read again");
            self.publish(&before, config);
        }
        (outcome, helped)
    }

    fn read_names(&mut self, names: &[Vec<u8>]) {
        if names.is_empty() {
            return;
        }
        let before = self.shared.mapping.newest();
        match self.read(|session| before.with_new(session, names)) {
            Ok(Some(config)) => self.publish(&before, config),
            Ok(None) => {}
            Err(error) => self.shared.complain(|| format!("DM1439: {error}")),
        }
    }

    fn publish(&mut self, before: &Config, config: Config) {
        let kept: Vec<u32> = config.memory_numbers().collect();
        self.retired.extend(before.memory_numbers().filter(|number| !kept.contains(number)));
        self.shared.mapping.publish(config);
        self.shared.wake_workers();
    }
}
