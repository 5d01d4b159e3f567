//! The meta commands as scripts, each with what memcached 1.6.45 answers (`tests/protocol/golden.rs` asks it).
//!
//! `t~100` in an answer is a time to live that was 100 a few seconds ago at most.

use super::Client;
use super::scripts::Script;

const BAD: &str = "CLIENT_ERROR bad command line format\r\n";
const TOKEN: &str = "CLIENT_ERROR bad token in command line format\r\n";
const DUPLICATE: &str = "CLIENT_ERROR duplicate flag\r\n";
const INVALID: &str = "CLIENT_ERROR invalid flag\r\n";
const EITHER: &str = "CLIENT_ERROR invalid or duplicate flag\r\n";
const BASE64: &str = "CLIENT_ERROR error decoding key\r\n";

/// memcached and the host answer the same.
pub const SAME: &[Script] = &[
    ("no-op", &[("mn\r\n", "MN\r\n"), ("mn q k ! x\r\n", "MN\r\n"), ("mnx\r\n", "ERROR\r\n")]),
    (
        "get",
        &[
            ("mg ga v\r\n", "EN\r\n"),
            ("mg ga k O1 t v\r\n", "EN kga O1\r\n"),
            ("mg ga v q k\r\nmn\r\n", "MN\r\n"),
            ("ms ga 5 F7 T0 E12\r\nhello\r\n", "HD\r\n"),
            ("mg ga\r\n", "HD\r\n"),
            ("mg ga v\r\n", "VA 5\r\nhello\r\n"),
            ("mg ga t f v s k c Oabc u q\r\n", "VA 5 t-1 f7 s5 kga c12 Oabc\r\nhello\r\n"),
            ("mg ga Oabc c k s f t\r\n", "HD Oabc c12 kga s5 f7 t-1\r\n"),
            ("mg  ga   v   k \r\n", "VA 5 kga\r\nhello\r\n"),
            ("mg ga vx kx tx Oo\r\n", "VA 5 kga t-1 Oo\r\nhello\r\n"),
            ("get ga\r\n", "VALUE ga 7 5\r\nhello\r\nEND\r\n"),
            ("mg ga P L v\r\nmg ga Pa/b Lc x I M D5 J5 F1\r\n", "VA 5\r\nhello\r\nHD\r\n"),
        ],
    ),
    (
        "get compares cas numbers",
        &[
            ("ms gc 1 E5\r\nx\r\n", "HD\r\n"),
            ("mg gc C5 v c\r\n", "HD c5\r\n"),
            ("mg gc C4 v\r\n", "VA 1\r\nx\r\n"),
            ("mg gc C4\r\n", "HD\r\n"),
            ("mg gc C5 v q k T60 t\r\n", "HD kgc t~60\r\n"),
            ("mg gc-none C5 v\r\n", "EN\r\n"),
        ],
    ),
    (
        "time to live",
        &[
            ("ms tl 1 T100\r\nx\r\n", "HD\r\n"),
            ("mg tl t\r\n", "HD t~100\r\n"),
            ("mg tl T500 t v\r\n", "VA 1 t~500\r\nx\r\n"),
            ("mg tl t\r\n", "HD t~500\r\n"),
            ("mg tl T0 t\r\n", "HD t-1\r\n"),
            ("mg tl-none T5 t\r\n", "EN\r\n"),
            ("mg tl T-1 v\r\n", "VA 1\r\nx\r\n"),
            ("mg tl\r\n", "EN\r\n"),
            ("ms tl 1 T-1\r\nx\r\n", "HD\r\n"),
            ("mg tl\r\n", "EN\r\n"),
        ],
    ),
    (
        "hits",
        &[
            ("ms hi 1\r\nx\r\n", "HD\r\n"),
            ("mg hi h l u\r\nmg hi u h\r\n", "HD h0 l0\r\nHD h0\r\n"),
            ("mg hi h\r\nmg hi h\r\nmg hi h v u\r\n", "HD h0\r\nHD h1\r\nVA 1 h1\r\nx\r\n"),
            ("ms hi 1\r\nx\r\n", "HD\r\n"),
            ("mg hi h l\r\n", "HD h0 l0\r\n"),
        ],
    ),
    (
        "set and its modes",
        &[
            ("ms se 1 ME k\r\n1\r\n", "HD kse\r\n"),
            ("ms se 1 ME k O1\r\n1\r\n", "NS kse O1\r\n"),
            ("ms se 2 MA s\r\n23\r\n", "HD s3\r\n"),
            ("ms se 1 MP s F9 T9\r\n0\r\n", "HD s4\r\n"),
            ("mg se v f t\r\n", "VA 4 f0 t-1\r\n0123\r\n"),
            ("ms se 1 MR F3 E70 c\r\nr\r\n", "HD c70\r\n"),
            ("ms se 2 MS s\r\nss\r\n", "HD s2\r\n"),
            ("ms se 2 MSet s q\r\nst\r\nmg se v f\r\n", "VA 2 f0\r\nst\r\n"),
            (
                "ms se-none 1 MR\r\nx\r\nms se-none 1 MA\r\nx\r\nms se-none 1 MP k\r\nx\r\n",
                "NS\r\nNS\r\nNS kse-none\r\n",
            ),
            (
                "ms se-none 1 Me\r\nx\r\nms se-none 1 MX q\r\nx\r\n",
                "CLIENT_ERROR invalid mode for ms M token\r\nCLIENT_ERROR invalid mode for ms M token\r\n",
            ),
            ("mg se-none\r\n", "EN\r\n"),
            ("ms se 0\r\n\r\nmg se v\r\n", "HD\r\nVA 0\r\n\r\n"),
            ("ms se 6\r\na\r\nb\r\n\r\nmg se v\r\n", "HD\r\nVA 6\r\na\r\nb\r\n\r\n"),
        ],
    ),
    (
        "append may create",
        &[
            ("ms ac 5 MA N0 T5 F7 s\r\nvalue\r\n", "HD s5\r\n"),
            ("mg ac v t f\r\n", "VA 5 t-1 f7\r\nvalue\r\n"),
            ("ms ac 1 MA N30 s\r\n!\r\n", "HD s6\r\n"),
            ("mg ac v t\r\n", "VA 6 t-1\r\nvalue!\r\n"),
            ("ms ad 1 MP N30\r\nx\r\n", "HD\r\n"),
            ("mg ad t\r\n", "HD t~30\r\n"),
            ("ms ae 1 MR N30\r\nx\r\n", "NS\r\n"),
        ],
    ),
    (
        "set compares cas numbers",
        &[
            ("ms sc 1 E1000 c\r\na\r\n", "HD c1000\r\n"),
            ("ms sc 1 C999 k O1 c\r\nb\r\n", "EX ksc O1 c0\r\n"),
            ("ms sc 1 C999 q\r\nb\r\n", "EX\r\n"),
            ("ms sc 1 C1000 E1001 c\r\nb\r\n", "HD c1001\r\n"),
            ("ms sc 1 C1000 MA\r\nc\r\nms sc 1 C1001 E1002 MA\r\nc\r\n", "EX\r\nHD\r\n"),
            ("ms sc 1 C1002 ME\r\nd\r\nms sc 1 C1 MR\r\nd\r\n", "NS\r\nEX\r\n"),
            ("mg sc v c\r\n", "VA 2 c1002\r\nbc\r\n"),
            ("ms sc-none 1 C1\r\nx\r\nms sc-none 1 C1 q MR\r\nx\r\n", "NF\r\nNF\r\n"),
            ("ms sc-none 1 C1 ME\r\nx\r\n", "HD\r\n"),
        ],
    ),
    (
        "delete",
        &[
            ("md de\r\nmd de q k\r\nmd de O1\r\n", "NF\r\nNF kde\r\nNF O1\r\n"),
            ("ms de 1 E5 T100\r\nx\r\n", "HD\r\n"),
            ("md de C4\r\nmd de C4 q O2\r\n", "EX\r\nEX O2\r\n"),
            ("md de C5 k O3\r\nmg de\r\n", "HD kde O3\r\nEN\r\n"),
            ("ms de 1\r\nx\r\nmd de q\r\nmg de\r\n", "HD\r\nEN\r\n"),
            ("ms de 1\r\nx\r\nmd de T30 c t v f h\r\nmg de\r\n", "HD\r\nHD\r\nEN\r\n"),
        ],
    ),
    (
        "delete of the value alone",
        &[
            ("ms dx 5 T100 F7\r\nvalue\r\n", "HD\r\n"),
            ("md dx x\r\n", "HD\r\n"),
            ("mg dx v s f t\r\n", "VA 0 s0 f0 t-1\r\n\r\n"),
            ("md dx x T50 E9\r\nmg dx t c\r\n", "HD\r\nHD t~50 c9\r\n"),
            ("md dx x C8\r\nmd dx-none x\r\n", "EX\r\nNF\r\n"),
            ("md dx x I T60 E10\r\nmg dx v t c\r\n", "HD\r\nVA 0 t~60 c10 X W\r\n\r\n"),
        ],
    ),
    (
        "stale items",
        &[
            ("md st I\r\nmd st I q\r\n", "NF\r\nNF\r\n"),
            ("ms st 5 F7\r\nvalue\r\n", "HD\r\n"),
            ("md st I\r\n", "HD\r\n"),
            ("mg st v f k O1\r\n", "VA 5 f7 kst O1 X W\r\nvalue\r\n"),
            ("mg st v f\r\nmg st q\r\n", "VA 5 f7 Z X\r\nvalue\r\nHD Z X\r\n"),
            ("get st\r\n", "VALUE st 7 5\r\nvalue\r\nEND\r\n"),
            ("md st I T30 E77 q\r\nmn\r\n", "MN\r\n"),
            ("mg st t c\r\nmg st t c\r\n", "HD t~30 c77 X W\r\nHD t~30 c77 Z X\r\n"),
            ("touch st 100\r\nmg st t\r\n", "TOUCHED\r\nHD t~100 Z X\r\n"),
            ("mg st T200\r\ngat 0 st\r\nmg st\r\n", "HD Z X\r\nVALUE st 7 5\r\nvalue\r\nEND\r\nHD Z X\r\n"),
            ("md st I C76\r\nms st 1 C76\r\nx\r\nmg st\r\n", "EX\r\nEX\r\nHD Z X\r\n"),
            ("md st I C77 E78\r\nms st 3\r\nnew\r\n", "HD\r\nHD\r\n"),
            ("mg st v\r\nmg st\r\n", "VA 3\r\nnew\r\nHD\r\n"),
        ],
    ),
    (
        "every way to store renews a stale item",
        &[
            ("ms sw 1\r\n1\r\nmd sw I\r\nset sw 0 0 1\r\nx\r\nmg sw\r\n", "HD\r\nHD\r\nSTORED\r\nHD\r\n"),
            ("md sw I\r\nmg sw\r\nreplace sw 0 0 1\r\nx\r\nmg sw\r\n", "HD\r\nHD X W\r\nSTORED\r\nHD\r\n"),
            ("md sw I\r\nappend sw 0 0 1\r\nx\r\nmg sw\r\n", "HD\r\nSTORED\r\nHD\r\n"),
            ("md sw I\r\nms sw 1 MP\r\nx\r\nmg sw\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("md sw I\r\nms sw 1 MR\r\nx\r\nmg sw\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("md sw I\r\nms sw 1 I\r\nx\r\nmg sw\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("md sw I\r\nmd sw x\r\nmg sw\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("md sw I E5\r\nms sw 1 E5\r\nx\r\nmg sw\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("md sw I\r\ndelete sw\r\nadd sw 0 0 1\r\nx\r\nmg sw\r\n", "HD\r\nDELETED\r\nSTORED\r\nHD\r\n"),
        ],
    ),
    (
        "counting leaves a stale item stale",
        &[
            ("ms sn 1\r\n1\r\nmd sn I\r\nincr sn 1\r\n", "HD\r\nHD\r\n2\r\n"),
            ("ma sn v\r\nma sn N0 E9\r\n", "VA 1\r\n3\r\nHD\r\n"),
            ("mg sn v c\r\nmg sn\r\n", "VA 1 c9 X W\r\n4\r\nHD Z X\r\n"),
            ("ma sn\r\nmg sn v\r\n", "HD\r\nVA 1 Z X\r\n5\r\n"),
        ],
    ),
    (
        "an older cas number stores as stale",
        &[
            ("ms so 1 E1000\r\n1\r\n", "HD\r\n"),
            ("ms so 1 C1001 I\r\n2\r\nms so 1 C0 I\r\n2\r\nms so 1 C999 I MA\r\n2\r\n", "EX\r\nEX\r\nEX\r\n"),
            ("ms so 1 C999 I E1002 c\r\n3\r\n", "HD c1002\r\n"),
            ("mg so v\r\nmg so v\r\n", "VA 1 X W\r\n3\r\nVA 1 Z X\r\n3\r\n"),
            ("ms so 1 C1002 I\r\n4\r\nmg so v\r\n", "HD\r\nVA 1\r\n4\r\n"),
            ("ms so 1 C1 I MR q\r\n5\r\nmg so v\r\n", "VA 1 X W\r\n5\r\n"),
            ("ms so-none 1 C1 I\r\nx\r\nms so 1 C1 I ME\r\nx\r\n", "NF\r\nNS\r\n"),
        ],
    ),
    (
        "a miss creates an item for one client",
        &[
            ("mg vi N0 v t k O5\r\n", "VA 0 t-1 kvi O5 W\r\n\r\n"),
            ("mg vi N0 v\r\nmg vi s f\r\nget vi\r\n", "VA 0 Z\r\n\r\nHD s0 f0 Z\r\nVALUE vi 0 0\r\n\r\nEND\r\n"),
            ("add vi 0 0 1\r\nx\r\nmg vi v\r\n", "NOT_STORED\r\nVA 0 Z\r\n\r\n"),
            ("ms vi 3\r\nnew\r\nmg vi N0 v\r\n", "HD\r\nVA 3\r\nnew\r\n"),
            ("mg vj N30 t\r\nmg vj t q\r\n", "HD t~30 W\r\nHD t~30 Z\r\n"),
            ("mg vk N30 E99 c\r\nmg vk c\r\n", "HD c99 W\r\nHD c99 Z\r\n"),
            ("mg vl N30 T50 t\r\nmg vl t\r\n", "HD t~50 W\r\nHD t~50 Z\r\n"),
            ("mg vm N30 R60 t q\r\nmg vm R60\r\n", "HD t~30 W\r\nHD Z\r\n"),
            ("mg vn N30 u h l\r\nmg vn h\r\nmg vn h\r\n", "HD h0 l0 W\r\nHD h0 Z\r\nHD h1 Z\r\n"),
            ("mg vo N0 C5 v\r\nappend vo 0 0 1\r\nx\r\nmg vo v\r\n", "VA 0 W\r\n\r\nSTORED\r\nVA 1\r\nx\r\n"),
        ],
    ),
    (
        "a client renews early",
        &[
            ("ms re 1 T1000\r\nx\r\n", "HD\r\n"),
            ("mg re R900\r\nmg re R0\r\nmg re R-1\r\n", "HD\r\nHD\r\nHD\r\n"),
            ("mg re R1001 v\r\nmg re R1001 v\r\n", "VA 1 W\r\nx\r\nVA 1 Z\r\nx\r\n"),
            ("mg re R5\r\nmg re k\r\n", "HD Z\r\nHD kre Z\r\n"),
            ("touch re 2000\r\nmg re\r\nmg re R5000 T0\r\n", "TOUCHED\r\nHD Z\r\nHD Z\r\n"),
            ("ms re 1 T1000\r\nx\r\nmg re\r\n", "HD\r\nHD\r\n"),
            ("mg re R1500 T2000 t\r\nmg re R9000 t\r\n", "HD t~2000 W\r\nHD t~2000 Z\r\n"),
            ("ms re 1\r\nx\r\nmg re R100000000\r\n", "HD\r\nHD\r\n"),
            ("mg re-none R30\r\n", "EN\r\n"),
        ],
    ),
    (
        "arithmetic",
        &[
            ("ma ar\r\nma ar q k O1\r\n", "NF\r\nNF kar O1\r\n"),
            ("ma ar N0 J5 v\r\n", "VA 1\r\n5\r\n"),
            ("ma ar v\r\nma ar D10 v k O1\r\n", "VA 1\r\n6\r\nVA 2 kar O1\r\n16\r\n"),
            ("ma ar MI v\r\nma ar M+ v\r\nma ar MIncr\r\n", "VA 2\r\n17\r\nVA 2\r\n18\r\nHD\r\n"),
            ("ma ar MD v\r\nma ar M- D3 v\r\n", "VA 2\r\n18\r\nVA 2\r\n15\r\n"),
            ("ma ar N0 J99 v\r\nma ar q v k\r\nmn\r\n", "VA 2\r\n16\r\nMN\r\n"),
            ("ma ar E50 c\r\nma ar C49\r\nma ar C49 q O2\r\n", "HD c50\r\nEX\r\nEX O2\r\n"),
            ("ma ar C50 E51 c t v\r\n", "VA 2 c51 t-1\r\n19\r\n"),
            ("ma ar T100 t\r\nma ar t\r\n", "HD t~100\r\nHD t~100\r\n"),
            (
                "ma as N30 v t s f\r\nma at N0 J18446744073709551615\r\nma at v\r\n",
                "VA 1 t~30\r\n0\r\nHD\r\nVA 1\r\n0\r\n",
            ),
            ("ma at MD v\r\n", "VA 1\r\n0\r\n"),
            (
                "ms au 3\r\nabc\r\nma au\r\nma au q N0\r\n",
                "HD\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
            ),
            (
                "ma ar Mi\r\nma ar MX\r\n",
                "CLIENT_ERROR invalid mode for ma M token\r\nCLIENT_ERROR invalid mode for ma M token\r\n",
            ),
        ],
    ),
    (
        "base64 keys",
        &[
            ("ms YmFz 2 b k O1 s\r\nxx\r\n", "HD kYmFz b O1 s2\r\n"),
            ("mg YmFz b v k\r\nmg YmFz k b q s\r\n", "VA 2 kYmFz b\r\nxx\r\nHD kYmFz b s2\r\n"),
            ("get bas\r\n", "VALUE bas 0 2\r\nxx\r\nEND\r\n"),
            ("mg YmF0 b k O2\r\nmg YmF0 b k q\r\n", "EN kYmF0 b O2\r\n"),
            ("ms YSBiDQo= 1 b\r\nx\r\nmg YSBiDQo= v b\r\n", "HD\r\nVA 1\r\nx\r\n"),
            ("ms AAECA/8= 1 b\r\ny\r\nmd AAECA/8= I b k\r\nmg AAECA/8= b\r\n", "HD\r\nHD kAAECA/8= b\r\nHD X W\r\n"),
            ("ma Y250 N0 J7 b v k\r\nincr cnt 1\r\n", "VA 1 kY250 b\r\n7\r\n8\r\n"),
            ("md YmFz b\r\nmd YmFz b\r\n", "HD\r\nNF\r\n"),
            (
                "mg YmF b\r\nmg ==== b q\r\nmd = b\r\nma ! b\r\n",
                "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR error decoding key\r\nCLIENT_ERROR error decoding key\r\nCLIENT_ERROR invalid or duplicate flag\r\n",
            ),
        ],
    ),
    (
        "lines that are wrong",
        &[
            ("mg\r\n", BAD),
            ("mg \r\n", BAD),
            ("me\r\n", BAD),
            ("ms k\r\n", BAD),
            ("ms k x\r\n", BAD),
            ("ms k -1\r\n", BAD),
            ("mg KEY251 d\r\n", BAD),
            ("ms KEY251 1 q\r\nx\r\nmn\r\n", "CLIENT_ERROR bad command line format\r\nMN\r\n"),
            ("mg k v v\r\n", DUPLICATE),
            ("mg k P1 P2\r\n", DUPLICATE),
            ("mg k v v d\r\n", DUPLICATE),
            ("mg k d v v\r\n", INVALID),
            ("mg k Tx d\r\n", INVALID),
            ("mg k 9\r\n", INVALID),
            ("mg k v ! v\r\n", BAD),
            ("mg k Tx b\r\n", BASE64),
            ("mg k T\r\n", TOKEN),
            ("mg k T+5\r\n", TOKEN),
            ("mg k R5x\r\n", TOKEN),
            ("mg k Nx q\r\n", TOKEN),
            ("md k C-1\r\n", TOKEN),
            ("md k E18446744073709551616\r\n", TOKEN),
            ("mg k Dx\r\n", "CLIENT_ERROR invalid numeric delta value\r\n"),
            ("mg k J\r\n", "CLIENT_ERROR invalid numeric initial value\r\n"),
            ("mg k F4294967296\r\n", BAD),
            ("ma k d\r\n", EITHER),
            ("ma k v v\r\n", EITHER),
            ("ma k Dx q\r\n", EITHER),
            ("mg k OOPAQUE33\r\n", "CLIENT_ERROR opaque token too long\r\n"),
            ("ma k OOPAQUE33\r\n", "CLIENT_ERROR opaque token too long\r\n"),
            ("mg k b c f h k l q s t u v x I L M O P C1 E1\r\n", "CLIENT_ERROR options flags are too long\r\n"),
            ("ms k 4 w q\r\nmn\r\n\r\nmn\r\n", "CLIENT_ERROR invalid flag\r\nMN\r\n"),
            ("ms k 3 v v\r\nabc\r\nmn\r\n", "CLIENT_ERROR duplicate flag\r\nMN\r\n"),
            (
                "ms k 1 q\r\nxyz\r\nmn\r\n",
                "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\nMN\r\n",
            ),
            ("mg k\r\n", "EN\r\n"),
            ("MG k\r\n", "ERROR\r\n"),
            ("mg\tk\r\n", "ERROR\r\n"),
        ],
    ),
    (
        "pipelines",
        &[
            (
                "mg p1 v q O1\r\nms p1 1 q\r\nx\r\nmg p1 v q O2\r\nmd p1 q\r\nmg p1 v q O3\r\nms p2 1 q\r\ny\r\nmn\r\n",
                "VA 1 O2\r\nx\r\nMN\r\n",
            ),
            (
                "set p3 0 0 1\r\n1\r\nma p3 v\r\nget p3\r\nmg cDM= b v\r\nms cDM= 1 b\r\n5\r\nmg p3 v\r\nincr p3 1\r\nmd cDM= b q\r\nmg p3\r\n",
                "STORED\r\nVA 1\r\n2\r\nVALUE p3 0 1\r\n2\r\nEND\r\nVA 1\r\n2\r\nHD\r\nVA 1\r\n5\r\n6\r\nEN\r\n",
            ),
        ],
    ),
];

/// Why the host answers otherwise than memcached, and what it answers.
pub const OTHERWISE: &[Script] = &[
    (
        "protocol.txt promises opaques of 32 bytes; memcached counts their letter too",
        &[("mg k OOPAQUE32\r\n", "EN OOPAQUE32\r\n")],
    ),
    (
        "a wrong flag of ms never leaves the data block to be taken for commands",
        &[("ms k 4 !\r\nmn\r\n\r\nmg k\r\n", "CLIENT_ERROR bad command line format\r\nEN\r\n")],
    ),
    (
        "the table does not keep how a key was spelled, the answer has the spelling of the request",
        &[("ms c3A= 1 b q\r\nx\r\nmg sp k v\r\n", "VA 1 ksp\r\nx\r\n")],
    ),
    ("base64 that is not canonical is answered as it was sent", &[("mg YR== b k\r\n", "EN kYR== b\r\n")]),
    ("base64 ends with its padding", &[("mg YQ==YQ== b\r\n", "CLIENT_ERROR error decoding key\r\n")]),
    (
        "me takes b as protocol.txt says; memcached wants another word behind it",
        &[("ms bWVi 1 b\r\nx\r\nme bWVi b\r\n", "HD\r\nME bWVi exp=-1 la=0 cas=# fetch=no cls=1 size=4\r\n")],
    ),
    (
        "the size of me is that of key and value, without a header of memcached's",
        &[("ms mes 1\r\nx\r\nmg mes\r\nme mes\r\n", "HD\r\nHD\r\nME mes exp=-1 la=0 cas=# fetch=yes cls=1 size=4\r\n")],
    ),
    ("an item that is born expired was never there", &[("mg be N-1 v\r\n", "EN\r\n")]),
    ("times are never cut to 32 bits", &[("ms wt 1 T99999999999\r\nx\r\nmg wt\r\n", "HD\r\nHD\r\n")]),
    (
        "only mg counts as a read: a get must not pay for it",
        &[("ms rd 1\r\nx\r\nget rd\r\nmg rd h\r\n", "HD\r\nVALUE rd 0 1\r\nx\r\nEND\r\nHD h0\r\n")],
    ),
    ("a line may end with a newline alone, as any other", &[("mn\n", "MN\r\n")]),
];

/// Writes out the words that stand for something long.
pub fn expand(text: &str) -> String {
    let words = [("KEY251", "k".repeat(251)), ("OPAQUE32", "o".repeat(32)), ("OPAQUE33", "o".repeat(33))];
    words.into_iter().fold(text.to_owned(), |text, (word, long)| text.replace(word, &long))
}

/// Runs one step of a script and returns what is wrong with the answer.
pub fn step(client: &mut Client, send: &str, expect: &str) -> Result<(), String> {
    client.send(expand(send));
    let expected = expand(expect);
    for wanted in expected.split_terminator("\r\n") {
        let line = client.try_read_line().map_err(|e| format!("{send:?}: {e} instead of {wanted:?}"))?;
        let line = line.ok_or_else(|| format!("{send:?}: closed instead of {wanted:?}"))?;
        let (got, want) = (line.split(' '), wanted.split(' '));
        if got.clone().count() != want.clone().count() || !got.zip(want).all(|(got, want)| is_like(got, want)) {
            return Err(format!("{send:?}: {line:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

fn is_like(got: &str, want: &str) -> bool {
    if let Some(limit) = want.strip_prefix("t~") {
        let limit: i64 = limit.parse().unwrap();
        return got.strip_prefix('t').and_then(|t| t.parse().ok()).is_some_and(|t| limit - 10 < t && t <= limit);
    }
    got == want || (want == "cas=#" && got.starts_with("cas="))
}
