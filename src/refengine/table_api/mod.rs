//! The callback table of `include/innodb_api.h`, from the engine's side.
//!
//! [`api`] is what `refengine_api` hands out. Entries work on the engine that serves the table (see
//! `Engine::serve_callback_table`), which `trx_begin` and `open_table` look up; a handle then leads to everything else.
//! Handles are boxes whose address is the C pointer; they belong to one thread at a time and come from a pool of the thread
//! that frees them, so that a plain get allocates nothing.
//!
//! Every entry runs behind the panic guard and checks its pointers for NULL. What a code cannot say goes to the log.

mod cursor;
mod cursor_calls;
mod fields;
mod handle;
mod settings;
mod trx;
mod tuple;
mod value;

use crate::bindings::{ib_cb_changes_t, ib_cb_fields_t, ib_cb_sized_t, ib_cb_t};

/// The callback table of the process's open engine: all fifty entries, those of `IB_CFG_FIELDS`, and those of
/// `IB_CFG_TABLE_SIZES` and `IB_CFG_TABLE_CHANGES`.
pub fn api() -> &'static ib_cb_changes_t {
    static TABLE: ib_cb_changes_t = ib_cb_changes_t { sized: SIZED, table_changes: Some(settings::table_changes) };
    const SIZED: ib_cb_sized_t = ib_cb_sized_t { fields: FIELDS, table_size: Some(settings::table_size) };
    const FIELDS: ib_cb_fields_t = ib_cb_fields_t {
        table: CANONICAL,
        find_fields: Some(fields::find_fields),
        update_fields: Some(fields::update_fields),
        insert_fields: Some(fields::insert_fields),
    };
    const CANONICAL: ib_cb_t = ib_cb_t {
        open_table: Some(cursor_calls::open_table),
        read_row: Some(cursor_calls::read_row),
        insert_row: Some(cursor_calls::insert_row),
        delete_row: Some(cursor_calls::delete_row),
        update_row: Some(cursor_calls::update_row),
        moveto: Some(cursor_calls::moveto),
        cursor_first: Some(cursor_calls::first),
        cursor_next: Some(cursor_calls::next),
        set_match_mode: Some(cursor_calls::set_match_mode),
        sec_search_tuple_create: Some(tuple::sec_search_tuple_create),
        clust_read_tuple_create: Some(tuple::clust_read_tuple_create),
        tuple_delete: Some(tuple::tuple_delete),
        tuple_read_u8: Some(tuple::tuple_read_u8),
        tuple_read_u16: Some(tuple::tuple_read_u16),
        tuple_read_u32: Some(tuple::tuple_read_u32),
        tuple_read_u64: Some(tuple::tuple_read_u64),
        tuple_read_i8: Some(tuple::tuple_read_i8),
        tuple_read_i16: Some(tuple::tuple_read_i16),
        tuple_read_i32: Some(tuple::tuple_read_i32),
        tuple_read_i64: Some(tuple::tuple_read_i64),
        tuple_get_n_cols: Some(tuple::tuple_get_n_cols),
        col_set_value: Some(tuple::col_set_value),
        col_get_value: Some(tuple::col_get_value),
        col_get_meta: Some(tuple::col_get_meta),
        trx_begin: Some(trx::trx_begin),
        trx_commit: Some(trx::trx_commit),
        trx_rollback: Some(trx::trx_rollback),
        trx_start: Some(trx::trx_start),
        trx_release: Some(trx::trx_release),
        cursor_lock: Some(cursor_calls::cursor_lock),
        cursor_close: Some(cursor_calls::cursor_close),
        cursor_new_trx: Some(cursor_calls::cursor_new_trx),
        cursor_reset: Some(cursor_calls::cursor_reset),
        col_get_name: Some(cursor_calls::col_get_name),
        table_truncate: Some(settings::table_truncate),
        open_index_using_name: Some(cursor_calls::open_index_using_name),
        get_cfg: Some(settings::get_cfg),
        set_memcached_sync: Some(settings::set_memcached_sync),
        set_cluster_access: Some(cursor_calls::set_cluster_access),
        commit_trx: Some(trx::commit_trx),
        cfg_trx_level: Some(settings::cfg_trx_level),
        tuple_get_n_user_cols: Some(tuple::tuple_get_n_user_cols),
        set_lock_mode: Some(cursor_calls::set_lock_mode),
        get_idx_field_name: Some(cursor_calls::get_idx_field_name),
        trx_get_start_time: Some(trx::trx_get_start_time),
        bk_commit_interval: Some(settings::bk_commit_interval),
        ut_strerr: Some(settings::ut_strerr),
        cursor_stmt_begin: Some(cursor_calls::cursor_stmt_begin),
        trx_read_only: Some(trx::trx_read_only),
        is_virtual_table: Some(cursor_calls::is_virtual_table),
    };
    &TABLE
}
