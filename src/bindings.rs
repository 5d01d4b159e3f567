//! The C side of the project, made by bindgen from `include/`; see `tests/house/bindings.rs`.

#![allow(missing_docs, non_camel_case_types, non_upper_case_globals, clippy::all)]


pub const IB_SQL_NULL: u32 = 4294967295;
pub const IB_CB_ENTRIES: u32 = 50;
pub const IB_FIELD_UNSET: u32 = 4294967294;
pub const DM_SYM_INTERFACE_VERSION: &[u8; 33] = b"_mysql_plugin_interface_version_\0";
pub const DM_SYM_SIZEOF_PLUGIN: &[u8; 32] = b"_mysql_sizeof_struct_st_plugin_\0";
pub const DM_SYM_DECLARATIONS: &[u8; 28] = b"_mysql_plugin_declarations_\0";
pub const DM_MYSQL_INTERFACE_VERSION: u32 = 267;
pub const DM_MARIA_INTERFACE_VERSION: u32 = 271;
pub const DM_PLUGIN_TYPE_DAEMON: u32 = 3;
pub const DM_PLUGIN_LICENSE_GPL: u32 = 1;
pub const DM_PLUGIN_LICENSE_BSD: u32 = 2;
pub const DM_PLUGIN_NAME: &[u8; 17] = b"daemon_memcached\0";
pub const DM_SYM_HOST_SERVICE: &[u8; 30] = b"daemon_memcached_host_service\0";
pub const DM_HOST_SERVICE_VERSION: u32 = 256;
pub const DM_SYNC_BUCKETS: u32 = 20;
pub const DM_SYM_CONNECTIONS: &[u8; 29] = b"daemon_memcached_connections\0";
pub const DM_SYM_KILL: &[u8; 22] = b"daemon_memcached_kill\0";
pub const DM_UDF_MESSAGE: u32 = 512;
pub const DM_UDF_STRING: u32 = 0;
pub const DM_UDF_REAL: u32 = 1;
pub const DM_UDF_INTEGER: u32 = 2;
pub const DM_UDF_DECIMAL: u32 = 4;
pub const DM_ABI_VERSION: u32 = 1;
pub const REFENGINE_SYNC_BUCKETS: u32 = 20;
pub type ib_ulint_t = ::std::os::raw::c_ulong;
pub type ib_bool_t = ::std::os::raw::c_ulong;
pub type ib_id_u64_t = u64;
#[repr(C)]
#[derive(Debug)]
pub struct ib_trx {
    _unused: [u8; 0],
}
pub type ib_trx_t = *mut ib_trx;
#[repr(C)]
#[derive(Debug)]
pub struct ib_cursor {
    _unused: [u8; 0],
}
pub type ib_crsr_t = *mut ib_cursor;
#[repr(C)]
#[derive(Debug)]
pub struct ib_tuple {
    _unused: [u8; 0],
}
pub type ib_tpl_t = *mut ib_tuple;
pub mod ib_err {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_SUCCESS_LOCKED_REC: Type = 9;
    pub const IB_SUCCESS: Type = 10;
    pub const IB_ERROR: Type = 11;
    pub const IB_INTERRUPTED: Type = 12;
    pub const IB_OUT_OF_MEMORY: Type = 13;
    pub const IB_OUT_OF_FILE_SPACE: Type = 14;
    pub const IB_LOCK_WAIT: Type = 15;
    pub const IB_DEADLOCK: Type = 16;
    pub const IB_ROLLBACK: Type = 17;
    pub const IB_DUPLICATE_KEY: Type = 18;
    pub const IB_TABLE_NOT_FOUND: Type = 31;
    pub const IB_TOO_BIG_RECORD: Type = 34;
    pub const IB_LOCK_WAIT_TIMEOUT: Type = 35;
    pub const IB_NO_REFERENCED_ROW: Type = 36;
    pub const IB_ROW_IS_REFERENCED: Type = 37;
    pub const IB_CORRUPTION: Type = 39;
    pub const IB_TOO_MANY_CONCURRENT_TRXS: Type = 47;
    pub const IB_UNSUPPORTED: Type = 48;
    pub const IB_INVALID_NULL: Type = 49;
    pub const IB_READ_ONLY: Type = 57;
    pub const IB_RECORD_NOT_FOUND: Type = 1500;
    pub const IB_END_OF_INDEX: Type = 1501;
    pub const IB_NOT_FOUND: Type = 1502;
    pub const IB_DATA_MISMATCH: Type = 2000;
}
pub use self::ib_err::Type as ib_err_t;
pub mod ib_trx_level {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_TRX_READ_UNCOMMITTED: Type = 0;
    pub const IB_TRX_READ_COMMITTED: Type = 1;
    pub const IB_TRX_REPEATABLE_READ: Type = 2;
    pub const IB_TRX_SERIALIZABLE: Type = 3;
}
pub use self::ib_trx_level::Type as ib_trx_level_t;
pub mod ib_lck_mode {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_LOCK_IS: Type = 0;
    pub const IB_LOCK_IX: Type = 1;
    pub const IB_LOCK_S: Type = 2;
    pub const IB_LOCK_X: Type = 3;
    pub const IB_LOCK_TABLE_X: Type = 4;
    pub const IB_LOCK_NONE: Type = 5;
}
pub use self::ib_lck_mode::Type as ib_lck_mode_t;
pub mod ib_srch_mode {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_CUR_G: Type = 1;
    pub const IB_CUR_GE: Type = 2;
    pub const IB_CUR_L: Type = 3;
    pub const IB_CUR_LE: Type = 4;
}
pub use self::ib_srch_mode::Type as ib_srch_mode_t;
pub mod ib_match_mode {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_CLOSEST_MATCH: Type = 0;
    pub const IB_EXACT_MATCH: Type = 1;
    pub const IB_EXACT_PREFIX: Type = 2;
}
pub use self::ib_match_mode::Type as ib_match_mode_t;
pub mod ib_index_type {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_SECONDARY: Type = 0;
    pub const IB_CLUSTERED: Type = 1;
    pub const IB_UNIQUE: Type = 2;
}
pub use self::ib_index_type::Type as ib_index_type_t;
pub mod ib_col_type {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_VARCHAR: Type = 1;
    pub const IB_CHAR: Type = 2;
    pub const IB_BINARY: Type = 3;
    pub const IB_VARBINARY: Type = 4;
    pub const IB_BLOB: Type = 5;
    pub const IB_INT: Type = 6;
    pub const IB_SYS: Type = 8;
    pub const IB_FLOAT: Type = 9;
    pub const IB_DOUBLE: Type = 10;
    pub const IB_DECIMAL: Type = 11;
    pub const IB_VARCHAR_ANYCHARSET: Type = 12;
    pub const IB_CHAR_ANYCHARSET: Type = 13;
}
pub use self::ib_col_type::Type as ib_col_type_t;
pub mod ib_col_attr {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_COL_NONE: Type = 0;
    pub const IB_COL_NOT_NULL: Type = 1;
    pub const IB_COL_UNSIGNED: Type = 2;
    pub const IB_COL_CUSTOM1: Type = 8;
    pub const IB_COL_CUSTOM2: Type = 16;
    pub const IB_COL_CUSTOM3: Type = 32;
    pub const IB_COL_FILLED: Type = 65536;
}
pub use self::ib_col_attr::Type as ib_col_attr_t;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_col_meta {
    pub type_: ib_col_type_t,
    pub attr: u32,
    pub type_len: u32,
    pub client_type: u16,
    pub charset: *mut ::std::os::raw::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_col_meta"][::std::mem::size_of::<ib_col_meta>() - 24usize];
    ["Alignment of ib_col_meta"][::std::mem::align_of::<ib_col_meta>() - 8usize];
    ["Offset of field: ib_col_meta::type_"][::std::mem::offset_of!(ib_col_meta, type_) - 0usize];
    ["Offset of field: ib_col_meta::attr"][::std::mem::offset_of!(ib_col_meta, attr) - 4usize];
    ["Offset of field: ib_col_meta::type_len"][::std::mem::offset_of!(ib_col_meta, type_len) - 8usize];
    ["Offset of field: ib_col_meta::client_type"][::std::mem::offset_of!(ib_col_meta, client_type) - 12usize];
    ["Offset of field: ib_col_meta::charset"][::std::mem::offset_of!(ib_col_meta, charset) - 16usize];
};
pub type ib_col_meta_t = ib_col_meta;
pub mod ib_cfg {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const IB_CFG_BINLOG_ENABLED: Type = 1;
    pub const IB_CFG_MDL_ENABLED: Type = 2;
    pub const IB_CFG_DISABLE_ROWLOCK: Type = 4;
    pub const IB_CFG_LASTING_TUPLES: Type = 8;
    pub const IB_CFG_FIELDS: Type = 16;
    pub const IB_CFG_TABLE_SIZES: Type = 32;
    pub const IB_CFG_TABLE_CHANGES: Type = 64;
}
pub use self::ib_cfg::Type as ib_cfg_t;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_cb {
    pub open_table: ::std::option::Option<
        unsafe extern "C" fn(name: *const ::std::os::raw::c_char, trx: ib_trx_t, crsr: *mut ib_crsr_t) -> ib_err_t,
    >,
    pub read_row: ::std::option::Option<
        unsafe extern "C" fn(
            crsr: ib_crsr_t,
            tpl: ib_tpl_t,
            row_buf: *mut *mut ::std::os::raw::c_void,
            len: *mut ib_ulint_t,
        ) -> ib_err_t,
    >,
    pub insert_row: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, tpl: ib_tpl_t) -> ib_err_t>,
    pub delete_row: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub update_row:
        ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, old_tpl: ib_tpl_t, new_tpl: ib_tpl_t) -> ib_err_t>,
    pub moveto:
        ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, tpl: ib_tpl_t, mode: ib_srch_mode_t) -> ib_err_t>,
    pub cursor_first: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub cursor_next: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub set_match_mode: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, mode: ib_match_mode_t)>,
    pub sec_search_tuple_create: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_tpl_t>,
    pub clust_read_tuple_create: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_tpl_t>,
    pub tuple_delete: ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t)>,
    pub tuple_read_u8:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u8) -> ib_err_t>,
    pub tuple_read_u16:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u16) -> ib_err_t>,
    pub tuple_read_u32:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u32) -> ib_err_t>,
    pub tuple_read_u64:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut u64) -> ib_err_t>,
    pub tuple_read_i8:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i8) -> ib_err_t>,
    pub tuple_read_i16:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i16) -> ib_err_t>,
    pub tuple_read_i32:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i32) -> ib_err_t>,
    pub tuple_read_i64:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, out: *mut i64) -> ib_err_t>,
    pub tuple_get_n_cols: ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t) -> ib_ulint_t>,
    pub col_set_value: ::std::option::Option<
        unsafe extern "C" fn(
            tpl: ib_tpl_t,
            col: ib_ulint_t,
            src: *const ::std::os::raw::c_void,
            len: ib_ulint_t,
            copy: ib_bool_t,
        ) -> ib_err_t,
    >,
    pub col_get_value:
        ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t) -> *const ::std::os::raw::c_void>,
    pub col_get_meta: ::std::option::Option<
        unsafe extern "C" fn(tpl: ib_tpl_t, col: ib_ulint_t, meta: *mut ib_col_meta_t) -> ib_ulint_t,
    >,
    pub trx_begin: ::std::option::Option<
        unsafe extern "C" fn(level: ib_trx_level_t, read_write: ib_bool_t, auto_commit: ib_bool_t) -> ib_trx_t,
    >,
    pub trx_commit: ::std::option::Option<unsafe extern "C" fn(trx: ib_trx_t) -> ib_err_t>,
    pub trx_rollback: ::std::option::Option<unsafe extern "C" fn(trx: ib_trx_t) -> ib_err_t>,
    pub trx_start: ::std::option::Option<
        unsafe extern "C" fn(
            trx: ib_trx_t,
            level: ib_trx_level_t,
            read_write: ib_bool_t,
            auto_commit: ib_bool_t,
            thd: *mut ::std::os::raw::c_void,
        ) -> ib_err_t,
    >,
    pub trx_release: ::std::option::Option<unsafe extern "C" fn(trx: ib_trx_t) -> ib_err_t>,
    pub cursor_lock: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, mode: ib_lck_mode_t) -> ib_err_t>,
    pub cursor_close: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub cursor_new_trx: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, trx: ib_trx_t) -> ib_err_t>,
    pub cursor_reset: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub col_get_name:
        ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, col: ib_ulint_t) -> *const ::std::os::raw::c_char>,
    pub table_truncate: ::std::option::Option<
        unsafe extern "C" fn(name: *const ::std::os::raw::c_char, id: *mut ib_id_u64_t) -> ib_err_t,
    >,
    pub open_index_using_name: ::std::option::Option<
        unsafe extern "C" fn(
            crsr: ib_crsr_t,
            index: *const ::std::os::raw::c_char,
            out: *mut ib_crsr_t,
            type_: *mut ::std::os::raw::c_int,
            id: *mut ib_id_u64_t,
        ) -> ib_err_t,
    >,
    pub get_cfg: ::std::option::Option<unsafe extern "C" fn() -> ::std::os::raw::c_int>,
    pub set_memcached_sync: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, on: ib_bool_t) -> ib_err_t>,
    pub set_cluster_access: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t)>,
    pub commit_trx: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, trx: ib_trx_t) -> ib_err_t>,
    pub cfg_trx_level: ::std::option::Option<unsafe extern "C" fn() -> ib_trx_level_t>,
    pub tuple_get_n_user_cols: ::std::option::Option<unsafe extern "C" fn(tpl: ib_tpl_t) -> ib_ulint_t>,
    pub set_lock_mode: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, mode: ib_lck_mode_t) -> ib_err_t>,
    pub get_idx_field_name:
        ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t, col: ib_ulint_t) -> *const ::std::os::raw::c_char>,
    pub trx_get_start_time: ::std::option::Option<unsafe extern "C" fn(trx: ib_trx_t) -> u64>,
    pub bk_commit_interval: ::std::option::Option<unsafe extern "C" fn() -> ib_ulint_t>,
    pub ut_strerr: ::std::option::Option<unsafe extern "C" fn(err: ib_err_t) -> *const ::std::os::raw::c_char>,
    pub cursor_stmt_begin: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_err_t>,
    pub trx_read_only: ::std::option::Option<unsafe extern "C" fn(trx: ib_trx_t) -> u32>,
    pub is_virtual_table: ::std::option::Option<unsafe extern "C" fn(crsr: ib_crsr_t) -> ib_bool_t>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_cb"][::std::mem::size_of::<ib_cb>() - 400usize];
    ["Alignment of ib_cb"][::std::mem::align_of::<ib_cb>() - 8usize];
    ["Offset of field: ib_cb::open_table"][::std::mem::offset_of!(ib_cb, open_table) - 0usize];
    ["Offset of field: ib_cb::read_row"][::std::mem::offset_of!(ib_cb, read_row) - 8usize];
    ["Offset of field: ib_cb::insert_row"][::std::mem::offset_of!(ib_cb, insert_row) - 16usize];
    ["Offset of field: ib_cb::delete_row"][::std::mem::offset_of!(ib_cb, delete_row) - 24usize];
    ["Offset of field: ib_cb::update_row"][::std::mem::offset_of!(ib_cb, update_row) - 32usize];
    ["Offset of field: ib_cb::moveto"][::std::mem::offset_of!(ib_cb, moveto) - 40usize];
    ["Offset of field: ib_cb::cursor_first"][::std::mem::offset_of!(ib_cb, cursor_first) - 48usize];
    ["Offset of field: ib_cb::cursor_next"][::std::mem::offset_of!(ib_cb, cursor_next) - 56usize];
    ["Offset of field: ib_cb::set_match_mode"][::std::mem::offset_of!(ib_cb, set_match_mode) - 64usize];
    ["Offset of field: ib_cb::sec_search_tuple_create"]
        [::std::mem::offset_of!(ib_cb, sec_search_tuple_create) - 72usize];
    ["Offset of field: ib_cb::clust_read_tuple_create"]
        [::std::mem::offset_of!(ib_cb, clust_read_tuple_create) - 80usize];
    ["Offset of field: ib_cb::tuple_delete"][::std::mem::offset_of!(ib_cb, tuple_delete) - 88usize];
    ["Offset of field: ib_cb::tuple_read_u8"][::std::mem::offset_of!(ib_cb, tuple_read_u8) - 96usize];
    ["Offset of field: ib_cb::tuple_read_u16"][::std::mem::offset_of!(ib_cb, tuple_read_u16) - 104usize];
    ["Offset of field: ib_cb::tuple_read_u32"][::std::mem::offset_of!(ib_cb, tuple_read_u32) - 112usize];
    ["Offset of field: ib_cb::tuple_read_u64"][::std::mem::offset_of!(ib_cb, tuple_read_u64) - 120usize];
    ["Offset of field: ib_cb::tuple_read_i8"][::std::mem::offset_of!(ib_cb, tuple_read_i8) - 128usize];
    ["Offset of field: ib_cb::tuple_read_i16"][::std::mem::offset_of!(ib_cb, tuple_read_i16) - 136usize];
    ["Offset of field: ib_cb::tuple_read_i32"][::std::mem::offset_of!(ib_cb, tuple_read_i32) - 144usize];
    ["Offset of field: ib_cb::tuple_read_i64"][::std::mem::offset_of!(ib_cb, tuple_read_i64) - 152usize];
    ["Offset of field: ib_cb::tuple_get_n_cols"][::std::mem::offset_of!(ib_cb, tuple_get_n_cols) - 160usize];
    ["Offset of field: ib_cb::col_set_value"][::std::mem::offset_of!(ib_cb, col_set_value) - 168usize];
    ["Offset of field: ib_cb::col_get_value"][::std::mem::offset_of!(ib_cb, col_get_value) - 176usize];
    ["Offset of field: ib_cb::col_get_meta"][::std::mem::offset_of!(ib_cb, col_get_meta) - 184usize];
    ["Offset of field: ib_cb::trx_begin"][::std::mem::offset_of!(ib_cb, trx_begin) - 192usize];
    ["Offset of field: ib_cb::trx_commit"][::std::mem::offset_of!(ib_cb, trx_commit) - 200usize];
    ["Offset of field: ib_cb::trx_rollback"][::std::mem::offset_of!(ib_cb, trx_rollback) - 208usize];
    ["Offset of field: ib_cb::trx_start"][::std::mem::offset_of!(ib_cb, trx_start) - 216usize];
    ["Offset of field: ib_cb::trx_release"][::std::mem::offset_of!(ib_cb, trx_release) - 224usize];
    ["Offset of field: ib_cb::cursor_lock"][::std::mem::offset_of!(ib_cb, cursor_lock) - 232usize];
    ["Offset of field: ib_cb::cursor_close"][::std::mem::offset_of!(ib_cb, cursor_close) - 240usize];
    ["Offset of field: ib_cb::cursor_new_trx"][::std::mem::offset_of!(ib_cb, cursor_new_trx) - 248usize];
    ["Offset of field: ib_cb::cursor_reset"][::std::mem::offset_of!(ib_cb, cursor_reset) - 256usize];
    ["Offset of field: ib_cb::col_get_name"][::std::mem::offset_of!(ib_cb, col_get_name) - 264usize];
    ["Offset of field: ib_cb::table_truncate"][::std::mem::offset_of!(ib_cb, table_truncate) - 272usize];
    ["Offset of field: ib_cb::open_index_using_name"][::std::mem::offset_of!(ib_cb, open_index_using_name) - 280usize];
    ["Offset of field: ib_cb::get_cfg"][::std::mem::offset_of!(ib_cb, get_cfg) - 288usize];
    ["Offset of field: ib_cb::set_memcached_sync"][::std::mem::offset_of!(ib_cb, set_memcached_sync) - 296usize];
    ["Offset of field: ib_cb::set_cluster_access"][::std::mem::offset_of!(ib_cb, set_cluster_access) - 304usize];
    ["Offset of field: ib_cb::commit_trx"][::std::mem::offset_of!(ib_cb, commit_trx) - 312usize];
    ["Offset of field: ib_cb::cfg_trx_level"][::std::mem::offset_of!(ib_cb, cfg_trx_level) - 320usize];
    ["Offset of field: ib_cb::tuple_get_n_user_cols"][::std::mem::offset_of!(ib_cb, tuple_get_n_user_cols) - 328usize];
    ["Offset of field: ib_cb::set_lock_mode"][::std::mem::offset_of!(ib_cb, set_lock_mode) - 336usize];
    ["Offset of field: ib_cb::get_idx_field_name"][::std::mem::offset_of!(ib_cb, get_idx_field_name) - 344usize];
    ["Offset of field: ib_cb::trx_get_start_time"][::std::mem::offset_of!(ib_cb, trx_get_start_time) - 352usize];
    ["Offset of field: ib_cb::bk_commit_interval"][::std::mem::offset_of!(ib_cb, bk_commit_interval) - 360usize];
    ["Offset of field: ib_cb::ut_strerr"][::std::mem::offset_of!(ib_cb, ut_strerr) - 368usize];
    ["Offset of field: ib_cb::cursor_stmt_begin"][::std::mem::offset_of!(ib_cb, cursor_stmt_begin) - 376usize];
    ["Offset of field: ib_cb::trx_read_only"][::std::mem::offset_of!(ib_cb, trx_read_only) - 384usize];
    ["Offset of field: ib_cb::is_virtual_table"][::std::mem::offset_of!(ib_cb, is_virtual_table) - 392usize];
};
pub type ib_cb_t = ib_cb;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_field {
    pub data: *const ::std::os::raw::c_void,
    pub len: ib_ulint_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_field"][::std::mem::size_of::<ib_field>() - 16usize];
    ["Alignment of ib_field"][::std::mem::align_of::<ib_field>() - 8usize];
    ["Offset of field: ib_field::data"][::std::mem::offset_of!(ib_field, data) - 0usize];
    ["Offset of field: ib_field::len"][::std::mem::offset_of!(ib_field, len) - 8usize];
};
pub type ib_field_t = ib_field;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_cb_fields {
    pub table: ib_cb_t,
    pub find_fields: ::std::option::Option<
        unsafe extern "C" fn(
            crsr: ib_crsr_t,
            key: *const ::std::os::raw::c_void,
            len: ib_ulint_t,
            fields: *mut ib_field_t,
            n: ib_ulint_t,
        ) -> ib_err_t,
    >,
    pub update_fields: ::std::option::Option<
        unsafe extern "C" fn(crsr: ib_crsr_t, fields: *const ib_field_t, n: ib_ulint_t) -> ib_err_t,
    >,
    pub insert_fields: ::std::option::Option<
        unsafe extern "C" fn(crsr: ib_crsr_t, fields: *const ib_field_t, n: ib_ulint_t) -> ib_err_t,
    >,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_cb_fields"][::std::mem::size_of::<ib_cb_fields>() - 424usize];
    ["Alignment of ib_cb_fields"][::std::mem::align_of::<ib_cb_fields>() - 8usize];
    ["Offset of field: ib_cb_fields::table"][::std::mem::offset_of!(ib_cb_fields, table) - 0usize];
    ["Offset of field: ib_cb_fields::find_fields"][::std::mem::offset_of!(ib_cb_fields, find_fields) - 400usize];
    ["Offset of field: ib_cb_fields::update_fields"][::std::mem::offset_of!(ib_cb_fields, update_fields) - 408usize];
    ["Offset of field: ib_cb_fields::insert_fields"][::std::mem::offset_of!(ib_cb_fields, insert_fields) - 416usize];
};
pub type ib_cb_fields_t = ib_cb_fields;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_cb_sized {
    pub fields: ib_cb_fields_t,
    pub table_size: ::std::option::Option<
        unsafe extern "C" fn(name: *const ::std::os::raw::c_char, rows: *mut u64, bytes: *mut u64) -> ib_err_t,
    >,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_cb_sized"][::std::mem::size_of::<ib_cb_sized>() - 432usize];
    ["Alignment of ib_cb_sized"][::std::mem::align_of::<ib_cb_sized>() - 8usize];
    ["Offset of field: ib_cb_sized::fields"][::std::mem::offset_of!(ib_cb_sized, fields) - 0usize];
    ["Offset of field: ib_cb_sized::table_size"][::std::mem::offset_of!(ib_cb_sized, table_size) - 424usize];
};
pub type ib_cb_sized_t = ib_cb_sized;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct ib_cb_changes {
    pub sized: ib_cb_sized_t,
    pub table_changes: ::std::option::Option<unsafe extern "C" fn(name: *const ::std::os::raw::c_char) -> *const u64>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ib_cb_changes"][::std::mem::size_of::<ib_cb_changes>() - 440usize];
    ["Alignment of ib_cb_changes"][::std::mem::align_of::<ib_cb_changes>() - 8usize];
    ["Offset of field: ib_cb_changes::sized"][::std::mem::offset_of!(ib_cb_changes, sized) - 0usize];
    ["Offset of field: ib_cb_changes::table_changes"][::std::mem::offset_of!(ib_cb_changes, table_changes) - 432usize];
};
pub type ib_cb_changes_t = ib_cb_changes;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_mysql_plugin {
    pub type_: ::std::os::raw::c_int,
    pub info: *mut ::std::os::raw::c_void,
    pub name: *const ::std::os::raw::c_char,
    pub author: *const ::std::os::raw::c_char,
    pub descr: *const ::std::os::raw::c_char,
    pub license: ::std::os::raw::c_int,
    pub init: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub check_uninstall: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub deinit: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub version: ::std::os::raw::c_uint,
    pub status_vars: *mut dm_show_var,
    pub system_vars: *mut *mut dm_sys_var,
    pub reserved1: *mut ::std::os::raw::c_void,
    pub flags: ::std::os::raw::c_ulong,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_mysql_plugin"][::std::mem::size_of::<dm_mysql_plugin>() - 112usize];
    ["Alignment of dm_mysql_plugin"][::std::mem::align_of::<dm_mysql_plugin>() - 8usize];
    ["Offset of field: dm_mysql_plugin::type_"][::std::mem::offset_of!(dm_mysql_plugin, type_) - 0usize];
    ["Offset of field: dm_mysql_plugin::info"][::std::mem::offset_of!(dm_mysql_plugin, info) - 8usize];
    ["Offset of field: dm_mysql_plugin::name"][::std::mem::offset_of!(dm_mysql_plugin, name) - 16usize];
    ["Offset of field: dm_mysql_plugin::author"][::std::mem::offset_of!(dm_mysql_plugin, author) - 24usize];
    ["Offset of field: dm_mysql_plugin::descr"][::std::mem::offset_of!(dm_mysql_plugin, descr) - 32usize];
    ["Offset of field: dm_mysql_plugin::license"][::std::mem::offset_of!(dm_mysql_plugin, license) - 40usize];
    ["Offset of field: dm_mysql_plugin::init"][::std::mem::offset_of!(dm_mysql_plugin, init) - 48usize];
    ["Offset of field: dm_mysql_plugin::check_uninstall"]
        [::std::mem::offset_of!(dm_mysql_plugin, check_uninstall) - 56usize];
    ["Offset of field: dm_mysql_plugin::deinit"][::std::mem::offset_of!(dm_mysql_plugin, deinit) - 64usize];
    ["Offset of field: dm_mysql_plugin::version"][::std::mem::offset_of!(dm_mysql_plugin, version) - 72usize];
    ["Offset of field: dm_mysql_plugin::status_vars"][::std::mem::offset_of!(dm_mysql_plugin, status_vars) - 80usize];
    ["Offset of field: dm_mysql_plugin::system_vars"][::std::mem::offset_of!(dm_mysql_plugin, system_vars) - 88usize];
    ["Offset of field: dm_mysql_plugin::reserved1"][::std::mem::offset_of!(dm_mysql_plugin, reserved1) - 96usize];
    ["Offset of field: dm_mysql_plugin::flags"][::std::mem::offset_of!(dm_mysql_plugin, flags) - 104usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_mysql57_plugin {
    pub type_: ::std::os::raw::c_int,
    pub info: *mut ::std::os::raw::c_void,
    pub name: *const ::std::os::raw::c_char,
    pub author: *const ::std::os::raw::c_char,
    pub descr: *const ::std::os::raw::c_char,
    pub license: ::std::os::raw::c_int,
    pub init: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub deinit: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub version: ::std::os::raw::c_uint,
    pub status_vars: *mut dm_show_var,
    pub system_vars: *mut *mut dm_sys_var,
    pub reserved1: *mut ::std::os::raw::c_void,
    pub flags: ::std::os::raw::c_ulong,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_mysql57_plugin"][::std::mem::size_of::<dm_mysql57_plugin>() - 104usize];
    ["Alignment of dm_mysql57_plugin"][::std::mem::align_of::<dm_mysql57_plugin>() - 8usize];
    ["Offset of field: dm_mysql57_plugin::type_"][::std::mem::offset_of!(dm_mysql57_plugin, type_) - 0usize];
    ["Offset of field: dm_mysql57_plugin::info"][::std::mem::offset_of!(dm_mysql57_plugin, info) - 8usize];
    ["Offset of field: dm_mysql57_plugin::name"][::std::mem::offset_of!(dm_mysql57_plugin, name) - 16usize];
    ["Offset of field: dm_mysql57_plugin::author"][::std::mem::offset_of!(dm_mysql57_plugin, author) - 24usize];
    ["Offset of field: dm_mysql57_plugin::descr"][::std::mem::offset_of!(dm_mysql57_plugin, descr) - 32usize];
    ["Offset of field: dm_mysql57_plugin::license"][::std::mem::offset_of!(dm_mysql57_plugin, license) - 40usize];
    ["Offset of field: dm_mysql57_plugin::init"][::std::mem::offset_of!(dm_mysql57_plugin, init) - 48usize];
    ["Offset of field: dm_mysql57_plugin::deinit"][::std::mem::offset_of!(dm_mysql57_plugin, deinit) - 56usize];
    ["Offset of field: dm_mysql57_plugin::version"][::std::mem::offset_of!(dm_mysql57_plugin, version) - 64usize];
    ["Offset of field: dm_mysql57_plugin::status_vars"]
        [::std::mem::offset_of!(dm_mysql57_plugin, status_vars) - 72usize];
    ["Offset of field: dm_mysql57_plugin::system_vars"]
        [::std::mem::offset_of!(dm_mysql57_plugin, system_vars) - 80usize];
    ["Offset of field: dm_mysql57_plugin::reserved1"][::std::mem::offset_of!(dm_mysql57_plugin, reserved1) - 88usize];
    ["Offset of field: dm_mysql57_plugin::flags"][::std::mem::offset_of!(dm_mysql57_plugin, flags) - 96usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_maria_plugin {
    pub type_: ::std::os::raw::c_int,
    pub info: *mut ::std::os::raw::c_void,
    pub name: *const ::std::os::raw::c_char,
    pub author: *const ::std::os::raw::c_char,
    pub descr: *const ::std::os::raw::c_char,
    pub license: ::std::os::raw::c_int,
    pub init: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub deinit: ::std::option::Option<
        unsafe extern "C" fn(st_plugin_int: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int,
    >,
    pub version: ::std::os::raw::c_uint,
    pub status_vars: *mut dm_show_var,
    pub system_vars: *mut *mut dm_sys_var,
    pub version_info: *const ::std::os::raw::c_char,
    pub maturity: ::std::os::raw::c_uint,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_maria_plugin"][::std::mem::size_of::<dm_maria_plugin>() - 104usize];
    ["Alignment of dm_maria_plugin"][::std::mem::align_of::<dm_maria_plugin>() - 8usize];
    ["Offset of field: dm_maria_plugin::type_"][::std::mem::offset_of!(dm_maria_plugin, type_) - 0usize];
    ["Offset of field: dm_maria_plugin::info"][::std::mem::offset_of!(dm_maria_plugin, info) - 8usize];
    ["Offset of field: dm_maria_plugin::name"][::std::mem::offset_of!(dm_maria_plugin, name) - 16usize];
    ["Offset of field: dm_maria_plugin::author"][::std::mem::offset_of!(dm_maria_plugin, author) - 24usize];
    ["Offset of field: dm_maria_plugin::descr"][::std::mem::offset_of!(dm_maria_plugin, descr) - 32usize];
    ["Offset of field: dm_maria_plugin::license"][::std::mem::offset_of!(dm_maria_plugin, license) - 40usize];
    ["Offset of field: dm_maria_plugin::init"][::std::mem::offset_of!(dm_maria_plugin, init) - 48usize];
    ["Offset of field: dm_maria_plugin::deinit"][::std::mem::offset_of!(dm_maria_plugin, deinit) - 56usize];
    ["Offset of field: dm_maria_plugin::version"][::std::mem::offset_of!(dm_maria_plugin, version) - 64usize];
    ["Offset of field: dm_maria_plugin::status_vars"][::std::mem::offset_of!(dm_maria_plugin, status_vars) - 72usize];
    ["Offset of field: dm_maria_plugin::system_vars"][::std::mem::offset_of!(dm_maria_plugin, system_vars) - 80usize];
    ["Offset of field: dm_maria_plugin::version_info"][::std::mem::offset_of!(dm_maria_plugin, version_info) - 88usize];
    ["Offset of field: dm_maria_plugin::maturity"][::std::mem::offset_of!(dm_maria_plugin, maturity) - 96usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_plugin_int {
    pub name_str: *const ::std::os::raw::c_char,
    pub name_length: usize,
    pub plugin: *mut dm_mysql_plugin,
    pub plugin_dl: *mut ::std::os::raw::c_void,
    pub state: u32,
    pub ref_count: u32,
    pub data: *mut ::std::os::raw::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_plugin_int"][::std::mem::size_of::<dm_plugin_int>() - 48usize];
    ["Alignment of dm_plugin_int"][::std::mem::align_of::<dm_plugin_int>() - 8usize];
    ["Offset of field: dm_plugin_int::name_str"][::std::mem::offset_of!(dm_plugin_int, name_str) - 0usize];
    ["Offset of field: dm_plugin_int::name_length"][::std::mem::offset_of!(dm_plugin_int, name_length) - 8usize];
    ["Offset of field: dm_plugin_int::plugin"][::std::mem::offset_of!(dm_plugin_int, plugin) - 16usize];
    ["Offset of field: dm_plugin_int::plugin_dl"][::std::mem::offset_of!(dm_plugin_int, plugin_dl) - 24usize];
    ["Offset of field: dm_plugin_int::state"][::std::mem::offset_of!(dm_plugin_int, state) - 32usize];
    ["Offset of field: dm_plugin_int::ref_count"][::std::mem::offset_of!(dm_plugin_int, ref_count) - 36usize];
    ["Offset of field: dm_plugin_int::data"][::std::mem::offset_of!(dm_plugin_int, data) - 40usize];
};
pub mod dm_show_type {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const DM_SHOW_LONGLONG: Type = 4;
    pub const DM_SHOW_CHAR: Type = 5;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_show_var {
    pub name: *const ::std::os::raw::c_char,
    pub value: *mut ::std::os::raw::c_char,
    pub type_: ::std::os::raw::c_int,
    pub scope: ::std::os::raw::c_int,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_show_var"][::std::mem::size_of::<dm_show_var>() - 24usize];
    ["Alignment of dm_show_var"][::std::mem::align_of::<dm_show_var>() - 8usize];
    ["Offset of field: dm_show_var::name"][::std::mem::offset_of!(dm_show_var, name) - 0usize];
    ["Offset of field: dm_show_var::value"][::std::mem::offset_of!(dm_show_var, value) - 8usize];
    ["Offset of field: dm_show_var::type_"][::std::mem::offset_of!(dm_show_var, type_) - 16usize];
    ["Offset of field: dm_show_var::scope"][::std::mem::offset_of!(dm_show_var, scope) - 20usize];
};
pub mod dm_var_flags {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const DM_VAR_BOOL: Type = 1;
    pub const DM_VAR_INT: Type = 2;
    pub const DM_VAR_LONG: Type = 3;
    pub const DM_VAR_STR: Type = 5;
    pub const DM_VAR_TYPEMASK: Type = 7;
    pub const DM_VAR_UNSIGNED: Type = 128;
    pub const DM_VAR_READONLY: Type = 512;
    pub const DM_VAR_MEMALLOC: Type = 32768;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_value {
    pub value_type: ::std::option::Option<unsafe extern "C" fn(value: *mut dm_value) -> ::std::os::raw::c_int>,
    pub val_str: ::std::option::Option<
        unsafe extern "C" fn(
            value: *mut dm_value,
            room: *mut ::std::os::raw::c_char,
            length: *mut ::std::os::raw::c_int,
        ) -> *const ::std::os::raw::c_char,
    >,
    pub val_real:
        ::std::option::Option<unsafe extern "C" fn(value: *mut dm_value, out: *mut f64) -> ::std::os::raw::c_int>,
    pub val_int: ::std::option::Option<
        unsafe extern "C" fn(value: *mut dm_value, out: *mut ::std::os::raw::c_longlong) -> ::std::os::raw::c_int,
    >,
    pub is_unsigned: ::std::option::Option<unsafe extern "C" fn(value: *mut dm_value) -> ::std::os::raw::c_int>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_value"][::std::mem::size_of::<dm_value>() - 40usize];
    ["Alignment of dm_value"][::std::mem::align_of::<dm_value>() - 8usize];
    ["Offset of field: dm_value::value_type"][::std::mem::offset_of!(dm_value, value_type) - 0usize];
    ["Offset of field: dm_value::val_str"][::std::mem::offset_of!(dm_value, val_str) - 8usize];
    ["Offset of field: dm_value::val_real"][::std::mem::offset_of!(dm_value, val_real) - 16usize];
    ["Offset of field: dm_value::val_int"][::std::mem::offset_of!(dm_value, val_int) - 24usize];
    ["Offset of field: dm_value::is_unsigned"][::std::mem::offset_of!(dm_value, is_unsigned) - 32usize];
};
pub type dm_var_check_fn = ::std::option::Option<
    unsafe extern "C" fn(
        thd: *mut ::std::os::raw::c_void,
        var: *mut dm_sys_var,
        save: *mut ::std::os::raw::c_void,
        value: *mut ::std::os::raw::c_void,
    ) -> ::std::os::raw::c_int,
>;
pub type dm_var_update_fn = ::std::option::Option<
    unsafe extern "C" fn(
        thd: *mut ::std::os::raw::c_void,
        var: *mut dm_sys_var,
        var_ptr: *mut ::std::os::raw::c_void,
        save: *const ::std::os::raw::c_void,
    ),
>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_sys_var {
    pub flags: ::std::os::raw::c_int,
    pub name: *const ::std::os::raw::c_char,
    pub comment: *const ::std::os::raw::c_char,
    pub check: dm_var_check_fn,
    pub update: dm_var_update_fn,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_sys_var"][::std::mem::size_of::<dm_sys_var>() - 40usize];
    ["Alignment of dm_sys_var"][::std::mem::align_of::<dm_sys_var>() - 8usize];
    ["Offset of field: dm_sys_var::flags"][::std::mem::offset_of!(dm_sys_var, flags) - 0usize];
    ["Offset of field: dm_sys_var::name"][::std::mem::offset_of!(dm_sys_var, name) - 8usize];
    ["Offset of field: dm_sys_var::comment"][::std::mem::offset_of!(dm_sys_var, comment) - 16usize];
    ["Offset of field: dm_sys_var::check"][::std::mem::offset_of!(dm_sys_var, check) - 24usize];
    ["Offset of field: dm_sys_var::update"][::std::mem::offset_of!(dm_sys_var, update) - 32usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_sys_var_str {
    pub head: dm_sys_var,
    pub value: *mut *mut ::std::os::raw::c_char,
    pub def_val: *const ::std::os::raw::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_sys_var_str"][::std::mem::size_of::<dm_sys_var_str>() - 56usize];
    ["Alignment of dm_sys_var_str"][::std::mem::align_of::<dm_sys_var_str>() - 8usize];
    ["Offset of field: dm_sys_var_str::head"][::std::mem::offset_of!(dm_sys_var_str, head) - 0usize];
    ["Offset of field: dm_sys_var_str::value"][::std::mem::offset_of!(dm_sys_var_str, value) - 40usize];
    ["Offset of field: dm_sys_var_str::def_val"][::std::mem::offset_of!(dm_sys_var_str, def_val) - 48usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_sys_var_bool {
    pub head: dm_sys_var,
    pub value: *mut ::std::os::raw::c_char,
    pub def_val: ::std::os::raw::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_sys_var_bool"][::std::mem::size_of::<dm_sys_var_bool>() - 56usize];
    ["Alignment of dm_sys_var_bool"][::std::mem::align_of::<dm_sys_var_bool>() - 8usize];
    ["Offset of field: dm_sys_var_bool::head"][::std::mem::offset_of!(dm_sys_var_bool, head) - 0usize];
    ["Offset of field: dm_sys_var_bool::value"][::std::mem::offset_of!(dm_sys_var_bool, value) - 40usize];
    ["Offset of field: dm_sys_var_bool::def_val"][::std::mem::offset_of!(dm_sys_var_bool, def_val) - 48usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_sys_var_int {
    pub head: dm_sys_var,
    pub value: *mut ::std::os::raw::c_int,
    pub def_val: ::std::os::raw::c_int,
    pub min_val: ::std::os::raw::c_int,
    pub max_val: ::std::os::raw::c_int,
    pub blk_sz: ::std::os::raw::c_int,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_sys_var_int"][::std::mem::size_of::<dm_sys_var_int>() - 64usize];
    ["Alignment of dm_sys_var_int"][::std::mem::align_of::<dm_sys_var_int>() - 8usize];
    ["Offset of field: dm_sys_var_int::head"][::std::mem::offset_of!(dm_sys_var_int, head) - 0usize];
    ["Offset of field: dm_sys_var_int::value"][::std::mem::offset_of!(dm_sys_var_int, value) - 40usize];
    ["Offset of field: dm_sys_var_int::def_val"][::std::mem::offset_of!(dm_sys_var_int, def_val) - 48usize];
    ["Offset of field: dm_sys_var_int::min_val"][::std::mem::offset_of!(dm_sys_var_int, min_val) - 52usize];
    ["Offset of field: dm_sys_var_int::max_val"][::std::mem::offset_of!(dm_sys_var_int, max_val) - 56usize];
    ["Offset of field: dm_sys_var_int::blk_sz"][::std::mem::offset_of!(dm_sys_var_int, blk_sz) - 60usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_sys_var_uint {
    pub head: dm_sys_var,
    pub value: *mut ::std::os::raw::c_uint,
    pub def_val: ::std::os::raw::c_uint,
    pub min_val: ::std::os::raw::c_uint,
    pub max_val: ::std::os::raw::c_uint,
    pub blk_sz: ::std::os::raw::c_uint,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_sys_var_uint"][::std::mem::size_of::<dm_sys_var_uint>() - 64usize];
    ["Alignment of dm_sys_var_uint"][::std::mem::align_of::<dm_sys_var_uint>() - 8usize];
    ["Offset of field: dm_sys_var_uint::head"][::std::mem::offset_of!(dm_sys_var_uint, head) - 0usize];
    ["Offset of field: dm_sys_var_uint::value"][::std::mem::offset_of!(dm_sys_var_uint, value) - 40usize];
    ["Offset of field: dm_sys_var_uint::def_val"][::std::mem::offset_of!(dm_sys_var_uint, def_val) - 48usize];
    ["Offset of field: dm_sys_var_uint::min_val"][::std::mem::offset_of!(dm_sys_var_uint, min_val) - 52usize];
    ["Offset of field: dm_sys_var_uint::max_val"][::std::mem::offset_of!(dm_sys_var_uint, max_val) - 56usize];
    ["Offset of field: dm_sys_var_uint::blk_sz"][::std::mem::offset_of!(dm_sys_var_uint, blk_sz) - 60usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_host_service {
    pub struct_size: usize,
    pub arg: *mut ::std::os::raw::c_void,
    pub log: ::std::option::Option<
        unsafe extern "C" fn(
            arg: *mut ::std::os::raw::c_void,
            level: ::std::os::raw::c_int,
            line: *const ::std::os::raw::c_char,
        ),
    >,
    pub init_error: ::std::option::Option<
        unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, message: *const ::std::os::raw::c_char),
    >,
    pub is_shutting_down:
        ::std::option::Option<unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int>,
    pub thread_attach: ::std::option::Option<
        unsafe extern "C" fn(
            arg: *mut ::std::os::raw::c_void,
            state: *mut *mut ::std::os::raw::c_void,
        ) -> ::std::os::raw::c_int,
    >,
    pub thread_detach: ::std::option::Option<
        unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, state: *mut ::std::os::raw::c_void),
    >,
    pub lock_wait_restart: ::std::option::Option<unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void)>,
    pub sync_times: ::std::option::Option<
        unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, counts: *mut u64, nanoseconds: *mut u64),
    >,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_host_service"][::std::mem::size_of::<dm_host_service>() - 72usize];
    ["Alignment of dm_host_service"][::std::mem::align_of::<dm_host_service>() - 8usize];
    ["Offset of field: dm_host_service::struct_size"][::std::mem::offset_of!(dm_host_service, struct_size) - 0usize];
    ["Offset of field: dm_host_service::arg"][::std::mem::offset_of!(dm_host_service, arg) - 8usize];
    ["Offset of field: dm_host_service::log"][::std::mem::offset_of!(dm_host_service, log) - 16usize];
    ["Offset of field: dm_host_service::init_error"][::std::mem::offset_of!(dm_host_service, init_error) - 24usize];
    ["Offset of field: dm_host_service::is_shutting_down"]
        [::std::mem::offset_of!(dm_host_service, is_shutting_down) - 32usize];
    ["Offset of field: dm_host_service::thread_attach"]
        [::std::mem::offset_of!(dm_host_service, thread_attach) - 40usize];
    ["Offset of field: dm_host_service::thread_detach"]
        [::std::mem::offset_of!(dm_host_service, thread_detach) - 48usize];
    ["Offset of field: dm_host_service::lock_wait_restart"]
        [::std::mem::offset_of!(dm_host_service, lock_wait_restart) - 56usize];
    ["Offset of field: dm_host_service::sync_times"][::std::mem::offset_of!(dm_host_service, sync_times) - 64usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_connection {
    pub id: u64,
    pub user: *const ::std::os::raw::c_char,
    pub address: *const ::std::os::raw::c_char,
    pub database: *const ::std::os::raw::c_char,
    pub silent: u64,
    pub state: *const ::std::os::raw::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_connection"][::std::mem::size_of::<dm_connection>() - 48usize];
    ["Alignment of dm_connection"][::std::mem::align_of::<dm_connection>() - 8usize];
    ["Offset of field: dm_connection::id"][::std::mem::offset_of!(dm_connection, id) - 0usize];
    ["Offset of field: dm_connection::user"][::std::mem::offset_of!(dm_connection, user) - 8usize];
    ["Offset of field: dm_connection::address"][::std::mem::offset_of!(dm_connection, address) - 16usize];
    ["Offset of field: dm_connection::database"][::std::mem::offset_of!(dm_connection, database) - 24usize];
    ["Offset of field: dm_connection::silent"][::std::mem::offset_of!(dm_connection, silent) - 32usize];
    ["Offset of field: dm_connection::state"][::std::mem::offset_of!(dm_connection, state) - 40usize];
};
pub type dm_connection_fn =
    ::std::option::Option<unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, connection: *const dm_connection)>;
pub type dm_connections_fn =
    ::std::option::Option<unsafe extern "C" fn(tell: dm_connection_fn, arg: *mut ::std::os::raw::c_void)>;
pub type dm_kill_fn = ::std::option::Option<unsafe extern "C" fn(id: u64) -> ::std::os::raw::c_int>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_udf_args {
    pub arg_count: ::std::os::raw::c_uint,
    pub arg_type: *mut ::std::os::raw::c_int,
    pub args: *mut *mut ::std::os::raw::c_char,
    pub lengths: *mut ::std::os::raw::c_ulong,
    pub maybe_null: *mut ::std::os::raw::c_char,
    pub attributes: *mut *mut ::std::os::raw::c_char,
    pub attribute_lengths: *mut ::std::os::raw::c_ulong,
    pub extension: *mut ::std::os::raw::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_udf_args"][::std::mem::size_of::<dm_udf_args>() - 64usize];
    ["Alignment of dm_udf_args"][::std::mem::align_of::<dm_udf_args>() - 8usize];
    ["Offset of field: dm_udf_args::arg_count"][::std::mem::offset_of!(dm_udf_args, arg_count) - 0usize];
    ["Offset of field: dm_udf_args::arg_type"][::std::mem::offset_of!(dm_udf_args, arg_type) - 8usize];
    ["Offset of field: dm_udf_args::args"][::std::mem::offset_of!(dm_udf_args, args) - 16usize];
    ["Offset of field: dm_udf_args::lengths"][::std::mem::offset_of!(dm_udf_args, lengths) - 24usize];
    ["Offset of field: dm_udf_args::maybe_null"][::std::mem::offset_of!(dm_udf_args, maybe_null) - 32usize];
    ["Offset of field: dm_udf_args::attributes"][::std::mem::offset_of!(dm_udf_args, attributes) - 40usize];
    ["Offset of field: dm_udf_args::attribute_lengths"]
        [::std::mem::offset_of!(dm_udf_args, attribute_lengths) - 48usize];
    ["Offset of field: dm_udf_args::extension"][::std::mem::offset_of!(dm_udf_args, extension) - 56usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_udf_init {
    pub maybe_null: bool,
    pub decimals: ::std::os::raw::c_uint,
    pub max_length: ::std::os::raw::c_ulong,
    pub ptr: *mut ::std::os::raw::c_char,
    pub const_item: bool,
    pub extension: *mut ::std::os::raw::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_udf_init"][::std::mem::size_of::<dm_udf_init>() - 40usize];
    ["Alignment of dm_udf_init"][::std::mem::align_of::<dm_udf_init>() - 8usize];
    ["Offset of field: dm_udf_init::maybe_null"][::std::mem::offset_of!(dm_udf_init, maybe_null) - 0usize];
    ["Offset of field: dm_udf_init::decimals"][::std::mem::offset_of!(dm_udf_init, decimals) - 4usize];
    ["Offset of field: dm_udf_init::max_length"][::std::mem::offset_of!(dm_udf_init, max_length) - 8usize];
    ["Offset of field: dm_udf_init::ptr"][::std::mem::offset_of!(dm_udf_init, ptr) - 16usize];
    ["Offset of field: dm_udf_init::const_item"][::std::mem::offset_of!(dm_udf_init, const_item) - 24usize];
    ["Offset of field: dm_udf_init::extension"][::std::mem::offset_of!(dm_udf_init, extension) - 32usize];
};
pub mod dm_result {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const DM_OK: Type = 0;
    pub const DM_INVALID_ARGUMENT: Type = 1;
    pub const DM_ALREADY_RUNNING: Type = 2;
    pub const DM_BAD_OPTION: Type = 3;
    pub const DM_BAD_CONFIGURATION: Type = 4;
    pub const DM_CANNOT_LISTEN: Type = 5;
    pub const DM_SYSTEM: Type = 6;
    pub const DM_PANIC: Type = 7;
}
#[repr(C)]
#[derive(Debug)]
pub struct dm_handle {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct dm_config {
    pub struct_size: usize,
    pub abi_version: u32,
    pub r_batch_size: u32,
    pub w_batch_size: u32,
    pub reserved: u32,
    pub innodb_api: *const ib_cb_t,
    pub innodb_api_entries: usize,
    pub option: *const ::std::os::raw::c_char,
    pub arg: *mut ::std::os::raw::c_void,
    pub log: ::std::option::Option<
        unsafe extern "C" fn(
            arg: *mut ::std::os::raw::c_void,
            level: ::std::os::raw::c_int,
            line: *const ::std::os::raw::c_char,
        ),
    >,
    pub thread_attach: ::std::option::Option<
        unsafe extern "C" fn(
            arg: *mut ::std::os::raw::c_void,
            state: *mut *mut ::std::os::raw::c_void,
        ) -> ::std::os::raw::c_int,
    >,
    pub thread_detach: ::std::option::Option<
        unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, state: *mut ::std::os::raw::c_void),
    >,
    pub is_shutting_down:
        ::std::option::Option<unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void) -> ::std::os::raw::c_int>,
    pub lock_wait_restart: ::std::option::Option<unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void)>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of dm_config"][::std::mem::size_of::<dm_config>() - 96usize];
    ["Alignment of dm_config"][::std::mem::align_of::<dm_config>() - 8usize];
    ["Offset of field: dm_config::struct_size"][::std::mem::offset_of!(dm_config, struct_size) - 0usize];
    ["Offset of field: dm_config::abi_version"][::std::mem::offset_of!(dm_config, abi_version) - 8usize];
    ["Offset of field: dm_config::r_batch_size"][::std::mem::offset_of!(dm_config, r_batch_size) - 12usize];
    ["Offset of field: dm_config::w_batch_size"][::std::mem::offset_of!(dm_config, w_batch_size) - 16usize];
    ["Offset of field: dm_config::reserved"][::std::mem::offset_of!(dm_config, reserved) - 20usize];
    ["Offset of field: dm_config::innodb_api"][::std::mem::offset_of!(dm_config, innodb_api) - 24usize];
    ["Offset of field: dm_config::innodb_api_entries"][::std::mem::offset_of!(dm_config, innodb_api_entries) - 32usize];
    ["Offset of field: dm_config::option"][::std::mem::offset_of!(dm_config, option) - 40usize];
    ["Offset of field: dm_config::arg"][::std::mem::offset_of!(dm_config, arg) - 48usize];
    ["Offset of field: dm_config::log"][::std::mem::offset_of!(dm_config, log) - 56usize];
    ["Offset of field: dm_config::thread_attach"][::std::mem::offset_of!(dm_config, thread_attach) - 64usize];
    ["Offset of field: dm_config::thread_detach"][::std::mem::offset_of!(dm_config, thread_detach) - 72usize];
    ["Offset of field: dm_config::is_shutting_down"][::std::mem::offset_of!(dm_config, is_shutting_down) - 80usize];
    ["Offset of field: dm_config::lock_wait_restart"][::std::mem::offset_of!(dm_config, lock_wait_restart) - 88usize];
};
pub type dm_status_fn = ::std::option::Option<
    unsafe extern "C" fn(
        arg: *mut ::std::os::raw::c_void,
        name: *const ::std::os::raw::c_char,
        value: *const ::std::os::raw::c_char,
    ),
>;
#[repr(C)]
#[derive(Debug)]
pub struct refengine {
    _unused: [u8; 0],
}
pub type refengine_t = refengine;
#[repr(C)]
#[derive(Debug)]
pub struct refengine_session {
    _unused: [u8; 0],
}
pub type refengine_session_t = refengine_session;
pub mod refengine_result {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const REFENGINE_OK: Type = 0;
    pub const REFENGINE_ERROR: Type = 1;
    pub const REFENGINE_LOCKED: Type = 2;
    pub const REFENGINE_INVALID_ARGUMENT: Type = 3;
    pub const REFENGINE_PANIC: Type = 4;
}
pub use self::refengine_result::Type as refengine_result_t;
pub mod refengine_event {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const REFENGINE_COLUMNS: Type = 1;
    pub const REFENGINE_ROW: Type = 2;
    pub const REFENGINE_DONE: Type = 3;
}
pub use self::refengine_event::Type as refengine_event_t;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct refengine_report {
    pub event: refengine_event_t,
    pub n_columns: ::std::os::raw::c_uint,
    pub names: *const *const ::std::os::raw::c_char,
    pub values: *const *const ::std::os::raw::c_char,
    pub lengths: *const usize,
    pub affected_rows: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of refengine_report"][::std::mem::size_of::<refengine_report>() - 40usize];
    ["Alignment of refengine_report"][::std::mem::align_of::<refengine_report>() - 8usize];
    ["Offset of field: refengine_report::event"][::std::mem::offset_of!(refengine_report, event) - 0usize];
    ["Offset of field: refengine_report::n_columns"][::std::mem::offset_of!(refengine_report, n_columns) - 4usize];
    ["Offset of field: refengine_report::names"][::std::mem::offset_of!(refengine_report, names) - 8usize];
    ["Offset of field: refengine_report::values"][::std::mem::offset_of!(refengine_report, values) - 16usize];
    ["Offset of field: refengine_report::lengths"][::std::mem::offset_of!(refengine_report, lengths) - 24usize];
    ["Offset of field: refengine_report::affected_rows"]
        [::std::mem::offset_of!(refengine_report, affected_rows) - 32usize];
};
pub type refengine_report_t = refengine_report;
pub type refengine_report_fn = ::std::option::Option<
    unsafe extern "C" fn(arg: *mut ::std::os::raw::c_void, report: *const refengine_report_t) -> ::std::os::raw::c_int,
>;
pub mod refengine_host_kind {
    #[allow(unused_imports)]
    use super::*;
    pub type Type = ::std::os::raw::c_uint;
    pub const REFENGINE_INSTALL_PLUGIN: Type = 1;
    pub const REFENGINE_UNINSTALL_PLUGIN: Type = 2;
    pub const REFENGINE_SHOW_PLUGINS: Type = 3;
    pub const REFENGINE_SHOW_VARIABLES: Type = 4;
    pub const REFENGINE_SHOW_STATUS: Type = 5;
    pub const REFENGINE_SET_GLOBAL: Type = 6;
    pub const REFENGINE_SHOW_CONNECTIONS: Type = 7;
    pub const REFENGINE_KILL: Type = 8;
    pub const REFENGINE_LIBRARY_FILE: Type = 9;
}
pub use self::refengine_host_kind::Type as refengine_host_kind_t;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct refengine_host_statement {
    pub kind: refengine_host_kind_t,
    pub name: *const ::std::os::raw::c_char,
    pub value: *const ::std::os::raw::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of refengine_host_statement"][::std::mem::size_of::<refengine_host_statement>() - 24usize];
    ["Alignment of refengine_host_statement"][::std::mem::align_of::<refengine_host_statement>() - 8usize];
    ["Offset of field: refengine_host_statement::kind"]
        [::std::mem::offset_of!(refengine_host_statement, kind) - 0usize];
    ["Offset of field: refengine_host_statement::name"]
        [::std::mem::offset_of!(refengine_host_statement, name) - 8usize];
    ["Offset of field: refengine_host_statement::value"]
        [::std::mem::offset_of!(refengine_host_statement, value) - 16usize];
};
pub type refengine_host_statement_t = refengine_host_statement;
#[repr(C)]
#[derive(Debug)]
pub struct refengine_reply {
    _unused: [u8; 0],
}
pub type refengine_reply_t = refengine_reply;
pub type refengine_host_fn = ::std::option::Option<
    unsafe extern "C" fn(
        arg: *mut ::std::os::raw::c_void,
        statement: *const refengine_host_statement_t,
        reply: *mut refengine_reply_t,
    ) -> ::std::os::raw::c_int,
>;
#[repr(C)]
#[derive(Debug)]
pub struct sqlserver {
    _unused: [u8; 0],
}
pub type sqlserver_t = sqlserver;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sqlserver_config {
    pub address: *const ::std::os::raw::c_char,
    pub port: ::std::os::raw::c_uint,
    pub socket: *const ::std::os::raw::c_char,
    pub max_connections: ::std::os::raw::c_uint,
    pub ssl_cert: *const ::std::os::raw::c_char,
    pub ssl_key: *const ::std::os::raw::c_char,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sqlserver_config"][::std::mem::size_of::<sqlserver_config>() - 48usize];
    ["Alignment of sqlserver_config"][::std::mem::align_of::<sqlserver_config>() - 8usize];
    ["Offset of field: sqlserver_config::address"][::std::mem::offset_of!(sqlserver_config, address) - 0usize];
    ["Offset of field: sqlserver_config::port"][::std::mem::offset_of!(sqlserver_config, port) - 8usize];
    ["Offset of field: sqlserver_config::socket"][::std::mem::offset_of!(sqlserver_config, socket) - 16usize];
    ["Offset of field: sqlserver_config::max_connections"]
        [::std::mem::offset_of!(sqlserver_config, max_connections) - 24usize];
    ["Offset of field: sqlserver_config::ssl_cert"][::std::mem::offset_of!(sqlserver_config, ssl_cert) - 32usize];
    ["Offset of field: sqlserver_config::ssl_key"][::std::mem::offset_of!(sqlserver_config, ssl_key) - 40usize];
};
pub type sqlserver_config_t = sqlserver_config;
