//! The binary protocol in words, so that scripts and their answers can be read.
//!
//! Requests stand between semicolons: `set KEY FLAGS EXPTIME VALUE`, `append KEY VALUE`, `get KEY`, `gat KEY EXPTIME`, `incr KEY DELTA`
//! with `INITIAL EXPTIME` behind it where there is an initial value, `flush` or `flush DELAY`, `auth MECHANISM DATA` and so on; a `q`
//! makes it quiet. `set@7` compares with cas number 7, `set@last` with the last one that was heard.
//!
//! An answer is the number of its request in the script, the opcode's name, the status in hexadecimal, and what else it carries: `cas`
//! if that is not 0, the extras after an `x`, the key after `key=`, the value.

use super::Client;

const OPCODES: &[(&str, u8)] = &[
    ("get", 0x00),
    ("set", 0x01),
    ("add", 0x02),
    ("replace", 0x03),
    ("delete", 0x04),
    ("incr", 0x05),
    ("decr", 0x06),
    ("quit", 0x07),
    ("flush", 0x08),
    ("getq", 0x09),
    ("noop", 0x0a),
    ("version", 0x0b),
    ("getk", 0x0c),
    ("getkq", 0x0d),
    ("append", 0x0e),
    ("prepend", 0x0f),
    ("stat", 0x10),
    ("setq", 0x11),
    ("addq", 0x12),
    ("replaceq", 0x13),
    ("deleteq", 0x14),
    ("incrq", 0x15),
    ("decrq", 0x16),
    ("quitq", 0x17),
    ("flushq", 0x18),
    ("appendq", 0x19),
    ("prependq", 0x1a),
    ("verbosity", 0x1b),
    ("touch", 0x1c),
    ("gat", 0x1d),
    ("gatq", 0x1e),
    ("mechs", 0x20),
    ("auth", 0x21),
    ("step", 0x22),
    ("gatk", 0x23),
    ("gatkq", 0x24),
];

/// A packet whose header tells the truth.
pub fn packet(opcode: u8, opaque: u32, cas: u64, extras: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let lengths = (extras.len(), key.len(), extras.len() + key.len() + value.len());
    let mut packet = header(opcode, opaque, cas, lengths);
    for part in [extras, key, value] {
        packet.extend_from_slice(part);
    }
    packet
}

/// A header that announces these lengths of extras, key and body.
pub fn header(opcode: u8, opaque: u32, cas: u64, (extras, key, body): (usize, usize, usize)) -> Vec<u8> {
    let mut header = vec![0x80, opcode];
    header.extend_from_slice(&u16::try_from(key).unwrap().to_be_bytes());
    header.extend_from_slice(&[u8::try_from(extras).unwrap(), 0, 0, 0]);
    header.extend_from_slice(&u32::try_from(body).unwrap().to_be_bytes());
    header.extend_from_slice(&opaque.to_be_bytes());
    header.extend_from_slice(&cas.to_be_bytes());
    header
}

/// Numbers requests and remembers cas numbers.
#[derive(Default)]
pub struct Script {
    sent: u32,
    last_cas: u64,
}

impl Script {
    /// Requests in words as bytes.
    pub fn requests(&mut self, text: &str) -> Vec<u8> {
        text.split("; ").flat_map(|request| self.request(request)).collect()
    }

    fn request(&mut self, text: &str) -> Vec<u8> {
        let mut words = text.split(' ');
        let verb = words.next().unwrap();
        let (name, cas) = match verb.split_once('@') {
            None => (verb, 0),
            Some((name, "last")) => (name, self.last_cas),
            Some((name, number)) => (name, number.parse().unwrap()),
        };
        let opcode = OPCODES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no opcode {name}")).1;
        let loud = name.strip_suffix('q').unwrap_or(name);
        let mut word = || words.next().unwrap_or_default();
        let number = |word: &str| word.parse::<u32>().unwrap_or_else(|_| panic!("no number: {text}")).to_be_bytes();
        let long = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("no number: {text}")).to_be_bytes();
        let (mut extras, mut key, mut value) = (Vec::new(), "", "");
        match loud {
            "set" | "add" | "replace" => {
                key = word();
                extras.extend([number(word()), number(word())].concat());
                value = word();
            }
            "append" | "prepend" | "auth" | "step" => (key, value) = (word(), word()),
            "incr" | "decr" => {
                key = word();
                extras.extend(long(word()));
                match word() {
                    "" => extras.extend([0xff; 12]),
                    initial => {
                        extras.extend(long(initial));
                        extras.extend(number(word()));
                    }
                }
            }
            "touch" | "gat" | "gatk" => {
                key = word();
                extras.extend(number(word()));
            }
            "flush" | "verbosity" => {
                if let Some(delay) = Some(word()).filter(|word| !word.is_empty()) {
                    extras.extend(number(delay));
                }
            }
            "stat" => key = text.split_once(' ').map_or("", |(_, rest)| rest),
            _ => key = word(),
        }
        self.sent += 1;
        packet(opcode, self.sent, cas, &extras, key.as_bytes(), value.as_bytes())
    }

    /// One answer in words, from the start of `bytes`; `None` if it is not all there.
    pub fn answer(&mut self, bytes: &mut &[u8]) -> Option<String> {
        let header = bytes.get(..24)?;
        assert_eq!((header[0], header[5]), (0x81, 0), "no answer: {}", header.escape_ascii());
        let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let (key, extras) = (usize::from(header[2]) << 8 | usize::from(header[3]), usize::from(header[4]));
        let body = bytes.get(24..24 + word(8) as usize)?;
        *bytes = &bytes[24 + body.len()..];
        let (extras, rest) = body.split_at(extras);
        let (key, value) = rest.split_at(key);
        let cas = u64::from_be_bytes(header[16..24].try_into().unwrap());
        let name = OPCODES.iter().find(|(_, opcode)| *opcode == header[1]).map_or("unknown", |(name, _)| name);
        let mut text = format!("{} {name} {:x}", word(12), usize::from(header[6]) << 8 | usize::from(header[7]));
        if cas != 0 {
            self.last_cas = cas;
            text += " cas";
        }
        if !extras.is_empty() {
            text += " x";
            text.extend(extras.iter().map(|byte| format!("{byte:02x}")));
        }
        if !key.is_empty() {
            text += &format!(" key={}", key.escape_ascii());
        }
        if !value.is_empty() {
            text += &format!(" {}", value.escape_ascii());
        }
        Some(text)
    }

    /// Everything that a server said, in words.
    pub fn answers(&mut self, mut bytes: &[u8]) -> String {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer(&mut bytes) {
            answers.push(answer);
        }
        assert!(bytes.is_empty(), "half an answer: {}", bytes.escape_ascii());
        answers.join("; ")
    }
}

/// A client that speaks in packets.
pub struct PacketClient {
    client: Client,
    script: Script,
}

impl PacketClient {
    pub fn new(client: Client) -> Self {
        Self { client, script: Script::default() }
    }

    #[track_caller]
    pub fn send(&mut self, requests: &str) {
        self.client.send(self.script.requests(requests));
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.client.try_send(bytes);
    }

    /// The next answer.
    #[track_caller]
    pub fn read(&mut self) -> String {
        let mut bytes = self.client.read_exact(24);
        let body = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
        bytes.extend(self.client.read_exact(body as usize));
        self.script.answer(&mut bytes.as_slice()).unwrap()
    }

    /// The next answers are exactly these; an empty text is none.
    #[track_caller]
    pub fn expect(&mut self, answers: &str) {
        let mut got = Vec::new();
        for _ in answers.split("; ").filter(|answer| !answer.is_empty()) {
            got.push(self.read());
        }
        assert_eq!(got.join("; "), answers);
    }

    /// Sends and expects.
    #[track_caller]
    pub fn ask(&mut self, requests: &str, answers: &str) {
        self.send(requests);
        self.expect(answers);
    }

    /// Says who it is.
    #[track_caller]
    pub fn log_in(&mut self, name: &str, password: &str) {
        self.send(&format!("auth PLAIN \0{name}\0{password}"));
        let answer = self.read();
        assert!(answer.ends_with(" auth 0 Authenticated"), "{answer}");
        self.script.sent = 0;
    }

    #[track_caller]
    pub fn expect_close(&mut self) {
        self.client.expect_close();
    }
}

/// What is sent on one connection, and the whole answer to it. Every script uses keys of its own.
pub const SCRIPTS: &[super::scripts::Script] = &[
    (
        "reads",
        &[
            (
                "set re 5 0 hello; get re; getq re",
                "1 set 0 cas; 2 get 0 cas x00000005 hello; 3 getq 0 cas x00000005 hello",
            ),
            ("getk re; getkq re", "4 getk 0 cas x00000005 key=re hello; 5 getkq 0 cas x00000005 key=re hello"),
            ("get no; getk no", "6 get 1 Not found; 7 getk 1 key=no"),
            ("getq no; getkq no; getkq re; noop", "10 getkq 0 cas x00000005 key=re hello; 11 noop 0"),
            ("set re 4294967295 0; get re", "12 set 0 cas; 13 get 0 cas xffffffff"),
        ],
    ),
    (
        "conditions",
        &[
            ("replace co 0 0 a; replaceq co 0 0 a", "1 replace 1 Not found; 2 replaceq 1 Not found"),
            ("append co a; appendq co a", "3 append 5 Not stored.; 4 appendq 5 Not stored."),
            ("prepend co a; prependq co a", "5 prepend 5 Not stored.; 6 prependq 5 Not stored."),
            ("add co 7 0 b; add co 8 0 c", "7 add 0 cas; 8 add 2 Data exists for key."),
            ("addq co 8 0 c", "9 addq 2 Data exists for key."),
            ("append co cd; prepend co a; get co", "10 append 0 cas; 11 prepend 0 cas; 12 get 0 cas x00000007 abcd"),
            ("appendq co e; prependq co _; replaceq co-no 0 0 x", "15 replaceq 1 Not found"),
            (
                "get co; replace co 9 0 z; get co",
                "16 get 0 cas x00000007 _abcde; 17 replace 0 cas; 18 get 0 cas x00000009 z",
            ),
            (
                "addq co-2 0 0 1; setq co-3 0 0 2; replaceq co-3 0 0 3; get co-2; get co-3",
                "22 get 0 cas x00000000 1; 23 get 0 cas x00000000 3",
            ),
        ],
    ),
    (
        "cas numbers",
        &[
            (
                "set@77 ca 0 0 x; add@77 ca 0 0 x; replace@77 ca 0 0 x",
                "1 set 1 Not found; 2 add 1 Not found; 3 replace 1 Not found",
            ),
            ("append@77 ca x; get ca", "4 append 5 Not stored.; 5 get 1 Not found"),
            ("set ca 0 0 1", "6 set 0 cas"),
            ("set@last ca 0 0 2", "7 set 0 cas"),
            ("add@last ca 0 0 3", "8 add 0 cas"),
            ("replace@last ca 0 0 4", "9 replace 0 cas"),
            ("append@last ca 5", "10 append 0 cas"),
            ("incr@last ca 1", "11 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00."),
            ("get ca", "12 get 0 cas x00000000 46"),
            (
                "set@1 ca 0 0 x; add@1 ca 0 0 x; setq@1 ca 0 0 x",
                "13 set 2 Data exists for key.; 14 add 2 Data exists for key.; 15 setq 2 Data exists for key.",
            ),
            (
                "append@1 ca x; incr@1 ca 1; decrq@1 ca 1",
                "16 append 2 Data exists for key.; 17 incr 2 Data exists for key.; 18 decrq 2 Data exists for key.",
            ),
            ("delete@1 ca; deleteq@1 ca", "19 delete 2 Data exists for key.; 20 deleteq 2 Data exists for key."),
            ("get ca", "21 get 0 cas x00000000 46"),
            ("delete@last ca; delete@last ca", "22 delete 0; 23 delete 1 Not found"),
        ],
    ),
    (
        "counters",
        &[
            ("incr cn 1; incrq cn 1; decr cn 1", "1 incr 1 Not found; 2 incrq 1 Not found; 3 decr 1 Not found"),
            ("incr cn 1 10 0; get cn", "4 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\n; 5 get 0 cas x00000000 10"),
            (
                "incr cn 5 10 0; decr cn 6 10 0",
                "6 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x0f; 7 decr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\t",
            ),
            ("decr cn 100", "8 decr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"),
            (
                "incr cn 18446744073709551615; incr cn 2",
                "9 incr 0 cas \\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff; 10 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01",
            ),
            (
                "incrq cn 1; decrq cn-2 1 7 0; incrq cn-2 1; get cn; get cn-2",
                "14 get 0 cas x00000000 2; 15 get 0 cas x00000000 8",
            ),
            (
                "set cn 0 0 abc; incr cn 1; incrq cn 1",
                "16 set 0 cas; 17 incr 6 Non-numeric server-side value for incr or decr; 18 incrq 6 Non-numeric server-side value for incr or decr",
            ),
            (
                "decr cn-3 1 18446744073709551615 0; get cn-3",
                "19 decr 0 cas \\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff; 20 get 0 cas x00000000 18446744073709551615",
            ),
            (
                "incr@5 cn-4 1 7 0; incr cn-4 1",
                "21 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07; 22 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x08",
            ),
        ],
    ),
    (
        "delete and touch",
        &[
            ("delete dt; deleteq dt", "1 delete 1 Not found; 2 deleteq 1 Not found"),
            (
                "touch dt 10; gat dt 10; gatk dt 10; gatq dt 10; gatkq dt 10",
                "3 touch 1 Not found; 4 gat 1 Not found; 5 gatk 1 key=dt",
            ),
            (
                "set dt 9 0 x; touch dt 100; gat dt 100",
                "8 set 0 cas; 9 touch 0 cas x00000009; 10 gat 0 cas x00000009 x",
            ),
            (
                "gatk dt 0; gatq dt 0; gatkq dt 0",
                "11 gatk 0 cas x00000009 key=dt x; 12 gatq 0 cas x00000009 x; 13 gatkq 0 cas x00000009 key=dt x",
            ),
            ("touch dt 2592001; get dt; gat dt 0", "14 touch 0 cas x00000009; 15 get 1 Not found; 16 gat 1 Not found"),
            ("setq dt 0 0 1; deleteq dt; delete dt", "19 delete 1 Not found"),
        ],
    ),
    (
        "expiry",
        &[
            ("set ex 0 2592001 x; get ex", "1 set 0 cas; 2 get 1 Not found"),
            (
                "replace ex 0 0 x; append ex x; incr ex 1; delete ex",
                "3 replace 1 Not found; 4 append 5 Not stored.; 5 incr 1 Not found; 6 delete 1 Not found",
            ),
            ("set ex 0 2592001 x; add ex 0 0 y; get ex", "7 set 0 cas; 8 add 0 cas; 9 get 0 cas x00000000 y"),
            // The largest number is a time far away; there are no negative ones.
            ("set ex 0 4294967295 x; get ex", "10 set 0 cas; 11 get 0 cas x00000000 x"),
            (
                "incr ex-2 1 5 2592001; get ex-2",
                "12 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x05; 13 get 1 Not found",
            ),
            (
                "incr ex-2 1 5 4294967294; get ex-2",
                "14 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x05; 15 get 0 cas x00000000 5",
            ),
        ],
    ),
    (
        "pipelines answer in order",
        &[(
            "set pb 0 0 1; get pb; setq pa 0 0 2; getkq pa; getkq pc; getkq pb; incr pb 4; deleteq pa; get pb; noop; get pa",
            "1 set 0 cas; 2 get 0 cas x00000000 1; 4 getkq 0 cas x00000000 key=pa 2; 6 getkq 0 cas x00000000 key=pb 1; \
             7 incr 0 cas \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x05; 9 get 0 cas x00000000 5; 10 noop 0; 11 get 1 Not found",
        )],
    ),
    (
        "others",
        &[
            ("noop; verbosity 1; stat nonsense", "1 noop 0; 2 verbosity 0; 3 stat 1 Not found"),
            ("stat sizes", "4 stat 0 key=sizes_status disabled; 4 stat 0"),
        ],
    ),
];
