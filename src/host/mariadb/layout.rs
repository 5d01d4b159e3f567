//! Where the server's objects keep what handler calls and replication to a cluster need.
//!
//! Offsets in bytes. A row holds for the release it names and no other; `tests/mariadb/layout` makes one from the headers of the
//! server's source package. On a release without a row nothing here is used.

/// One release.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the offset of the member it is named after, list_size a size")]
pub struct Layout {
    /// `MYSQL_VERSION_ID` of the release.
    pub version: i32,
    pub list_size: usize,
    pub list_db: usize,
    pub list_name: usize,
    pub list_alias: usize,
    pub list_table: usize,
    pub list_mdl: usize,
    pub list_lock: usize,
    pub table_share: usize,
    pub table_file: usize,
    pub table_in_use: usize,
    pub table_record: usize,
    pub table_field: usize,
    pub table_read_set: usize,
    pub share_all_set: usize,
    pub share_map_id: usize,
    pub field_ptr: usize,
    pub field_null_ptr: usize,
    pub field_null_bit: usize,
    pub thd_lex: usize,
    pub thd_mem_root: usize,
    pub lex_command: usize,
    /// Of a server that replicates to a Galera cluster. `None`: nobody has looked.
    pub wsrep: Option<WsrepLayout>,
}

/// What replication to a Galera cluster needs of a `THD`.
#[derive(Debug)]
#[allow(missing_docs, reason = "as above")]
pub struct WsrepLayout {
    pub thd_client_state: usize,
    pub thd_next_transaction: usize,
    /// Within the client state.
    pub client_error: usize,
}

const M_10_11: Layout = Layout {
    version: 101118,
    list_size: 1824,
    list_db: 32,
    list_name: 48,
    list_alias: 80,
    list_table: 264,
    list_mdl: 1176,
    list_lock: 896,
    table_share: 0,
    table_file: 8,
    table_in_use: 64,
    table_record: 72,
    table_field: 168,
    table_read_set: 488,
    share_all_set: 560,
    share_map_id: 960,
    field_ptr: 8,
    field_null_ptr: 16,
    field_null_bit: 142,
    thd_lex: 88,
    thd_mem_root: 40,
    lex_command: 8,
    wsrep: Some(WsrepLayout { thd_client_state: 26384, thd_next_transaction: 26320, client_error: 708 }),
};

static LAYOUTS: [Layout; 3] = [
    M_10_11,
    // Its source package is not to be had: from the functions that the server exports, which are those of 10.11.18 but for these numbers.
    Layout {
        version: 101119,
        wsrep: Some(WsrepLayout { thd_client_state: 26448, thd_next_transaction: 26384, client_error: 708 }),
        ..M_10_11
    },
    Layout {
        version: 110809,
        list_size: 1840,
        list_mdl: 1192,
        list_lock: 912,
        table_read_set: 496,
        share_all_set: 584,
        share_map_id: 1088,
        wsrep: Some(WsrepLayout { thd_client_state: 26688, thd_next_transaction: 26624, client_error: 708 }),
        ..M_10_11
    },
];

/// The row of a release.
pub fn of(version: i32) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| layout.version == version)
}

/// What lies there, if the process can read it; nothing is dereferenced.
pub fn peek<T: Copy + Default>(object: *const u8, offset: usize) -> Option<T> {
    let mut value = T::default();
    let size = size_of::<T>();
    let to = libc::iovec { iov_base: (&raw mut value).cast(), iov_len: size };
    let from = libc::iovec { iov_base: object.wrapping_add(offset).cast_mut().cast(), iov_len: size };
    // SAFETY: one writable buffer of our own; the kernel looks the other one up.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
    (read == size as isize).then_some(value)
}
