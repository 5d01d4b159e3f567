//! Packets in the write phase.

use super::*;

/// Increment by 5 from 7.
const FIVE_FROM_SEVEN: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0];
const STORE: &[u8] = &[0; 8];

fn packet(opcode: u8, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
    let body = (extras.len() + key.len() + value.len()) as u8;
    let mut packet = vec![0x80, opcode, 0, key.len() as u8, extras.len() as u8, 0, 0, 0, 0, 0, 0, body];
    packet.extend_from_slice(&[0; 12]);
    packet.extend([extras, key.as_bytes(), value.as_bytes()].concat());
    packet
}

fn set(key: &str) -> Vec<u8> {
    packet(0x01, STORE, key, "1")
}

fn setq(key: &str) -> Vec<u8> {
    packet(0x11, STORE, key, "1")
}

fn noop() -> Vec<u8> {
    packet(0x0a, b"", "", "")
}

/// `opcode:status body` of each answer.
fn shown(mut answers: &[u8]) -> String {
    let mut shown = Vec::new();
    while !answers.is_empty() {
        let body = 24 + usize::from(answers[11]);
        let (extras, text) = answers[24..body].split_at(answers[4].into());
        assert_eq!((answers[0], &answers[8..11], extras.len() % 4), (0x81, &[0; 3][..], 0));
        let text = text.escape_ascii().to_string();
        shown.push(format!("{:02x}:{:02x} {text}", answers[1], answers[7]).trim_end().to_owned());
        answers = &answers[body..];
    }
    shown.join(", ")
}

/// What it is about, the rows, packets, their answers if there are any, the trace of the rows.
type Case = (&'static str, FakeRows, Vec<Vec<u8>>, Option<String>, &'static str);

#[test]
fn packets_run_as_lines_do() {
    const LOCKED: &str = "lock wait timeout";
    const VICTIM: &str = "deadlock, try again";
    let plain = FakeRows::default;
    let held = || FakeRows { held: Some(b"b".into()), ..plain() };
    let deadlocks = |deadlocks| FakeRows { deadlocks, ..plain() };
    let refused = |value: &str| FakeRows { refused: Some(value.into()), ..plain() };
    let lost = || FakeRows { fail_commits: 1, ..plain() };
    let incr = || packet(0x05, FIVE_FROM_SEVEN, "n", "");
    let cases: Vec<Case> = vec![
        (
            "sorted by key, answered in order",
            plain(),
            vec![set("b"), packet(0x0c, b"", "b", ""), set("a")],
            Some("01:00, 0c:00 b1, 01:00".into()),
            "a b +",
        ),
        // A noop is no reason to lock in another order.
        ("a quiet pipeline", plain(), vec![setq("b"), noop(), setq("a"), noop()], Some("0a:00, 0a:00".into()), "a b +"),
        (
            "a lock that others hold",
            held(),
            vec![setq("a"), setq("b"), set("b"), set("c"), noop()],
            Some(format!("11:86 {LOCKED}, 01:86 {LOCKED}, 01:00, 0a:00")),
            "a b - a b - a c +",
        ),
        ("a deadlock", deadlocks(1), vec![set("a")], Some("01:00".into()), "a - a +"),
        (
            "a victim for ever",
            deadlocks(DEADLOCK_ATTEMPTS_ALONE),
            vec![setq("a")],
            Some(format!("11:86 {VICTIM}")),
            "a - a - a - a - a - a - a - a - a -",
        ),
        // What ran in vain counts for nothing: the initial value is stored once, and counted up once.
        (
            "an initial value, in vain twice",
            FakeRows { alone: 2, ..deadlocks(2) },
            vec![incr(), incr()],
            Some(
                "05:00 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07, 05:00 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0c".into(),
            ),
            "n n n - n n n - n n n +",
        ),
        (
            "a value that the table refuses",
            refused("1"),
            vec![setq("a"), noop()],
            Some("11:84 CHECK says no, 0a:00".into()),
            "a +",
        ),
        (
            "a flush runs alone",
            plain(),
            vec![set("b"), packet(0x18, b"", "", ""), set("a"), packet(0x00, b"", "b", "")],
            Some("01:00, 01:00, 00:01 Not found".into()),
            "b + flush a +",
        ),
        ("a commit that may have happened", lost(), vec![setq("a"), noop()], None, "a +"),
    ];
    for (what, rows, packets, expected, trace) in cases {
        let mut bench = Bench::new(rows);
        let (answers, _) = bench.tick_bytes(&[packets.concat()]);
        let answer = answers[0].as_deref().map(shown);
        assert_eq!((answer, bench.store.into_rows().trace.join(" ").as_str()), (expected, trace), "{what}");
    }
}

#[test]
fn sets_of_both_protocols_are_stored_together() {
    let mut bench = Bench::new(together());
    let clients =
        [b"set d 0 0 1\r\n1\r\nset c 0 0 1 noreply\r\n1\r\n".to_vec(), [set("b"), setq("a"), noop()].concat()];
    let (answers, stats) = bench.tick_bytes(&clients);
    assert_eq!(answers[0].as_deref(), Some(STORED.as_bytes()));
    assert_eq!(answers[1].as_deref().map(shown).as_deref(), Some("01:00, 0a:00"));
    assert_eq!(stats.get(Counter::CmdSet), 4);
    assert_eq!(bench.store.into_rows().trace.join(" "), "[a b c d] +");
}
