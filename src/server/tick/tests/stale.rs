//! Stale items and who is sent to renew them, through replays.

use super::*;

/// Rows with an item under `a`.
fn with_a() -> FakeRows {
    FakeRows { committed: BTreeMap::from([(b"a".to_vec(), b"1".to_vec())]), ..FakeRows::default() }
}

#[test]
fn a_replayed_tick_neither_loses_nor_doubles_the_win_of_a_stale_item() {
    let mut bench = Bench::new(FakeRows { deadlocks: 1, alone: 1, ..with_a() });
    let (answers_, _) = bench.tick(&["md a I\r\nmg a\r\nset b 0 0 1\r\n1\r\n", "mg a\r\nset c 0 0 1\r\n1\r\n"]);
    assert_eq!(answers_, answers(&["HD\r\nHD X W\r\nSTORED\r\n", "HD Z X\r\nSTORED\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
    assert!(bench.store.into_rows().trace.contains(&"-".into()), "nothing was replayed");
}

#[test]
fn a_replayed_tick_creates_a_missing_item_for_one_client() {
    let mut bench = Bench::new(FakeRows { deadlocks: 1, alone: 1, ..FakeRows::default() });
    let (answers_, _) = bench.tick(&["mg a N0\r\nset b 0 0 1\r\n1\r\n", "mg a N0 v\r\n"]);
    assert_eq!(answers_, answers(&["HD W\r\nSTORED\r\n", "VA 0 Z\r\n\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n", "mg a\r\n"]).0, answers(&["HD Z\r\n", "HD Z\r\n"]));
}

#[test]
fn a_rerun_without_the_guilty_wins_again() {
    let mut bench = Bench::new(FakeRows { held: Some(b"b".into()), ..with_a() });
    assert_eq!(bench.tick(&["md a I\r\n"]).0, answers(&["HD\r\n"]));
    let (answers_, _) = bench.tick(&["mg a\r\nmd b I\r\n"]);
    assert_eq!(answers_, answers(&["HD X W\r\nSERVER_ERROR lock wait timeout\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
}

#[test]
fn a_win_that_was_never_told_goes_to_the_next_reader() {
    let mut bench = Bench::new(FakeRows { fail_commits: 1, ..with_a() });
    assert_eq!(bench.tick(&["md a I\r\nmg a\r\nset b 0 0 1\r\n1\r\n"]).0, [None]);
    // The outcome is unknown: the item may be stale now, and nobody was sent to renew it.
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD X W\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD Z X\r\n"]));
}

#[test]
fn storing_the_same_value_again_clears_marks() {
    // Without a cas column nothing else tells the versions apart.
    let mut bench = Bench::new(with_a());
    assert_eq!(bench.tick(&["md a I\r\nmg a\r\n"]).0, answers(&["HD\r\nHD X W\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n", "mg a T0\r\n"]).0, answers(&["HD Z X\r\n", "HD Z X\r\n"]));
    assert_eq!(bench.tick(&["set a 0 0 1\r\n1\r\nmg a\r\n"]).0, answers(&["STORED\r\nHD\r\n"]));
    assert_eq!(bench.tick(&["mg a\r\n"]).0, answers(&["HD\r\n"]));
}
