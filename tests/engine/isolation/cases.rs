//! The interleavings. A line is `session operation [= outcome]`; the outcome without a word is `ok`. Sessions are letters.
//! Before each case `t (id INT PRIMARY KEY, v INT, u INT UNIQUE)` has the rows 1:10 2:20 5:50, with u = id.
//!
//! | operation | |
//! |---|---|
//! | `begin LEVEL` | LEVEL is RU, RC, RR, SE, or `L` for each level the case is for; `begin L ro`: read only |
//! | `read 1`, `share 1`, `lock 1` | v of a row; with a shared lock; for update |
//! | `scan 1 4`, `scan-share`, `scan-lock` | the rows from 1 to 4 as `id:v`, or `empty` |
//! | `scan-u 1 4`, ... | the same over the secondary index (SQL only) |
//! | `write 1 11`, `add 1 5`, `insert 3 30`, `delete 1` | |
//! | `auto SE` | autocommit at a level (SQL only) |
//! | `patience 1` | seconds for a lock; without it a wait that nobody ends never ends |
//! | `commit`, `rollback` | |
//!
//! Outcomes: a value, rows, `none`, `ok`, `missing` (no such row to change), `duplicate`, `deadlock`, `timeout`, `waits`.
//! After `waits` the line `session = outcome` tells how the operation ended.

/// One interleaving at some levels.
pub struct Case {
    pub name: &'static str,
    /// What `L` stands for, one run for each.
    pub levels: &'static [&'static str],
    pub sql_only: bool,
    pub script: &'static str,
}

pub const fn both(name: &'static str, levels: &'static [&'static str], script: &'static str) -> Case {
    Case { name, levels, sql_only: false, script }
}

pub const fn sql(name: &'static str, levels: &'static [&'static str], script: &'static str) -> Case {
    Case { name, levels, sql_only: true, script }
}

pub const ALL: &[&str] = &["RU", "RC", "RR", "SE"];

/// What sessions see of each other.
pub const READS: &[Case] = &[
    // Dirty reads.
    both(
        "a dirty read",
        &["RU"],
        "a begin L
         b begin RC
         b write 1 11
         b insert 3 30
         b delete 5
         a read 1 = 11
         a scan 1 9 = 1:11 2:20 3:30
         b rollback
         a read 1 = 10
         a scan 1 9 = 1:10 2:20 5:50
         a commit",
    ),
    both(
        "no dirty read",
        &["RC", "RR"],
        "a begin L
         b begin RC
         b write 1 11
         b insert 3 30
         b delete 5
         a read 1 = 10
         a scan 1 9 = 1:10 2:20 5:50
         b rollback
         a scan 1 9 = 1:10 2:20 5:50
         a commit",
    ),
    both(
        "no dirty read: the reader waits for the writer",
        &["SE"],
        "a begin L
         b begin RC
         b write 1 11
         a read 1 = waits
         b rollback
         a = 10
         a commit",
    ),
    both(
        "a dirty write is impossible",
        ALL,
        "a begin L
         b begin L
         a write 1 11
         b write 1 12 = waits
         a write 2 21
         a commit
         b = ok
         b commit
         c begin RC
         c scan 1 2 = 1:12 2:21
         c commit",
    ),
    // Non-repeatable reads.
    both(
        "a non-repeatable read",
        &["RU", "RC"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 1 11
         b commit
         a read 1 = 11
         a commit",
    ),
    both(
        "a repeatable read",
        &["RR"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 1 11
         b commit
         a read 1 = 10
         a share 1 = 11
         a read 1 = 10
         a commit
         a begin L
         a read 1 = 11
         a commit",
    ),
    both(
        "a repeatable read: the writer waits for the reader",
        &["SE"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 1 11 = waits
         a read 1 = 10
         a commit
         b = ok
         b commit",
    ),
    // Phantoms.
    both(
        "a phantom",
        &["RU", "RC"],
        "a begin L
         b begin RC
         a scan 1 9 = 1:10 2:20 5:50
         b insert 3 30
         b delete 5
         b commit
         a scan 1 9 = 1:10 2:20 3:30
         a commit",
    ),
    both(
        "no phantom in a snapshot, but in what it locks",
        &["RR"],
        "a begin L
         b begin RC
         a scan 1 9 = 1:10 2:20 5:50
         b insert 3 30
         b commit
         a scan 1 9 = 1:10 2:20 5:50
         a read 3 = none
         a scan-lock 1 9 = 1:10 2:20 3:30 5:50
         a scan 1 9 = 1:10 2:20 5:50
         a commit",
    ),
    both(
        "no phantom: the insert waits for the reader",
        &["SE"],
        "a begin L
         b begin RC
         a scan 1 9 = 1:10 2:20 5:50
         b insert 3 30 = waits
         c begin RC
         c delete 5 = waits
         a scan 1 9 = 1:10 2:20 5:50
         a commit
         b = ok
         c = ok
         b commit
         c commit",
    ),
    both(
        "next-key locks of a scan for update",
        &["RR", "SE"],
        "a begin L
         a scan-lock 1 9 = 1:10 2:20 5:50
         b begin RC
         b insert 4 40 = waits
         c begin RC
         c read 5 = 50
         c write 5 51 = waits
         a insert 3 30
         a scan-lock 1 9 = 1:10 2:20 3:30 5:50
         a commit
         b = ok
         c = ok
         b commit
         c commit",
    ),
    both(
        "no gap locks below REPEATABLE READ",
        &["RU", "RC"],
        "a begin L
         a scan-lock 1 9 = 1:10 2:20 5:50
         b begin RC
         b insert 4 40
         b write 5 51 = waits
         a commit
         b = ok
         b commit",
    ),
    sql(
        "next-key locks end with the range",
        &["RR", "SE"],
        "a begin L
         a scan-share 2 4 = 2:20
         b begin L
         b insert 3 30 = waits
         c begin L
         c insert 6 60
         c write 1 11
         c write 5 51
         c commit
         a commit
         b = ok
         b commit",
    ),
    sql(
        "next-key locks of a secondary index",
        &["RR", "SE"],
        "a begin L
         a scan-u-lock 2 4 = 2:20
         b begin L
         b insert 3 30 = waits
         c begin L
         c insert 6 60
         c write 1 11
         c commit
         a commit
         b = ok
         b commit",
    ),
    both(
        "a missing key stays missing",
        &["SE"],
        "a begin L
         a read 3 = none
         b begin RC
         b insert 3 30 = waits
         a read 3 = none
         a insert 3 31
         a commit
         b = duplicate
         b rollback",
    ),
    // Lost updates.
    both(
        "a lost update",
        &["RU", "RC", "RR"],
        "a begin L
         b begin L
         a read 1 = 10
         b read 1 = 10
         a write 1 11
         a commit
         b write 1 12
         b commit
         c begin RC
         c read 1 = 12
         c commit",
    ),
    both(
        "no lost update: one of the two is the victim",
        &["SE"],
        "a begin L
         b begin L
         a read 1 = 10
         b read 1 = 10
         a write 1 11 = waits
         b write 1 12 = deadlock
         a = ok
         b rollback
         a commit
         c begin RC
         c read 1 = 11
         c commit",
    ),
    both(
        "no lost update with FOR UPDATE",
        ALL,
        "a begin L
         b begin L
         a lock 1 = 10
         b lock 1 = waits
         a write 1 11
         a commit
         b = 11
         b write 1 12
         b commit",
    ),
    both(
        "no lost update in one statement",
        ALL,
        "a begin L
         b begin L
         a add 1 1
         b add 1 1 = waits
         a commit
         b = ok
         b read 1 = 12
         b commit",
    ),
    both(
        "a change starts from the latest row, and makes it visible",
        &["RR"],
        "a begin L
         a scan 1 9 = 1:10 2:20 5:50
         b begin RC
         b write 1 100
         b delete 2
         b insert 3 30
         b commit
         a add 1 1
         a read 1 = 101
         a write 2 21 = missing
         a read 2 = 20
         a insert 3 31 = duplicate
         a write 3 32
         a scan 1 9 = 1:101 2:20 3:32 5:50
         a commit
         a begin L
         a scan 1 9 = 1:101 3:32 5:50
         a commit",
    ),
    // Skews.
    both(
        "read skew",
        &["RU", "RC"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 1 11
         b write 2 21
         b commit
         a read 2 = 21
         a commit",
    ),
    both(
        "no read skew in a snapshot",
        &["RR"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 1 11
         b write 2 21
         b commit
         a read 2 = 20
         a scan 1 2 = 1:10 2:20
         a commit",
    ),
    both(
        "no read skew: the writer waits",
        &["SE"],
        "a begin L
         b begin RC
         a read 1 = 10
         b write 2 21
         b write 1 11 = waits
         a read 5 = 50
         a commit
         b = ok
         b commit",
    ),
    both(
        "write skew",
        &["RU", "RC", "RR"],
        "a begin L
         b begin L
         a scan 1 2 = 1:10 2:20
         b scan 1 2 = 1:10 2:20
         a write 1 0
         a commit
         b write 2 0
         b commit
         c begin RC
         c scan 1 2 = 1:0 2:0
         c commit",
    ),
    both(
        "no write skew: one of the two is the victim",
        &["SE"],
        "a begin L
         b begin L
         a scan 1 2 = 1:10 2:20
         b scan 1 2 = 1:10 2:20
         a write 1 0 = waits
         b write 2 0 = deadlock
         a = ok
         b rollback
         a commit
         c begin RC
         c scan 1 2 = 1:0 2:20
         c commit",
    ),
    both(
        "no write skew over inserted rows",
        &["SE"],
        "a begin L
         b begin L
         a scan 3 4 = empty
         b scan 3 4 = empty
         a insert 3 30 = waits
         b insert 4 40 = deadlock
         a = ok
         b rollback
         a commit",
    ),
];
