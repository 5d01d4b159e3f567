//! memcached's text commands as scripts: every host must give the same answers.

/// A name, and what is sent on one connection with the whole answer to it.
pub type Script = (&'static str, &'static [(&'static str, &'static str)]);

/// What is sent on one connection, and the whole answer to it. Every script uses keys of its own.
pub const SCRIPTS: &[Script] = &[
    (
        "set and get",
        &[
            ("set sg 5 0 5\r\nhello\r\n", "STORED\r\n"),
            ("get sg\r\n", "VALUE sg 5 5\r\nhello\r\nEND\r\n"),
            ("get sg-none\r\n", "END\r\n"),
            ("get sg sg-none sg\r\n", "VALUE sg 5 5\r\nhello\r\nVALUE sg 5 5\r\nhello\r\nEND\r\n"),
            ("set sg 4294967295 0 0\r\n\r\n", "STORED\r\n"),
            ("get sg\r\n", "VALUE sg 4294967295 0\r\n\r\nEND\r\n"),
            ("set sg 1 0 3 noreply\r\nabc\r\nget sg\r\n", "VALUE sg 1 3\r\nabc\r\nEND\r\n"),
        ],
    ),
    (
        "conditions",
        &[
            ("replace co 0 0 1\r\na\r\n", "NOT_STORED\r\n"),
            ("append co 0 0 1\r\na\r\n", "NOT_STORED\r\n"),
            ("prepend co 0 0 1\r\na\r\n", "NOT_STORED\r\n"),
            ("add co 7 0 1\r\nb\r\n", "STORED\r\n"),
            ("add co 0 0 1\r\nc\r\n", "NOT_STORED\r\n"),
            ("append co 9 9 2\r\ncd\r\n", "STORED\r\n"),
            ("prepend co 9 9 1\r\na\r\n", "STORED\r\n"),
            ("get co\r\n", "VALUE co 7 4\r\nabcd\r\nEND\r\n"),
            ("replace co 8 0 1\r\nz\r\n", "STORED\r\n"),
            ("get co\r\n", "VALUE co 8 1\r\nz\r\nEND\r\n"),
        ],
    ),
    (
        "counters",
        &[
            ("incr cn 1\r\n", "NOT_FOUND\r\n"),
            ("set cn 3 0 2\r\n10\r\n", "STORED\r\n"),
            ("incr cn 5\r\n", "15\r\n"),
            ("decr cn 6\r\n", "9\r\n"),
            ("decr cn 100\r\n", "0\r\n"),
            ("incr cn 18446744073709551615\r\n", "18446744073709551615\r\n"),
            ("incr cn 2\r\n", "1\r\n"),
            ("get cn\r\n", "VALUE cn 3 1\r\n1\r\nEND\r\n"),
            ("incr cn x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
            ("set cn 0 0 3\r\nabc\r\n", "STORED\r\n"),
            ("incr cn 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
            ("incr cn 1 noreply\r\nset cn 0 0 1 noreply\r\n4\r\nincr cn 1 noreply\r\ndecr cn 2\r\n", "3\r\n"),
        ],
    ),
    (
        "delete and touch",
        &[
            ("delete dt\r\n", "NOT_FOUND\r\n"),
            ("touch dt 10\r\n", "NOT_FOUND\r\n"),
            ("set dt 0 0 1\r\nx\r\n", "STORED\r\n"),
            ("touch dt 100\r\n", "TOUCHED\r\n"),
            ("gat 100 dt\r\n", "VALUE dt 0 1\r\nx\r\nEND\r\n"),
            ("gat 100 dt-none\r\n", "END\r\n"),
            ("delete dt\r\n", "DELETED\r\n"),
            ("get dt\r\n", "END\r\n"),
            ("set dt 0 0 1 noreply\r\nx\r\ndelete dt noreply\r\ntouch dt 0 noreply\r\nget dt\r\n", "END\r\n"),
        ],
    ),
    (
        "expired is absent for every command",
        &[
            ("set ex 0 -1 1\r\n1\r\n", "STORED\r\n"),
            ("get ex\r\n", "END\r\n"),
            ("touch ex 0\r\n", "NOT_FOUND\r\n"),
            ("gat 0 ex\r\n", "END\r\n"),
            ("incr ex 1\r\n", "NOT_FOUND\r\n"),
            ("append ex 0 0 1\r\n1\r\n", "NOT_STORED\r\n"),
            ("replace ex 0 0 1\r\n1\r\n", "NOT_STORED\r\n"),
            ("cas ex 0 0 1 1\r\n1\r\n", "NOT_FOUND\r\n"),
            ("add ex 0 0 1\r\n2\r\n", "STORED\r\n"),
            ("get ex\r\n", "VALUE ex 0 1\r\n2\r\nEND\r\n"),
            ("set ex 0 1 1\r\n3\r\ntouch ex -1\r\n", "STORED\r\nTOUCHED\r\n"),
            ("delete ex\r\n", "NOT_FOUND\r\n"),
            ("set ex 0 2592001 1\r\n3\r\n", "STORED\r\n"), // absolute, in 1970
            ("get ex\r\n", "END\r\n"),
        ],
    ),
    (
        "pipelines answer in order",
        &[(
            "set pb 0 0 1\r\n1\r\nget pa\r\nset pa 0 0 1\r\n2\r\nget pa pb\r\nincr pb 4\r\ndelete pa\r\nget pb\r\nversionx\r\nget pa\r\n",
            "STORED\r\nEND\r\nSTORED\r\nVALUE pa 0 1\r\n2\r\nVALUE pb 0 1\r\n1\r\nEND\r\n5\r\nDELETED\r\nVALUE pb 0 1\r\n5\r\nEND\r\nERROR\r\nEND\r\n",
        )],
    ),
    ("others", &[("verbosity 1\r\n", "OK\r\n"), ("nonsense\r\n", "ERROR\r\n")]),
];
