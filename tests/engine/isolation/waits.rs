//! Interleavings in which somebody waits, as `cases.rs` writes them.

use super::cases::{ALL, Case, both, sql};

/// Who waits for whom, and how that ends.
pub const WAITS: &[Case] = &[
    // What waits for whom.
    both(
        "shared locks are shared, exclusive ones are not",
        ALL,
        "a begin L
         b begin L
         c begin L
         a share 1 = 10
         b share 1 = 10
         c lock 1 = waits
         a commit
         b commit
         c = 10
         c commit",
    ),
    both(
        "who comes later does not pass who waits",
        ALL,
        "a begin L
         b begin L
         c begin L
         a share 1 = 10
         b write 1 11 = waits
         c share 1 = waits
         a commit
         b = ok
         b commit
         c = 11
         c commit",
    ),
    both(
        "who holds a lock passes who waits",
        ALL,
        "a begin L
         b begin L
         a share 1 = 10
         b lock 1 = waits
         a write 1 11
         a commit
         b = 11
         b commit",
    ),
    both(
        "an insert waits for a deletion of the same key",
        ALL,
        "a begin L
         b begin L
         a delete 1
         b insert 1 11 = waits
         a rollback
         b = duplicate
         b rollback
         a begin L
         b begin L
         a delete 1
         b insert 1 11 = waits
         a commit
         b = ok
         b commit",
    ),
    both(
        "a plain read waits for nobody",
        &["RU", "RC", "RR"],
        "a begin L
         b begin RC
         b delete 1
         b insert 3 30
         a scan 9 9 = empty
         a read 9 = none
         b commit
         a commit",
    ),
    both(
        "a read-only transaction sees its level",
        &["RR"],
        "a begin L ro
         a read 1 = 10
         b begin RC
         b write 1 11
         b commit
         a read 1 = 10
         a commit",
    ),
    // Deadlocks.
    both(
        "a deadlock of two",
        ALL,
        "a begin L
         b begin L
         a write 1 11
         b write 2 22
         a write 2 21 = waits
         b write 1 12 = deadlock
         a = ok
         b rollback
         a commit
         c begin RC
         c scan 1 2 = 1:11 2:21
         c commit",
    ),
    both(
        "a deadlock of three",
        ALL,
        "a begin L
         b begin L
         c begin L
         a write 1 11
         b write 2 22
         c write 5 53
         a write 2 21 = waits
         b write 5 52 = waits
         c write 1 13 = deadlock
         c rollback
         b = ok
         b commit
         a = ok
         a commit
         c begin RC
         c scan 1 5 = 1:11 2:21 5:52
         c commit",
    ),
    both(
        "a deadlock over the queue, not over a lock",
        ALL,
        "a begin L
         b begin L
         c begin L
         b write 2 22
         a share 1 = 10
         b lock 1 = waits
         c share 1 = waits
         a write 2 21 = deadlock
         a rollback
         b = 10
         b commit
         c = 10
         c commit",
    ),
    both(
        "a deadlock of two shared locks that both want to be exclusive",
        ALL,
        "a begin L
         b begin L
         a share 1 = 10
         b share 1 = 10
         a lock 1 = waits
         b lock 1 = deadlock
         a = 10
         b rollback
         a commit",
    ),
    both(
        "a deadlock of a range and a row",
        &["RR", "SE"],
        "a begin L
         b begin L
         a scan-lock 3 4 = empty
         b write 1 12
         b insert 3 30 = waits
         a write 1 11 = deadlock
         b = ok
         a rollback
         b commit",
    ),
    both(
        "the victim begins anew",
        ALL,
        "a begin L
         b begin L
         a write 1 11
         b write 2 22
         a write 2 21 = waits
         b write 1 12 = deadlock
         b rollback
         b begin L
         a = ok
         a commit
         b read 1 = 11
         b write 2 23
         b commit
         c begin RC
         c scan 1 2 = 1:11 2:23
         c commit",
    ),
    // Time-outs and statements that fail.
    both(
        "a lock wait ends",
        ALL,
        "a begin L
         a write 1 11
         b patience 1
         b begin L
         b write 1 12 = timeout
         b rollback
         a commit
         b begin L
         b write 1 12
         b commit",
    ),
    sql(
        "a statement that times out is undone alone",
        ALL,
        "a begin L
         a write 5 51
         b patience 1
         b begin L
         b insert 3 30
         b add-all 1 = timeout
         b insert 4 40
         a commit
         b commit
         c begin RC
         c scan 1 9 = 1:10 2:20 3:30 4:40 5:51
         c commit",
    ),
    sql(
        "a statement that fails is undone alone, its locks stay",
        ALL,
        "a begin L
         a insert 7 70
         a insert-all 3 4 5 = duplicate
         b begin L
         b insert 4 44 = waits
         a insert 8 80
         a commit
         b = ok
         b commit
         c begin RC
         c scan 3 9 = 4:44 5:50 7:70 8:80
         c commit",
    ),
    sql(
        "a read that is its own transaction takes no locks",
        &["RC", "RR", "SE"],
        "a auto L
         b begin RC
         b write 1 11
         b insert 3 30
         a scan 2 4 = 2:20
         b commit
         a read 1 = 11",
    ),
];
