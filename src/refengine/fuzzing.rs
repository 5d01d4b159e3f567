//! What fuzz targets call of the engine's inner parts; there with `--cfg fuzzing` and, so that they stay right, in tests.

use super::codec::{self, Field};
use super::storage;
use super::types::{Charset, ColumnDef, ColumnType, TableDef};
use std::path::{Path, PathBuf};

/// An empty directory of this process, in memory where there is one.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = parent.join(format!("refengine-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("a directory");
    dir
}

/// Storage and map: whatever is done to both, they are the same.
pub fn storage_is_a_map(script: &[u8]) {
    storage::model::run(&scratch(), script);
}

/// A redo log of two files with any contents: reading it ends, and a second time finds what the first did.
pub fn replay(first: &[u8], second: &[u8]) {
    let dir = scratch();
    for (number, bytes) in [(1, first), (2, second)] {
        std::fs::write(dir.join(format!("{number:010}.redo")), bytes).expect("a file");
    }
    let Ok(changes) = storage::log_changes(&dir) else { return };
    assert_eq!(storage::log_changes(&dir).expect("a log that was read is read again"), changes);
}

fn table() -> TableDef {
    let types = [
        (ColumnType::VarChar { chars: 8 }, Charset::Utf8mb4),
        (ColumnType::Int { bytes: 4, unsigned: false }, Charset::Binary),
        (ColumnType::Int { bytes: 8, unsigned: true }, Charset::Binary),
        (ColumnType::Char { chars: 3 }, Charset::Latin1),
        (ColumnType::Binary { bytes: 4 }, Charset::Binary),
        (ColumnType::Blob { max_bytes: 65_535, name: "BLOB" }, Charset::Binary),
        (ColumnType::Enum { values: vec!["a".into(), "b".into()] }, Charset::Utf8mb4),
    ];
    let column = |(n, (ty, charset)): (usize, &(ColumnType, Charset))| ColumnDef {
        name: format!("c{n}"),
        ty: ty.clone(),
        charset: *charset,
        not_null: n == 0,
        default: None,
    };
    let columns = types.iter().enumerate().map(column).collect();
    TableDef { db: "d".into(), name: "t".into(), columns, primary_key: vec![0], indexes: Vec::new() }
}

/// Any bytes as a row: no field lies outside of it, every value can be shown; and fields of any bytes are read back from the row made of them.
pub fn row(bytes: &[u8]) {
    let def = table();
    let n = def.columns.len();
    for (i, field) in codec::fields(bytes, n).enumerate() {
        if let Field::At(range) = field {
            assert!(range.start <= range.end && range.end <= bytes.len());
        }
        let _ = codec::column(&def, bytes, i).map(|stored| codec::decode_value(&def.columns[i], stored));
    }
    let _ = codec::primary_key(&mut Vec::new(), &def, bytes);
    let _ = codec::key_text(&def, 0, bytes);
    let pieces: Vec<Option<&[u8]>> =
        bytes.split(|byte| *byte == 0).map(|piece| (piece.first() != Some(&b'N')).then_some(piece)).collect();
    let mut row = Vec::new();
    if codec::encode_row(&mut row, pieces.iter().copied()).is_ok() {
        for (i, piece) in pieces.iter().enumerate() {
            let found = match codec::field(&row, pieces.len(), i) {
                Some(Field::At(range)) => row.get(range),
                _ => None,
            };
            assert_eq!(found, *piece);
        }
    }
}
