//! What the DBA set for the daemon's sessions.

/// What the DBA set for sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// Whether our writes go to the binary log.
    pub binlog: bool,
    /// Seconds that a session waits for a lock.
    pub lock_wait_timeout: u32,
    /// Whether a series that was not tested is accepted.
    pub allow_untested: bool,
    /// Whether MariaDB's rows may be read below SQL.
    pub handler_reads: bool,
}

impl SessionSettings {
    /// Statements that make a new session what the daemon expects, whatever the server's defaults are.
    pub(super) fn session_statements(self) -> [String; 2] {
        let wait = self.lock_wait_timeout;
        [
            format!("SET SESSION sql_log_bin={}", u8::from(self.binlog)),
            format!(
                "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout={wait}, \
                 innodb_lock_wait_timeout={wait}, sql_safe_updates=0, sql_select_limit=DEFAULT, max_execution_time=0, \
                 completion_type='NO_CHAIN', transaction_read_only=0, foreign_key_checks=1, unique_checks=1, information_schema_stats_expiry=0, autocommit=0"
            ),
        ]
    }
}
