//! Keys, lines and values at their limits, and input that comes in pieces.

use super::*;
use crate::protocol::{GET_LINE_MAX, KEYS_MAX, LINE_MAX};

#[test]
fn key_length() {
    let (good, bad) = ("k".repeat(KEY_MAX), "k".repeat(KEY_MAX + 1));
    for (line, expected) in [
        ("get KEY\r\n", "bad format"),
        ("get a KEY a\r\n", "bad format"),
        ("get KEY noreply\r\n", "bad format"),
        ("gat 0 a KEY\r\n", "bad format"),
        ("delete KEY\r\n", "bad format"),
        ("delete KEY noreply\r\n", "nothing"),
        ("incr KEY 1\r\n", "bad format"),
        ("incr KEY 1 noreply\r\n", "nothing"),
        ("touch KEY 0\r\n", "bad format"),
        ("touch KEY 0 noreply\r\n", "nothing"),
        ("bind KEY\r\n", "bad format"),
        ("set KEY 0 0 2\r\n", "bad format"),
        ("set KEY 0 0 2 noreply\r\n", "nothing"),
        ("cas KEY 0 0 2 1 noreply\r\n", "nothing"),
    ] {
        let input = line.replace("KEY", &bad);
        assert_eq!(events(&mut Parser::new(ITEM_MAX, Dialect::Auto), input.as_bytes()), [expected], "for {line:?}");
        let input = format!("{}xx\r\n", line.replace("KEY", &good));
        let got = events(&mut Parser::new(ITEM_MAX, Dialect::Auto), input.as_bytes());
        assert!(got.first().is_some_and(|event| event.contains(&good)), "for {line:?}: {got:?}");
    }
}

#[test]
fn line_length() {
    let at = |length: usize| "x".repeat(length);
    let keys = |length: usize| format!("get {}", "k ".repeat(length / 2));
    let cases = [
        (at(LINE_MAX), "waits for 0"),
        (at(LINE_MAX + 1), "close"),
        (at(LINE_MAX) + "\n", "ERROR"),
        (at(LINE_MAX + 1) + "\n", "close"),
        (format!("gat 0 {}", at(LINE_MAX)), "close"),
        (format!("getx{}", at(LINE_MAX)), "close"),
        (keys(LINE_MAX), "waits for 0"),
        (keys(GET_LINE_MAX - 4), "waits for 0"),
        (keys(GET_LINE_MAX - 2), "close"),
    ];
    for (input, expected) in cases {
        let got = events(&mut Parser::new(ITEM_MAX, Dialect::Auto), input.as_bytes());
        assert_eq!(got, [expected], "for {} bytes of {:?}", input.len(), input.get(..8));
    }
    for length in [LINE_MAX - 6, 100_000, GET_LINE_MAX - 6] {
        let input = keys(length) + "\r\n";
        let (mut parser, mut request) = (Parser::new(ITEM_MAX, Dialect::Auto), Request::default());
        let (mut at, mut count, mut parts) = (0, 0, Vec::new());
        while let Parsed::Request { consumed } = parser.parse(&input.as_bytes()[at..], &mut request) {
            let Operation::Get(Get { keys, part, .. }) = request.operation else {
                panic!("a get line of {length} bytes is refused");
            };
            assert_eq!(keys.len_hint(), keys.iter().filter(|key| *key == b"k").count());
            assert!(keys.len_hint() == KEYS_MAX || part.ends());
            (at, count) = (at + consumed, count + keys.len_hint());
            parts.push(part);
        }
        assert_eq!((count, at), (length / 2, input.len()));
        let number = count.div_ceil(KEYS_MAX);
        let expected = |i| match i {
            0 if number == 1 => Part::Whole,
            0 => Part::First,
            i if i + 1 < number => Part::Middle,
            _ => Part::Last,
        };
        assert!(parts.into_iter().eq((0..number).map(expected)), "{number} parts");
    }
}

/// What is wrong in a later part of a long line is told there, and the next line is a command again; so it is where a part is the last
/// that is wanted.
#[test]
fn long_lines_that_break_off() {
    let long = "k".repeat(KEY_MAX + 1);
    let input = format!("get {}{long} k k\r\nversion\r\n", "k ".repeat(KEYS_MAX + 3));
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    let got = events(&mut parser, input.as_bytes());
    assert_eq!(got[1..], ["bad format", "version"]);
    let Parsed::Request { consumed } = parser.parse(input.as_bytes(), &mut Request::default()) else {
        panic!("no request")
    };
    parser.abandon_line();
    let got = events(&mut parser, &input.as_bytes()[consumed..]);
    assert_eq!(got.len(), 2);
    assert_eq!(got[1], "version");
    let spaces = format!("gets {}\r\nversion\r\n", " ".repeat(LINE_MAX));
    assert_eq!(events(&mut parser, spaces.as_bytes()), ["bad format", "version"]);
}

/// A long line in small pieces is searched once, and the memory of it ends with the line.
#[test]
fn long_line_in_pieces() {
    let input = format!("get {}\nget {}\nversion\n", "k ".repeat(5000), "k ".repeat(1500));
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    for length in 0..=10_004 {
        assert_eq!(
            parser.parse(&input.as_bytes()[..length], &mut Request::default()),
            Parsed::Incomplete { wanted: 0 },
            "at {length}"
        );
    }
    let got = events(&mut parser, input.as_bytes());
    // Five parts and two.
    assert_eq!((got.len(), got[7].as_str()), (8, "version"));
}

#[test]
fn item_size_and_wanted() {
    let fits = format!("set a 0 0 {ITEM_MAX}\r\n{}\r\n", "v".repeat(ITEM_MAX));
    let mut parser = Parser::new(ITEM_MAX, Dialect::Auto);
    for length in "set a 0 0 100\r\n".len()..fits.len() {
        assert_eq!(
            parser.parse(&fits.as_bytes()[..length], &mut Request::default()),
            Parsed::Incomplete { wanted: fits.len() }
        );
    }
    let mut request = Request::default();
    assert_eq!(parser.parse(fits.as_bytes(), &mut request), Parsed::Request { consumed: fits.len() });
    assert!(matches!(request.operation, Operation::Store(Storage { value, .. }) if value.len() == ITEM_MAX));

    let large = format!("set a 0 0 {}\r\n{}\r\nversion\r\n", ITEM_MAX + 1, "v".repeat(ITEM_MAX + 1));
    let expected = ["too large a", "swallowed 103", "version"];
    assert_eq!(events(&mut Parser::new(ITEM_MAX, Dialect::Auto), large.as_bytes()), expected);
}

/// Going back to an earlier place of the input is going back to the parser of that place.
#[test]
fn copy_of_a_parser_repeats_its_input() {
    let input = b"set a x 0 4\r\nquit\r\nversion\r\nget k";
    let start = Parser::new(ITEM_MAX, Dialect::Auto);
    let expected = ["bad format", "swallowed 6", "version", "waits for 0"];
    assert_eq!(events(&mut { start }, input), expected);
    assert_eq!(events(&mut { start }, input), expected);
}
