use super::*;
use crate::refengine::types::IndexDef;

fn col(ty: ColumnType, charset: Charset) -> ColumnDef {
    ColumnDef { name: "c".into(), ty, charset, not_null: false, default: None }
}

fn int(bytes: u8, unsigned: bool) -> ColumnDef {
    col(ColumnType::Int { bytes, unsigned }, Charset::Binary)
}

fn varchar(chars: u32) -> ColumnDef {
    col(ColumnType::VarChar { chars }, Charset::Utf8mb4)
}

fn b(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

#[test]
fn rows_give_back_each_field() {
    let big = vec![9; 40_000];
    let cases: Vec<Vec<Option<&[u8]>>> = vec![
        vec![Some(b"a")],
        vec![None],
        vec![Some(b""), None, Some(b"xyz"), None, Some(b"")],
        vec![None, Some(&big), Some(b"after"), None],
        vec![Some(&big[..32_767])],
        vec![Some(&big[..32_768])],
    ];
    for fields in cases {
        let mut row = vec![1, 2, 3];
        encode_row(&mut row, fields.iter().copied()).unwrap();
        for (i, expected) in fields.iter().enumerate() {
            match field(&row, fields.len(), i).unwrap() {
                Field::Null => assert_eq!(*expected, None),
                Field::At(range) => assert_eq!(*expected, Some(&row[range])),
            }
            assert_eq!(bytes(&row, fields.len(), i), *expected);
        }
        let mut all = vec![None; fields.len()];
        assert!(each(&row, &mut all, |found, bytes, place| *found = place.map(|(at, len)| &bytes[at..at + len])));
        assert_eq!(all, fields);
        assert_eq!(field(&row, fields.len(), fields.len()), None);
        assert_eq!(bytes(&row, fields.len(), fields.len()), None);
        // Cut short, nothing is read beyond the end.
        for n in 0..row.len().min(64) {
            let mut all = vec![None; fields.len()];
            let told = each(&row[..n], &mut all, |found, bytes, place| {
                *found = place.map(|(at, len)| at + len <= bytes.len())
            });
            assert!(!told || all.iter().all(|inside| inside.is_none_or(|inside| inside)));
            for i in 0..fields.len() {
                if let Some(Field::At(range)) = field(&row[..n], fields.len(), i) {
                    assert_eq!(bytes(&row[..n], fields.len(), i), Some(&row[range]));
                }
            }
        }
    }
}

#[test]
fn integers_are_stored_as_innodb_shows_them() {
    for (v, bytes, stored) in [
        (0i64, 1, vec![0x80]),
        (-1, 1, vec![0x7f]),
        (127, 1, vec![0xff]),
        (-128, 1, vec![0]),
        (-1, 3, vec![0x7f, 0xff, 0xff]),
        (1, 4, vec![0x80, 0, 0, 1]),
        (i64::MIN, 8, vec![0; 8]),
    ] {
        assert_eq!(encode_int(v, bytes), stored, "{v}");
        assert_eq!(decode_int(&stored), v);
    }
    for (v, bytes) in [(0u64, 1), (255, 1), (65_536, 3), (u64::MAX, 8)] {
        assert_eq!(decode_uint(&encode_uint(v, bytes)), v);
    }
}

#[test]
fn values_are_checked_and_come_back() {
    let latin1 = col(ColumnType::VarChar { chars: 4 }, Charset::Latin1);
    let enumeration = col(ColumnType::Enum { values: vec!["x".into(), "y".into()] }, Charset::Utf8mb4);
    let char3 = col(ColumnType::Char { chars: 3 }, Charset::Utf8mb4);
    let binary = col(ColumnType::Binary { bytes: 3 }, Charset::Binary);
    let text = col(ColumnType::Text { max_bytes: 255, name: "TINYTEXT" }, Charset::Utf8mb4);
    let blob = col(ColumnType::Blob { max_bytes: 255, name: "TINYBLOB" }, Charset::Binary);
    let mut required = varchar(3);
    required.not_null = true;
    let raw = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let cases = [
        (&int(1, false), Value::Int(127), Ok(Value::Int(127))),
        (&int(1, false), Value::Int(128), Err(1264)),
        (&int(1, true), Value::Int(-1), Err(1264)),
        (&int(8, true), Value::UInt(u64::MAX), Ok(Value::UInt(u64::MAX))),
        (&int(8, false), Value::UInt(u64::MAX), Err(1264)),
        (&int(4, false), b(" 42 "), Ok(Value::Int(42))),
        (&int(4, false), b("42x"), Err(1366)),
        (&varchar(3), b("äöü"), Ok(b("äöü"))),
        (&varchar(3), b("äöüß"), Err(1406)),
        (&varchar(3), b("abc  "), Ok(b("abc"))),
        (&varchar(3), b("ab "), Ok(b("ab "))),
        (&varchar(3), raw(b"a\xff"), Err(1366)),
        (&varchar(3), Value::Int(-12), Ok(b("-12"))),
        (&varchar(3), Value::Null, Ok(Value::Null)),
        (&required, Value::Null, Err(1048)),
        (&latin1, b("äö"), Ok(b("äö"))),
        (&latin1, b("日"), Err(1366)),
        (&char3, b("a"), Ok(b("a"))),
        (&char3, b("a   "), Ok(b("a"))),
        (&binary, b("a"), Ok(raw(b"a\0\0"))),
        (&binary, b("abcd"), Err(1406)),
        (&text, raw(b"\xff"), Err(1366)),
        (&text, raw(&[b'a'; 256]), Err(1406)),
        (&blob, raw(b"\xff\0"), Ok(raw(b"\xff\0"))),
        (&enumeration, b("y"), Ok(b("y"))),
        (&enumeration, Value::Int(1), Ok(b("x"))),
        (&enumeration, b("z"), Err(1265)),
        (&enumeration, Value::Int(3), Err(1265)),
    ];
    for (column, value, expected) in cases {
        let got = encode_value(column, &value).map(|stored| decode_value(column, stored.as_deref()));
        assert_eq!(got.map_err(|e| e.errno()), expected, "{value:?} in {:?}", column.ty);
    }
    assert_eq!(encode_value(&enumeration, &b("y")).unwrap(), Some(vec![2]));
    assert_eq!(encode_value(&char3, &b("ä")).unwrap(), Some("ä ".as_bytes().to_vec()), "padded to three bytes");
}

#[test]
fn fit_cuts_at_character_boundaries() {
    let text = col(ColumnType::Text { max_bytes: 5, name: "TEXT" }, Charset::Utf8mb4);
    let cases: [(&ColumnDef, &[u8], &[u8], bool); 8] = [
        (&varchar(2), "日本語".as_bytes(), "日本".as_bytes(), true),
        (&varchar(9), b"ab\xffcd", b"ab", true),
        (&varchar(9), b"ab\xe6\x97", b"ab", true),
        (&varchar(2), b"ab", b"ab", false),
        (&text, "日本語".as_bytes(), "日".as_bytes(), true),
        (&text, b"abcde", b"abcde", false),
        (&text, b"ab\xffcdef", b"ab\xffcd", true),
        (&col(ColumnType::Binary { bytes: 4 }, Charset::Binary), b"ab", b"ab\0\0", false),
    ];
    for (column, src, stored, cut) in cases {
        let fitted = fit(column, src);
        assert_eq!((&*fitted.stored, fitted.cut), (stored, cut), "{:?}", column.ty);
    }
}

fn table(columns: Vec<ColumnDef>, primary_key: Vec<usize>, index: Vec<usize>) -> TableDef {
    let indexes = vec![IndexDef { name: "u".into(), columns: index, unique: true }];
    TableDef { db: "d".into(), name: "t".into(), columns, primary_key, indexes }
}

fn row(def: &TableDef, values: &[Value]) -> Vec<u8> {
    let stored: Vec<_> = def.columns.iter().zip(values).map(|(c, v)| encode_value(c, v).unwrap()).collect();
    let mut out = Vec::new();
    encode_row(&mut out, stored.iter().map(Option::as_deref)).unwrap();
    out
}

#[test]
fn keys_sort_like_their_values() {
    let raw = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let mut def = table(
        vec![int(4, false), col(ColumnType::VarBinary { bytes: 9 }, Charset::Binary), varchar(9)],
        vec![0, 1, 2],
        vec![1, 0],
    );
    let sorted = [
        [Value::Int(-5), raw(b""), b("")],
        [Value::Int(-5), raw(b"\0"), b("")],
        [Value::Int(-5), raw(b"\0\0"), b("z")],
        [Value::Int(-5), raw(b"\0\x01"), b("")],
        [Value::Int(-5), raw(b"a"), b("")],
        [Value::Int(-5), raw(b"a"), b("a")],
        [Value::Int(-5), raw(b"a\0"), b("")],
        [Value::Int(-5), raw(b"a\xff"), b("")],
        [Value::Int(0), raw(b"a"), b("a")],
        [Value::Int(7), raw(b""), b("a")],
        [Value::Int(7), raw(b""), b("a\0")],
        [Value::Int(7), raw(b""), b("b")],
    ];
    let keys: Vec<Vec<u8>> = sorted
        .iter()
        .map(|values| {
            let mut key = Vec::new();
            primary_key(&mut key, &def, &row(&def, values)).unwrap();
            key
        })
        .collect();
    for pair in keys.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }

    // Secondary: NULL first, and rows with a NULL are told apart by their primary key.
    def.columns[1].not_null = false;
    let rows = [
        [Value::Int(1), Value::Null, b("a")],
        [Value::Int(1), Value::Null, b("b")],
        [Value::Int(1), raw(b""), b("a")],
        [Value::Int(2), raw(b""), b("a")],
        [Value::Int(1), raw(b"x"), b("a")],
    ];
    let keys: Vec<(Vec<u8>, bool)> = rows
        .iter()
        .map(|values| {
            let row = row(&def, values);
            let (mut pk, mut key) = (Vec::new(), Vec::new());
            primary_key(&mut pk, &def, &row).unwrap();
            let unique = secondary_key(&mut key, &def, 1, &row, &pk).unwrap();
            (key, unique)
        })
        .collect();
    assert_eq!(keys.iter().map(|(_, unique)| *unique).collect::<Vec<_>>(), [false, false, true, true, true]);
    for pair in keys.windows(2) {
        assert!(pair[0].0 < pair[1].0);
    }
    assert_eq!(key_text(&def, 0, &row(&def, &rows[4])), "1-x-a");
}

#[test]
fn char_keys_ignore_their_padding() {
    let def = table(vec![col(ColumnType::Char { chars: 5 }, Charset::Latin1)], vec![0], vec![0]);
    let mut key = Vec::new();
    primary_key(&mut key, &def, &row(&def, &[b("ab")])).unwrap();
    assert_eq!(key, b"\0ab");
}
