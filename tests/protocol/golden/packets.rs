//! Packets that are sent to both servers, in the words of `common::packets`. Each script runs on a connection of its own and uses keys
//! of its own: the servers keep their data from one script to the next.

use crate::common::packets::{SCRIPTS, header, packet};

/// Why the host answers otherwise than memcached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// memcached's document describes the opcode, its program does not know it.
    Verbosity,
    /// memcached passes over the extras and the key of an unknown opcode twice, and with them over the next packets.
    UnknownOpcodesArePassedOverOnce,
    /// A value that grew too large is called so, as in text; memcached says that nothing was stored.
    TooLargeIsSaid,
    /// A set that is refused leaves the row alone; memcached deletes the old value.
    RefusedSetKeepsTheRow,
    /// The item size is the size of the value alone; memcached counts key and header as well.
    ItemSize,
    /// Surplus bytes of a packet are no packet; memcached takes them for the next one.
    SurplusIsMalformed,
    /// A decremented number is stored as it is; memcached pads it with spaces to its old length.
    NoPadding,
    /// 1.6.18 takes a body of 1 GiB and more for a reason to say nothing; 1.6.45 and the host answer.
    Newer,
}

/// What is sent, and the host's answer where it differs.
pub struct Script {
    pub send: Vec<Part>,
    pub differs: Option<(Why, String)>,
}

pub enum Part {
    /// Requests in words, and how many answers the next part waits for.
    Words(String, usize),
    Bytes(Vec<u8>),
}

impl Part {
    /// For messages.
    pub fn shown(&self) -> String {
        match self {
            Part::Words(words, _) => words.clone(),
            Part::Bytes(bytes) => bytes[..bytes.len().min(160)].escape_ascii().to_string(),
        }
    }
}

/// Both answer the same.
const SAME: &[&str] = &[
    "version; noop; version",
    "quit; noop",
    "noop; quitq; noop",
    "mechs; auth PLAIN; noop",
    "stat reset; stat nonsense; stat sizes; stat conns; stat cachedump_1_0; noop",
    "stat detail on; setq pp:1 0 0 x; getq pp:1; getq pp:2; deleteq pp:1; stat detail dump; stat detail off; stat detail; stat detail foo; noop",
    "setq gq 1 0 1; getq gq; getkq gq; getq gq-no; getkq gq-no; noop",
    "set ev 0 0; get ev; append ev; get ev; delete ev",
    "set KEY250 1 0 x; getk KEY250; delete KEY250",
    "set fl 4294967295 4294967295 x; touch fl 4294967295; get fl; gat fl 0; get fl",
    "set fl-2 0 2147483648 x; get fl-2; set fl-3 0 2592000 x; get fl-3; set fl-4 0 2592001 x; get fl-4",
    "touch to 0; set to 7 0 x; touch to 2592001; get to; touch to 0",
    "set nn 0 0 -1; incr nn 1; set nn 0 0 18446744073709551616; incr nn 1; set nn 0 0; incr nn 1",
    "set nz 0 0 10; decr nz 1 5 0; incr nz 1 5 0; get nz; incrq nz 1 5 0; decrq nz 1 5 0; get nz",
    "incr ni 3 5 2592001; get ni; incr ni 3 5 100; get ni; incr ni 3 5 100; get ni",
    "setq p1 0 0 1; appendq p1 2; prependq p1 3; replaceq p1-no 0 0 x; addq p1 0 0 x; incrq p1 1; deleteq p1-no; get p1",
    "get @no; set @no 0 0 x; get @no; delete @no",
    // Last: every other script would feel it.
    "flushq 1000; flush 1000; noop",
    "set f1 0 0 x; flushq; get f1; set f1 0 0 y; get f1; flush 0; get f1; setq f1 0 0 z; flush; get f1",
];

type Raw = (Vec<u8>, Option<(Why, &'static str)>);

/// Packets that no words make, and the host's answer where it differs.
fn raw() -> Vec<Raw> {
    const MIB: usize = 1 << 20;
    let noop = packet(0x0a, 9, 0, b"", b"", b"");
    let eight = &[0; 8][..];
    let with_noop = |first: Vec<u8>| [first, noop.clone()].concat();
    let set = |key: &[u8], length: usize| packet(0x01, 1, 0, eight, key, &vec![b'v'; length]);
    let get = |key: &[u8]| packet(0x00, 2, 0, b"", key, b"");
    let same = |bytes: Vec<u8>| (bytes, None);
    let mut all: Vec<_> = [
        packet(0x00, 1, 0, b"", b"", b""),
        packet(0x00, 1, 0, b"xxxx", b"k", b""),
        packet(0x00, 1, 0, b"", b"k", b"v"),
        packet(0x00, 1, 0, b"", &[b'k'; 251], b""),
        packet(0x01, 1, 0, b"", b"k", b"v"),
        packet(0x01, 1, 0, b"xxxx", b"k", b"v"),
        packet(0x01, 1, 0, eight, b"", b"v"),
        packet(0x04, 1, 0, b"", b"k", b"v"),
        packet(0x05, 1, 0, eight, b"k", b""),
        packet(0x07, 1, 0, b"", b"k", b""),
        packet(0x08, 1, 0, b"xx", b"", b""),
        packet(0x08, 1, 0, b"", b"k", b""),
        packet(0x0a, 1, 0, b"", b"", b"v"),
        packet(0x0b, 1, 0, b"", b"k", b""),
        packet(0x0e, 1, 0, eight, b"k", b"v"),
        packet(0x10, 1, 0, b"xxxx", b"k", b""),
        packet(0x17, 1, 0, b"", b"", b"v"),
        packet(0x1c, 1, 0, b"", b"k", b""),
        packet(0x1c, 1, 0, b"xxxx", b"", b""),
        packet(0x1f, 1, 0, b"", b"", b""),
        packet(0x3d, 1, 0, b"", b"", b""),
        packet(0xff, 1, 0, b"", b"", b""),
        header(0x00, 1, 0, (0, 10, 9)),
        header(0x01, 1, 0, (8, 1, 8)),
        header(0x01, 1, 0, (8, 1, 100)),
        header(0x00, 1, 0, (0, 3, 3))[..10].to_vec(),
        packet(0x01, 1, 0, eight, b"a b\r\n\0\xff", b"\r\n\0\xff"),
        packet(0x0c, 1, 0, b"", b"a b\r\n\0\xff", b""),
        set(b"l1", MIB / 2),
        [set(b"l2", MIB / 2), get(b"l2")].concat(),
    ]
    .into_iter()
    .map(with_noop)
    .chain([[&noop[..], b"\x81", &noop[1..], &noop[..]].concat(), [noop.clone(), b"version\r\n".repeat(3)].concat()])
    .map(same)
    .collect();
    all.push((with_noop(set(b"l3", MIB + 1)), None));
    all.push((with_noop(packet(0x19, 1, 0, b"", b"l3", &vec![b'v'; MIB + 1])), None));
    all.push((with_noop(set(b"l4", MIB)), Some((Why::ItemSize, "1 set 0 cas; 9 noop 0"))));
    all.push((
        [set(b"l5", 1), set(b"l5", MIB + 1), get(b"l5")].concat(),
        Some((Why::RefusedSetKeepsTheRow, "1 set 0 cas; 1 set 3 Too large.; 2 get 0 cas x00000000 v")),
    ));
    all.push((
        with_noop([set(b"l6", 600_000), packet(0x0e, 2, 0, b"", b"l6", &[b'v'; 600_000])].concat()),
        Some((Why::TooLargeIsSaid, "1 set 0 cas; 2 append 3 Too large.; 9 noop 0")),
    ));
    all.push((
        with_noop(packet(0x30, 1, 0, b"xx", b"k", b"vvv")),
        Some((Why::UnknownOpcodesArePassedOverOnce, "1 unknown 81 Unknown command; 9 noop 0")),
    ));
    all.push((
        with_noop(packet(0x1c, 1, 0, b"xxxx", b"k", b"vvv")),
        Some((Why::SurplusIsMalformed, "1 touch 4 Invalid arguments")),
    ));
    all.push((
        with_noop(packet(0x10, 1, 0, b"", b"reset", b"vvv")),
        Some((Why::SurplusIsMalformed, "1 stat 4 Invalid arguments")),
    ));
    all.push((header(0x01, 1, 0, (8, 1, u32::MAX as usize)), Some((Why::Newer, "1 set 4 Invalid arguments"))));
    all
}

/// Every script, in the order in which they run.
pub fn all() -> Vec<Script> {
    let words = |text: &str, answers| Part::Words(text.replace("KEY250", &"k".repeat(250)), answers);
    let mut scripts = Vec::new();
    // The others hold a verbosity, which has a script of its own here: memcached finds no packet behind it.
    for (name, steps) in SCRIPTS.iter().filter(|(name, _)| *name != "others") {
        let send = steps.iter().map(|(send, expect)| words(send, expect.split("; ").count())).collect();
        let ours: Vec<&str> = steps.iter().map(|(_, expect)| *expect).collect();
        let differs = (*name == "counters").then(|| (Why::NoPadding, ours.join("; ")));
        scripts.push(Script { send, differs });
    }
    let verbosity = Some((Why::Verbosity, "1 verbosity 0".to_owned()));
    scripts.push(Script { send: vec![words("verbosity 1", 0)], differs: verbosity });
    scripts.extend(raw().into_iter().map(|(bytes, differs)| Script {
        send: vec![Part::Bytes(bytes)],
        differs: differs.map(|(why, ours)| (why, ours.to_owned())),
    }));
    scripts.extend(SAME.iter().map(|send| Script { send: vec![words(send, 0)], differs: None }));
    scripts
}
