//! Sets of one container that are stored together.

use super::*;

#[test]
fn sets_of_one_container_are_stored_together() {
    let sets: String = "dacbcfe".chars().enumerate().map(|(i, key)| set(&key.to_string(), &i.to_string())).collect();
    let (answers_, trace, stats) =
        tick(together(), &[&sets, "set q 0 0 1 noreply\r\n1\r\nget c\r\nset r 0 0 1\r\n1\r\n"]);
    let value = "VALUE c 0 1\r\n4\r\nEND\r\nSTORED\r\n";
    assert_eq!(answers_, answers(&[&STORED.repeat(7), value]), "the later of two values of a key is kept");
    assert_eq!(trace, "[a b c c] [d e f q r] +");
    assert_eq!(stats.get(Counter::CmdSet), 9);
    let many: String = ('a'..='s').map(|key| set(&key.to_string(), "1")).collect();
    let (answers_, trace, _) = tick(together(), &[&many]);
    assert_eq!(answers_, answers(&[&STORED.repeat(19)]));
    assert_eq!(trace, "[a b c d e f g h i j k l m n o p] [q r s] +");
}

#[test]
fn the_guilty_one_among_sets_that_are_stored_together_fails_alone() {
    let sets: String = [("a", "1"), ("b", "bad"), ("c", "3"), ("d", "4")].map(|(key, v)| set(key, v)).concat();
    let more = "get b\r\nget d\r\n";
    let rows = FakeRows { refused: Some(b"bad".into()), ..together() };
    let (answers_, trace, stats) = tick(rows, &[&(sets + more)]);
    let expected = "STORED\r\nSERVER_ERROR CHECK says no\r\nSTORED\r\nSTORED\r\nEND\r\nVALUE d 0 1\r\n4\r\nEND\r\n";
    assert_eq!(answers_, answers(&[expected]));
    // The get of b comes behind its set: two runs.
    assert_eq!(trace, "[a b] a b [c d] +");
    assert_eq!((stats.get(Counter::CmdSet), stats.get(Counter::ServerErrors)), (4, 1));
}

#[test]
fn sets_that_are_stored_together_meet_deadlocks_locks_kills_and_changes() {
    let sets: String = ["a", "b", "c", "d"].map(|key| set(key, "1")).concat();
    let all = STORED.repeat(4);
    let (b, locked) = (Some(b"b".to_vec()), "STORED\r\nSERVER_ERROR lock wait timeout\r\nSTORED\r\nSTORED\r\n");
    let killed = "SERVER_ERROR interrupted\r\n".repeat(4);
    let cases = [
        ("a deadlock", FakeRows { deadlocks: 1, ..together() }, all.as_str(), "[a b c d] - [a b c d] +"),
        (
            "deadlocks",
            FakeRows { deadlocks: 3, ..together() },
            all.as_str(),
            "[a b c d] - [a b c d] - [a b c d] - [a b] + [c d] +",
        ),
        ("a lock", FakeRows { held: b, ..together() }, locked, "[a b c d] - a b - a c d +"),
        ("a kill", FakeRows { killed: true, ..together() }, killed.as_str(), "[a b c d] -"),
        ("an ALTER", FakeRows { altered: true, ..together() }, all.as_str(), "[a b c d] - a b c d +"),
    ];
    for (what, rows, expected, expected_trace) in cases {
        let (answers_, trace, stats) = tick(rows, &[&sets]);
        assert_eq!(answers_, answers(&[expected]), "{what}");
        assert_eq!(trace, expected_trace, "{what}");
        assert_eq!(stats.get(Counter::CmdSet), expected.matches("STORED").count() as u64, "{what}");
    }
}

#[test]
fn meta_sets_are_stored_together_too() {
    let text = "ms a 1 k O1\r\n1\r\nms b 1 q\r\n1\r\nset c 0 0 1\r\n1\r\nms d 1 s MS T5\r\n1\r\nms e 1 ME\r\n1\r\nms f 1 C1\r\n1\r\nms g 1 c\r\n1\r\n";
    let (answers_, trace, stats) = tick(together(), &[text]);
    let answer = answers_[0].as_deref().unwrap();
    assert!(answer.starts_with("HD ka O1\r\nSTORED\r\nHD s1\r\nHD\r\nNF\r\nHD c"), "{answer}");
    assert!(!answer.ends_with("c0\r\n"), "{answer}");
    assert_eq!(trace, "[a b c d] e f g +");
    assert_eq!(stats.get(Counter::CmdSet), 7);
}

#[test]
fn only_plain_sets_are_stored_together() {
    let text = "set a 0 0 1\r\n1\r\nadd b 0 0 1\r\n1\r\nset c 0 0 1\r\n1\r\nappend d 0 0 1\r\n1\r\nset e 0 0 1\r\n1\r\nset f 0 0 1\r\n1\r\n";
    let (answers_, trace, _) = tick(together(), &[text]);
    assert_eq!(answers_, answers(&["STORED\r\nSTORED\r\nSTORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\n"]));
    assert_eq!(trace, "[a] b [c] d [e f] +");
}
