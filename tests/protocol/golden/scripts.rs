//! What is sent to both servers. Each script runs on a connection of its own and uses keys of its own: the servers keep their data from
//! one script to the next.
//!
//! `{cas}` stands for the cas number that the last VALUE line before it carried.

/// Why the host may answer otherwise than the memcached it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The host follows memcached 1.6.45, where arguments are checked otherwise than in 1.6.18.
    Newer,
    /// 1.6.45 ends this error with two line ends, or words it otherwise; the host stays with 1.6.18.
    Older,
    /// memcached drops the replies of the commands before it in the same read when a get has a key that is too long.
    EveryCommandIsAnswered,
    /// memcached cuts flags to 32 bits, so that the client gets back others than it stored.
    FlagsAreNeverCut,
    /// An exptime beyond 2^31 is far in the future; memcached cuts it to 32 bits.
    WideExptime,
    /// 1.6.45 ignores surplus arguments of delete; its test program wants them refused, and 1.6.18 words the refusal otherwise.
    DeleteTakesTwoArguments,
    /// The length of a line is limited however it arrives; memcached lets it pass if it came in one read.
    LineLimit,
    /// The item size is the size of the value alone; memcached counts key and header as well.
    ItemSize,
    /// A set that is refused leaves the row alone; memcached deletes the old value.
    RefusedSetKeepsTheRow,
    /// A decremented number is stored as it is; memcached pads it with spaces to its old length.
    NoPadding,
}

/// Bytes to send, in as many parts as cas numbers are needed for, and the host's answer where it may differ.
pub struct Script {
    pub send: Vec<Vec<u8>>,
    pub differs: Option<(Why, Vec<u8>)>,
}

/// Both answer the same.
const SAME: &[&[&[u8]]] = &[
    // Storing and reading.
    &[b"set s1 0 0 1\r\nx\r\nget s1\r\n"],
    &[b"set s2 4294967295 0 5\r\nhello\r\nget s2\r\nget s2 none s2\r\nget none\r\n"],
    &[b"set s3 7 0 0\r\n\r\nget s3\r\n"],
    &[b"set s4 0 0 4\r\n\r\n\r\n\r\nget s4\r\n"],
    &[b"set s5 0 0 6\r\n\0\x80\xff\r\n \r\nget s5\r\n"],
    &[b"set s6 0 0 1 noreply\r\nx\r\nget s6\r\n"],
    &[b"set  s7  1  0  1 \r\nx\r\nget   s7   none  \r\n"],
    &[b"set s8 0 0 1\nx\r\nget s8\n"],
    &[b"set s9 007 0 01\r\nx\r\nget s9\r\n"],
    &[b"set a\tb 0 0 1\r\nx\r\nget a\tb\r\n"],
    &[b"set a\rb 0 0 1\r\nx\r\nget a\rb\r\n"],
    &[b"set \xc3\xa9 0 0 2\r\n\xc3\xa9\r\nget \xc3\xa9\r\n"],
    &[b"set CASE 0 0 1\r\n1\r\nset case 0 0 1\r\n2\r\nget CASE case Case\r\n"],
    &[b"set trail 0 0 2\r\nx \r\nget trail\r\n"],
    &[b"get s1 noreply\r\n"],
    // Conditions.
    &[b"add c1 1 0 1\r\na\r\nadd c1 2 0 1\r\nb\r\nget c1\r\nreplace c1 3 0 1\r\nc\r\nget c1\r\n"],
    &[b"replace c2 0 0 1\r\nx\r\nappend c2 0 0 1\r\nx\r\nprepend c2 0 0 1\r\nx\r\nget c2\r\n"],
    &[b"set c3 5 0 1\r\nm\r\nappend c3 6 0 2\r\nno\r\nprepend c3 7 0 2\r\nkl\r\nget c3\r\n"],
    &[b"append c4 x y 1 noreply\r\n"],
    &[b"cas c5 0 0 1 1\r\nx\r\nget c5\r\n"],
    &[b"set c6 1 0 1\r\na\r\ngets c6\r\n", b"cas c6 2 0 1 {cas}\r\nb\r\ncas c6 3 0 1 {cas}\r\nc\r\nget c6\r\n"],
    &[b"set c7 1 0 1\r\na\r\ngets c7\r\n", b"set c7 1 0 1\r\nb\r\ncas c7 2 0 1 {cas}\r\nc\r\nget c7\r\n"],
    &[b"set c8 1 0 1\r\na\r\ngets c8\r\n", b"cas c8 2 0 1 {cas} noreply\r\nb\r\nget c8\r\n"],
    &[b"set c9 1 0 1\r\na\r\ngats 0 c9\r\n", b"append c9 0 0 1\r\nb\r\ncas c9 2 0 1 {cas}\r\nc\r\nget c9\r\n"],
    &[b"set c10 1 0 1\r\n1\r\ngets c10\r\n", b"incr c10 1\r\ncas c10 2 0 1 {cas}\r\nc\r\nget c10\r\n"],
    &[b"set c11 1 0 1\r\na\r\ngets c11\r\n", b"delete c11\r\ncas c11 2 0 1 {cas}\r\nc\r\nget c11\r\n"],
    // Counters.
    &[b"incr n1 1\r\ndecr n1 1\r\nget n1\r\n"],
    &[b"set n2 3 0 2\r\n10\r\nincr n2 5\r\ndecr n2 5\r\nget n2\r\nincr n2 1 noreply\r\nget n2\r\n"],
    &[b"set n3 0 0 20\r\n18446744073709551615\r\nincr n3 2\r\n"],
    &[b"set n4 0 0 1\r\n5\r\ndecr n4 6\r\nget n4\r\n"],
    &[b"set n5 0 0 1\r\n9\r\nincr n5 1\r\nget n5\r\n"],
    &[b"set n6 0 0 3\r\nabc\r\nincr n6 1\r\ndecr n6 1\r\nget n6\r\n"],
    &[b"set n7 0 0 2\r\n-1\r\nincr n7 1\r\n"],
    &[b"set n8 0 0 0\r\n\r\nincr n8 1\r\n"],
    &[b"set n9 0 0 1\r\n1\r\nincr n9 x\r\nincr n9 -1\r\nincr n9 18446744073709551616\r\nincr n9 x noreply\r\nget n9\r\n"],
    &[b"set n10 0 0 20\r\n18446744073709551616\r\nincr n10 1\r\n"],
    &[b"set n11 0 0 1\r\n1\r\nincr n11 01\r\nincr n11 1 foo\r\nincr n11 noreply\r\nget n11\r\n"],
    &[b"set n12 0 0 2\r\n10\r\nincr n12 18446744073709551615\r\n"],
    // Deleting, touching.
    &[b"delete d1\r\nset d1 0 0 1\r\nx\r\ndelete d1\r\nget d1\r\ndelete d1\r\n"],
    &[b"set d2 0 0 1\r\nx\r\ndelete d2 0\r\nset d2 0 0 1\r\nx\r\ndelete d2 noreply\r\nget d2\r\n"],
    &[b"touch t1 0\r\nset t1 2 0 1\r\nx\r\ntouch t1 100\r\ntouch t1 100 noreply\r\nget t1\r\n"],
    &[b"set t2 2 0 1\r\nx\r\ntouch t2 x\r\ntouch t2 x noreply\r\ntouch t2 noreply\r\nget t2\r\n"],
    &[b"set t3 2 0 1\r\nx\r\ntouch t3 -1\r\nget t3\r\ntouch t3 0\r\n"],
    &[b"set t4 2 0 1\r\nx\r\ngat 0 t4\r\ngat 100 none t4\r\ngats 100 none\r\ngats 0 t4\r\ngat  0  t4 \r\n"],
    &[b"set t5 2 0 1\r\nx\r\ngat -1 t5\r\nget t5\r\n"],
    &[b"gat x t5\r\n"],
    // Expiry that needs no clock.
    &[b"set e1 0 -1 1\r\nx\r\nget e1\r\nadd e1 0 0 1\r\ny\r\nget e1\r\n"],
    &[b"set e2 0 2592001 1\r\nx\r\nget e2\r\n"],
    &[b"set e4 0 2592000 1\r\nx\r\nget e4\r\n"],
    // Lines that are wrong and take no data with them.
    &[b"set x1 0 0 -1\r\nversion\r\n", ],
    &[b"set x2 0 0 2147483647\r\nversion\r\n"],
    &[b"set x3 0 0 99999999999999999999\r\nversion\r\n"],
    &[b"set x4 0 0 x\r\nversion\r\n"],
    &[b"set x5 0 0 1x\r\nversion\r\n"],
    // Data that does not end where it should.
    &[b"set b1 0 0 3\r\nx\r\nversion\r\nversion\r\nget b1\r\n"],
    &[b"set b2 0 0 1\r\nxy\nversion\r\nget b2\r\n"],
    &[b"set b3 0 0 1\r\nx\rversion\r\nversion\r\n"],
    &[b"set b4 0 0 3 noreply\r\nx\r\nversion\r\nversion\r\n"],
    &[b"set b5 0 0 5\r\nabc"],
    &[b"set b6 0 0 5\r\nabcde\r"],
    &[b"set b7 0 0 1\r\ny\r\nset b7 0 0 1\r\nxyvget b7\r\n"],
    // Keys of 250 bytes and more.
    &[b"set KEY250 1 0 1\r\nx\r\nget KEY250\r\ndelete KEY250\r\n"],
    &[b"delete KEY251\r\ntouch KEY251 0\r\nincr KEY251 1\r\nversion\r\n"],
    &[b"delete KEY251 noreply\r\ntouch KEY251 0 noreply\r\nincr KEY251 1 noreply\r\nversion\r\n"],
    // Lines without an end.
    &[b"X2048"],
    &[b"X2049"],
    &[b"gat 0 X2049"],
    &[b"X2048\nversion\r\n"],
    &[b"get k k KEYS k\r\nversion\r\n"],
    &[b"gets k k KEYS k\r\nversion\r\n"],
    // The others.
    &[b"version\r\nversion foo\r\nversion\n"],
    &[b"verbosity 0\r\nverbosity x\r\nverbosity 0 foo\r\nverbosity noreply\r\nverbosity 0 noreply\r\nversion\r\n"],
    &[b"quit\r\nversion\r\n"],
    &[b"quit foo\r\nversion\r\n"],
    &[b"stats foo\r\nstats reset\r\nstats sizes\r\nversion\r\n"],
    &[b"stats detail\r\nstats detail foo\r\nstats detail off\r\nstats detail dump\r\nversion\r\n"],
    &[b"stats detail on\r\nset dp:1 0 0 1\r\nx\r\nget dp:1\r\nget dp:2\r\ndelete dp:1\r\nget plain\r\nstats detail dump\r\nstats detail off\r\n"],
    &[b"stats cachedump\r\nstats cachedump 1\r\nstats cachedump x 1\r\nstats cachedump 64 0\r\nstats cachedump 60 0\r\n"],
    &[b"lru_crawler\r\nlru_crawler metadump\r\nlru_crawler nonsense\r\nversion\r\n"],
    &[b"lru_crawler metadump foo\r\n"],
    &[b"cache_memlimit\r\ncache_memlimit x\r\ncache_memlimit 1\r\ncache_memlimit 64\r\ncache_memlimit 64 noreply\r\nversion\r\n"],
    &[b"cache_memlimit 2000000000\r\ncache_memlimit x noreply\r\nversion\r\n"],
    &[b"nonsense\r\nGET k\r\nversionx\r\nsetx a 0 0 1\r\nstatsx\r\nget\tk\r\nversion\r\n"],
    &[b"version\r\r\nversion\r\n"],
    &[b"GET / HTTP/1.1\r\nversion\r\n"],
    &[b"GET /\r\nversion\r\n"],
    &[b"\x80\0\0\0"],
    &[b""],
    // Pipelines.
    &[b"set p1 0 0 1\r\n1\r\nget p2\r\nset p2 0 0 1\r\n2\r\nget p2 p1\r\nincr p1 4\r\ndelete p2\r\nget p1 p2\r\nnonsense\r\nget p1\r\n"],
    &[b"set p3 0 0 1 noreply\r\n1\r\nincr p3 1 noreply\r\nappend p3 0 0 1 noreply\r\n3\r\nget p3\r\ntouch p3 -1 noreply\r\nget p3\r\n"],
    // flush_all last: it is the only one that other scripts would feel.
    &[b"flush_all x\r\nflush_all x noreply\r\nflush_all 1x\r\nversion\r\n"],
    &[b"set f1 0 0 1\r\nx\r\nflush_all\r\nget f1\r\nset f1 0 0 1\r\ny\r\nget f1\r\n"],
    &[b"set f2 0 0 1\r\nx\r\nflush_all noreply\r\nget f2\r\n"],
    &[b"set f3 0 0 1\r\nx\r\nflush_all 1000\r\nget f3\r\n"],
    &[b"set f4 0 0 1\r\nx\r\nflush_all 0 noreply\r\nget f4\r\n"],
];

const BAD: &str = "CLIENT_ERROR bad command line format\r\n";

/// The host answers as written here.
const DIFFER: &[(Why, &str, &str)] = &[
    (Why::Newer, "\r\n\n \r\na\r\nversion\r\n", "{bad}{bad}{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "get\r\nget \r\ngets\r\ngat\r\ngats\r\nversion\r\n", "{bad}{bad}{bad}{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "gat 0\r\ngat a\r\nversion\r\n", "{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "set\r\nset a\r\nset a 0\r\nset a 0 0\r\nversion\r\n", "{bad}{bad}{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "incr\r\nincr a\r\nincr noreply\r\nversion\r\n", "{bad}{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "touch\r\ntouch a\r\ntouch noreply\r\nversion\r\n", "{bad}{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "delete\r\nverbosity\r\nversion\r\n", "{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "delete nw 10\r\ndelete nw foo\r\n", "NOT_FOUND\r\nNOT_FOUND\r\n"),
    (Why::Newer, " get k\r\n", "ERROR\r\n"),
    (Why::Newer, "bget k\r\n", "ERROR\r\n"),
    (Why::Newer, "set nu\0l 0 0 1\r\nx\r\nget nu\0l\r\n", "STORED\r\nVALUE nu\0l 0 1\r\nx\r\nEND\r\n"),
    (Why::Newer, "set nx -1 0 1\r\nx\r\nversion\r\n", "{bad}VERSION #\r\n"),
    (Why::Newer, "set nx x 0 1\r\nx\r\nset nx 0 x 1\r\nx\r\nversion\r\n", "{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "set nx x 0 1 noreply\r\nx\r\nversion\r\n", "VERSION #\r\n"),
    (Why::Newer, "set nx 0 9223372036854775808 1\r\nx\r\nversion\r\n", "{bad}VERSION #\r\n"),
    (Why::Newer, "set nx 0 0 1 foo bar\r\nx\r\nversion\r\n", "STORED\r\nVERSION #\r\n"),
    (Why::Newer, "set nx 0 0 4294967297\r\nversion\r\n", "{bad}VERSION #\r\n"),
    (Why::Newer, "cas nx 0 0 1\r\nx\r\ncas nx 0 0 1 x\r\nx\r\nversion\r\n", "{bad}{bad}VERSION #\r\n"),
    (Why::Newer, "cas nx 0 0 1 noreply\r\nx\r\nversion\r\n", "VERSION #\r\n"),
    (Why::Newer, "set KEY251 0 0 1\r\nx\r\nset KEY251 0 0 1 noreply\r\nx\r\nversion\r\n", "{bad}VERSION #\r\n"),
    (Why::Newer, "set nb 0 0 1\r\nxyz\r\nversion\r\n", "CLIENT_ERROR bad data chunk\r\n{bad}VERSION #\r\n"),
    (Why::Newer, "incr nw +1\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
    (Why::Newer, "verbosity 0 foo bar\r\n", "OK\r\n"),
    (Why::Newer, "get / HTTP/1.1\r\n\r\nversion\r\n", "END\r\n{bad}VERSION #\r\n"),
    (Why::Older, "get KEY251\r\n", "{bad}"),
    (Why::Older, "gat 0 KEY251 k\r\n", "{bad}"),
    (
        Why::Older,
        "shutdown\r\nshutdown graceful\r\n",
        "SERVER_ERROR: shutdown not enabled\r\nSERVER_ERROR: shutdown not enabled\r\n",
    ),
    (
        Why::EveryCommandIsAnswered,
        "set ea 0 0 1\r\nx\r\nget ea KEY251 ea\r\nversion\r\n",
        "STORED\r\n{bad}VERSION #\r\n",
    ),
    (Why::EveryCommandIsAnswered, "version\r\ngat 0 a KEY251\r\nversion\r\n", "VERSION #\r\n{bad}VERSION #\r\n"),
    (Why::EveryCommandIsAnswered, "version\r\nPOST / HTTP/1.0\r\nversion\r\n", "VERSION #\r\n"),
    (Why::WideExptime, "set e3 0 99999999999 1\r\nx\r\nget e3\r\n", "STORED\r\nVALUE e3 0 1\r\nx\r\nEND\r\n"),
    (Why::DeleteTakesTwoArguments, "delete a b c d e\r\nversion\r\n", "{bad}VERSION #\r\n"),
    (Why::FlagsAreNeverCut, "set fl 4294967296 0 1\r\nx\r\nget fl\r\n", "{bad}END\r\n"),
    (Why::LineLimit, "X2049\r\nversion\r\n", ""),
    (Why::LineLimit, "gat 0 X2049\r\nversion\r\n", ""),
    (Why::LineLimit, "version\r\nset X3000 0 0 1\r\nx\r\nversion\r\n", "VERSION #\r\n"),
    (Why::NoPadding, "set np 0 0 2\r\n10\r\ndecr np 1\r\nget np\r\n", "STORED\r\n9\r\nVALUE np 0 1\r\n9\r\nEND\r\n"),
];

/// Writes out the words that stand for something long.
fn expand(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let words: [(&[u8], Vec<u8>); 6] = [
        (b"KEY250", vec![b'k'; 250]),
        (b"KEY251", vec![b'k'; 251]),
        (b"X2048", vec![b'x'; 2048]),
        (b"X2049", vec![b'x'; 2049]),
        (b"X3000", vec![b'x'; 3000]),
        (b"KEYS", b"key ".repeat(2000)),
    ];
    for (word, long) in words {
        while let Some(at) = text.windows(word.len()).position(|window| window == word) {
            text.splice(at..at + word.len(), long.iter().copied());
        }
    }
    text
}

/// A set of `length` bytes.
fn set(key: &str, length: usize) -> String {
    format!("set {key} 0 0 {length}\r\n{}\r\n", "v".repeat(length))
}

/// Every script, in the order in which they run.
pub fn all() -> Vec<Script> {
    const MIB: usize = 1 << 20;
    let differ = |why, send: String, ours: String| Script {
        send: vec![expand(send.as_bytes())],
        differs: Some((why, ours.replace("{bad}", BAD).into_bytes())),
    };
    let same = |send: String| Script { send: vec![send.into_bytes()], differs: None };
    let mut scripts: Vec<Script> =
        DIFFER.iter().map(|(why, send, ours)| differ(*why, (*send).into(), (*ours).into())).collect();
    scripts.push(same(set("l1", 1_000_000) + "get l1\r\n"));
    scripts.push(same(set("l2", MIB + 1) + "get l2\r\n"));
    scripts.push(same(set("l3", 20 * MIB) + "version\r\n"));
    scripts.push(same(format!("set l4 0 0 {} noreply\r\n{}\r\nversion\r\n", 2 * MIB, "v".repeat(2 * MIB))));
    let value = "v".repeat(MIB);
    let ours = format!("STORED\r\nVALUE l6 0 {MIB}\r\n{value}\r\nEND\r\n");
    scripts.push(differ(Why::ItemSize, set("l6", MIB) + "get l6\r\n", ours));
    let ours = "STORED\r\nSERVER_ERROR object too large for cache\r\nVALUE l7 0 1\r\nv\r\nEND\r\n";
    scripts.push(differ(Why::RefusedSetKeepsTheRow, set("l7", 1) + &set("l7", MIB + 1) + "get l7\r\n", ours.into()));
    scripts.extend(
        SAME.iter().map(|parts| Script { send: parts.iter().map(|part| expand(part)).collect(), differs: None }),
    );
    scripts
}
