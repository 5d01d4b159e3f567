/*
 * innodb_api.h - the InnoDB API callback table.
 *
 * A storage engine hands this table to the memcached plugin; the plugin reads and
 * writes rows through it and knows nothing else about the engine.  The layout is the
 * one of MySQL 5.7: fifty function pointers, no count and no version field in front.
 * Whoever passes the table therefore passes its number of entries beside it
 * (dm_config.innodb_api_entries) or is known to have exactly this layout.
 *
 * Conventions, true for every entry unless it says otherwise:
 *   - Handles (transaction, cursor, tuple) belong to the thread that made them until they
 *     are released; no entry may be called on one handle from two threads at once.
 *   - Functions return ib_err_t and write their outputs last, only on IB_SUCCESS.
 *   - Strings are NUL-terminated and borrowed for the call, unless `copy` says otherwise.
 *   - Column numbers count from 0 in table order (index order in a search tuple).
 *   - Booleans are `unsigned long` wide, as in MySQL 5.7; 0 is false.
 *   - After IB_DEADLOCK or IB_LOCK_WAIT_TIMEOUT the only valid next step is
 *     trx_rollback, then closing the cursors of that transaction.
 */
#ifndef DAEMON_MEMCACHED_INNODB_API_H
#define DAEMON_MEMCACHED_INNODB_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define IB_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define IB_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

typedef unsigned long ib_ulint_t; /* InnoDB's ulint: as wide as a pointer */
typedef unsigned long ib_bool_t;  /* 0 or 1 */
typedef uint64_t ib_id_u64_t;

typedef struct ib_trx *ib_trx_t;     /* a transaction */
typedef struct ib_cursor *ib_crsr_t; /* a cursor on a clustered or secondary index */
typedef struct ib_tuple *ib_tpl_t;   /* a row tuple or an index search tuple */

/* Result codes of MySQL 5.7.  Other servers number them differently; the host module
 * that adapts such a server translates before anybody else sees a code. */
typedef enum ib_err {
    IB_SUCCESS_LOCKED_REC = 9,
    IB_SUCCESS = 10,
    IB_ERROR = 11,
    IB_INTERRUPTED = 12,       /* somebody killed the session or its statement */
    IB_OUT_OF_MEMORY = 13,
    IB_OUT_OF_FILE_SPACE = 14,
    IB_LOCK_WAIT = 15,
    IB_DEADLOCK = 16,
    IB_ROLLBACK = 17,
    IB_DUPLICATE_KEY = 18,
    IB_TABLE_NOT_FOUND = 31,
    IB_TOO_BIG_RECORD = 34,
    IB_LOCK_WAIT_TIMEOUT = 35,
    IB_NO_REFERENCED_ROW = 36,
    IB_ROW_IS_REFERENCED = 37,
    IB_CORRUPTION = 39,
    IB_TOO_MANY_CONCURRENT_TRXS = 47, /* no commit is taken at the moment; nothing was done */
    IB_UNSUPPORTED = 48,
    IB_INVALID_NULL = 49,
    IB_READ_ONLY = 57,
    IB_RECORD_NOT_FOUND = 1500,
    IB_END_OF_INDEX = 1501,
    IB_NOT_FOUND = 1502,
    IB_DATA_MISMATCH = 2000
} ib_err_t;

typedef enum ib_trx_level {
    IB_TRX_READ_UNCOMMITTED = 0,
    IB_TRX_READ_COMMITTED = 1,
    IB_TRX_REPEATABLE_READ = 2,
    IB_TRX_SERIALIZABLE = 3
} ib_trx_level_t;

typedef enum ib_lck_mode {
    IB_LOCK_IS = 0,
    IB_LOCK_IX = 1,
    IB_LOCK_S = 2,
    IB_LOCK_X = 3,
    IB_LOCK_TABLE_X = 4,
    IB_LOCK_NONE = 5
} ib_lck_mode_t;

/* Where moveto() puts the cursor relative to the search tuple. */
typedef enum ib_srch_mode { IB_CUR_G = 1, IB_CUR_GE = 2, IB_CUR_L = 3, IB_CUR_LE = 4 } ib_srch_mode_t;

/* What counts as found: anything, only an equal key, only an equal prefix. */
typedef enum ib_match_mode { IB_CLOSEST_MATCH = 0, IB_EXACT_MATCH = 1, IB_EXACT_PREFIX = 2 } ib_match_mode_t;

/* Bits of the index type that open_index_using_name() reports. */
typedef enum ib_index_type { IB_SECONDARY = 0, IB_CLUSTERED = 1, IB_UNIQUE = 2 } ib_index_type_t;

typedef enum ib_col_type {
    IB_VARCHAR = 1,            /* latin1 or another single-byte character set */
    IB_CHAR = 2,               /* fixed length, space padded */
    IB_BINARY = 3,             /* fixed length, zero padded */
    IB_VARBINARY = 4,
    IB_BLOB = 5,               /* every BLOB and TEXT type */
    IB_INT = 6,                /* 1, 2, 3, 4 or 8 bytes; type_len tells */
    IB_SYS = 8,                /* a system column at the end of a read tuple */
    IB_FLOAT = 9,
    IB_DOUBLE = 10,
    IB_DECIMAL = 11,
    IB_VARCHAR_ANYCHARSET = 12, /* utf8mb4 and other multi-byte character sets */
    IB_CHAR_ANYCHARSET = 13
} ib_col_type_t;

/* Bits of ib_col_meta_t.attr. IB_COL_FILLED: a row may be inserted without this NOT NULL column, insert_row fills its default; InnoDB
 * fills none and never sets it. */
typedef enum ib_col_attr {
    IB_COL_NONE = 0,
    IB_COL_NOT_NULL = 1,
    IB_COL_UNSIGNED = 2,
    IB_COL_CUSTOM1 = 8,
    IB_COL_CUSTOM2 = 16,
    IB_COL_CUSTOM3 = 32,
    IB_COL_FILLED = 0x10000
} ib_col_attr_t;

typedef struct ib_col_meta {
    ib_col_type_t type;   /* IB_VARCHAR .. */
    uint32_t attr;        /* ib_col_attr_t bits */
    uint32_t type_len;    /* greatest length in BYTES; for IB_INT its width in bytes */
    uint16_t client_type; /* MySQL's enum_field_types, 0 where unknown */
    void *charset;        /* never filled; do not read */
} ib_col_meta_t;

/* Bits of get_cfg(). IB_CFG_LASTING_TUPLES, which InnoDB never sets: a tuple outlives the cursor that it was made from, and serves every
 * later cursor on the same index. Once the definition of the table changed, read_row, moveto, insert_row and update_row answer
 * IB_DATA_MISMATCH to it, read_row whether or not the cursor is on a row; and what is read or set takes no memory of it that grows.
 * IB_CFG_FIELDS, which InnoDB never sets either: the table is the beginning of an ib_cb_fields_t. IB_CFG_TABLE_SIZES, the same: of an
 * ib_cb_sized_t; IB_CFG_TABLE_CHANGES: of an ib_cb_changes_t. */
typedef enum ib_cfg {
    IB_CFG_BINLOG_ENABLED = 1,
    IB_CFG_MDL_ENABLED = 2,
    IB_CFG_DISABLE_ROWLOCK = 4,
    IB_CFG_LASTING_TUPLES = 8,
    IB_CFG_FIELDS = 16,
    IB_CFG_TABLE_SIZES = 32,
    IB_CFG_TABLE_CHANGES = 64
} ib_cfg_t;

/* Length that col_get_meta() and friends return for SQL NULL. */
#define IB_SQL_NULL 0xFFFFFFFFu

/* The table.  The number in front of each entry is its index. */
typedef struct ib_cb {
    /* 0. Opens the clustered index of "database/table".  `trx` may be NULL, then
     *    cursor_new_trx() must follow before rows are touched.  The caller owns *crsr and
     *    closes it with cursor_close().  IB_TABLE_NOT_FOUND: no such base table. */
    ib_err_t (*open_table)(const char *name, ib_trx_t trx, ib_crsr_t *crsr);
    /* 1. Reads the row under the cursor into `tpl` (a tuple of this cursor).  Pointers that
     *    col_get_value() returned for the previous row become invalid.  `row_buf` and `len`
     *    may point to a buffer the implementer may use; passing pointers to NULL and 0 is
     *    allowed.  IB_RECORD_NOT_FOUND or IB_END_OF_INDEX: the cursor is on no row. */
    ib_err_t (*read_row)(ib_crsr_t crsr, ib_tpl_t tpl, void **row_buf, ib_ulint_t *len);
    /* 2. Inserts `tpl` (from clust_read_tuple_create(), every unset column NULL).
     *    IB_DUPLICATE_KEY leaves the transaction as it was before the call. */
    ib_err_t (*insert_row)(ib_crsr_t crsr, ib_tpl_t tpl);
    /* 3. Deletes the row under the cursor. */
    ib_err_t (*delete_row)(ib_crsr_t crsr);
    /* 4. Replaces the row `old_tpl` (as read through this cursor) by `new_tpl`.  Whole rows are
     *    compared: a column that is unset in `new_tpl` becomes NULL. */
    ib_err_t (*update_row)(ib_crsr_t crsr, ib_tpl_t old_tpl, ib_tpl_t new_tpl);
    /* 5. Positions the cursor; takes the row lock of set_lock_mode().  With IB_EXACT_MATCH
     *    answers IB_RECORD_NOT_FOUND when no equal key exists; IB_END_OF_INDEX behind the last. */
    ib_err_t (*moveto)(ib_crsr_t crsr, ib_tpl_t tpl, ib_srch_mode_t mode);
    /* 6. First row in index order.  IB_END_OF_INDEX: the index is empty. */
    ib_err_t (*cursor_first)(ib_crsr_t crsr);
    /* 7. Next row in index order.  IB_END_OF_INDEX: there is none. */
    ib_err_t (*cursor_next)(ib_crsr_t crsr);
    /* 8. For the moveto() calls that follow. */
    void (*set_match_mode)(ib_crsr_t crsr, ib_match_mode_t mode);
    /* 9. A tuple of the key columns of the cursor's index.  Owned by the caller, who frees it
     *    with tuple_delete(); may be kept and refilled.  NULL: out of memory. */
    ib_tpl_t (*sec_search_tuple_create)(ib_crsr_t crsr);
    /* 10. A tuple of all columns of the table plus up to three system columns, all NULL. */
    ib_tpl_t (*clust_read_tuple_create)(ib_crsr_t crsr);
    /* 11. Frees a tuple and everything col_get_value() returned from it. */
    void (*tuple_delete)(ib_tpl_t tpl);
    /* 12-15. Unsigned integer of exactly that width; IB_DATA_MISMATCH for another type or width. */
    ib_err_t (*tuple_read_u8)(ib_tpl_t tpl, ib_ulint_t col, uint8_t *out);
    ib_err_t (*tuple_read_u16)(ib_tpl_t tpl, ib_ulint_t col, uint16_t *out);
    ib_err_t (*tuple_read_u32)(ib_tpl_t tpl, ib_ulint_t col, uint32_t *out);
    ib_err_t (*tuple_read_u64)(ib_tpl_t tpl, ib_ulint_t col, uint64_t *out);
    /* 16-19. Signed integer of exactly that width. */
    ib_err_t (*tuple_read_i8)(ib_tpl_t tpl, ib_ulint_t col, int8_t *out);
    ib_err_t (*tuple_read_i16)(ib_tpl_t tpl, ib_ulint_t col, int16_t *out);
    ib_err_t (*tuple_read_i32)(ib_tpl_t tpl, ib_ulint_t col, int32_t *out);
    ib_err_t (*tuple_read_i64)(ib_tpl_t tpl, ib_ulint_t col, int64_t *out);
    /* 20. Columns of the tuple, system columns included. */
    ib_ulint_t (*tuple_get_n_cols)(ib_tpl_t tpl);
    /* 21. Sets a column.  IB_INT takes a native integer of exactly type_len bytes; other types
     *     take bytes, which InnoDB cuts to the column at a character boundary: read the length
     *     back with col_get_meta().  `len` IB_SQL_NULL sets NULL.  `copy` 0: `src` must outlive
     *     the tuple's use. */
    ib_err_t (*col_set_value)(ib_tpl_t tpl, ib_ulint_t col, const void *src, ib_ulint_t len, ib_bool_t copy);
    /* 22. The stored bytes, NULL for SQL NULL.  IB_INT comes in InnoDB's format: big-endian, the
     *     sign bit of signed columns flipped.  Valid until the next read into, a change of, or
     *     the deletion of this tuple. */
    const void *(*col_get_value)(ib_tpl_t tpl, ib_ulint_t col);
    /* 23. Fills *meta and returns the length of the column's current value in bytes,
     *     IB_SQL_NULL for NULL. */
    ib_ulint_t (*col_get_meta)(ib_tpl_t tpl, ib_ulint_t col, ib_col_meta_t *meta);
    /* 24. Makes and starts a transaction.  `auto_commit` 1 with `read_write` 0 is a consistent
     *     read that takes no locks.  NULL: out of memory.  The caller owns the object: it ends
     *     with trx_commit() or trx_rollback(), may then be started again with trx_start(), and
     *     is freed by trx_release(). */
    ib_trx_t (*trx_begin)(ib_trx_level_t level, ib_bool_t read_write, ib_bool_t auto_commit);
    /* 25. Commits; the object stays, not started.  All cursors of `trx` must have been closed or
     *     reset.  An error means that the outcome is unknown, but for IB_OUT_OF_FILE_SPACE and IB_READ_ONLY:
     *     then nothing was committed. */
    ib_err_t (*trx_commit)(ib_trx_t trx);
    /* 26. Rolls back; the object stays, not started. */
    ib_err_t (*trx_rollback)(ib_trx_t trx);
    /* 27. Starts a transaction object.  One that is started goes on, at the new level from here on;
     *     what it may write was settled when it began.  `thd` may be NULL where the host has none. */
    ib_err_t (*trx_start)(ib_trx_t trx, ib_trx_level_t level, ib_bool_t read_write, ib_bool_t auto_commit, void *thd);
    /* 28. Frees a transaction object; one that is still started is rolled back. */
    ib_err_t (*trx_release)(ib_trx_t trx);
    /* 29. Locks the cursor's table in a mode, until the transaction ends. */
    ib_err_t (*cursor_lock)(ib_crsr_t crsr, ib_lck_mode_t mode);
    /* 30. Closes and frees the cursor.  Its tuples are freed separately. */
    ib_err_t (*cursor_close)(ib_crsr_t crsr);
    /* 31. Binds the cursor to another transaction. */
    ib_err_t (*cursor_new_trx)(ib_crsr_t crsr, ib_trx_t trx);
    /* 32. Forgets the position and the transaction; the cursor stays open. */
    ib_err_t (*cursor_reset)(ib_crsr_t crsr);
    /* 33. Name of a column of the cursor's table, NULL past the last.  Lives as long as the cursor. */
    const char *(*col_get_name)(ib_crsr_t crsr, ib_ulint_t col);
    /* 34. TRUNCATE TABLE "database/table"; the new table id goes to *id.  Waits for nobody: a
     *     table in use answers IB_LOCK_WAIT_TIMEOUT after the session's lock wait. */
    ib_err_t (*table_truncate)(const char *name, ib_id_u64_t *id);
    /* 35. A cursor on an index of `crsr`'s table, in the same transaction.  *type gets
     *     ib_index_type_t bits.  IB_NOT_FOUND: no such index.  Close it before `crsr`. */
    ib_err_t (*open_index_using_name)(ib_crsr_t crsr, const char *index, ib_crsr_t *out, int *type, ib_id_u64_t *id);
    /* 36. ib_cfg_t bits. */
    int (*get_cfg)(void);
    /* 37. Tells the engine that the plugin uses this table (DDL then waits), or no longer. */
    ib_err_t (*set_memcached_sync)(ib_crsr_t crsr, ib_bool_t on);
    /* 38. Rows of a secondary index are completed from the clustered index. */
    void (*set_cluster_access)(ib_crsr_t crsr);
    /* 39. Commits the transaction of a cursor without freeing it. */
    ib_err_t (*commit_trx)(ib_crsr_t crsr, ib_trx_t trx);
    /* 40. The host's innodb_api_trx_level. */
    ib_trx_level_t (*cfg_trx_level)(void);
    /* 41. Columns of the tuple without system columns. */
    ib_ulint_t (*tuple_get_n_user_cols)(ib_tpl_t tpl);
    /* 42. Row lock for the reads that follow: IB_LOCK_X (table IX), IB_LOCK_S (table IS) or
     *     IB_LOCK_NONE. */
    ib_err_t (*set_lock_mode)(ib_crsr_t crsr, ib_lck_mode_t mode);
    /* 43. Name of the n-th column of the cursor's index, NULL past the last. */
    const char *(*get_idx_field_name)(ib_crsr_t crsr, ib_ulint_t col);
    /* 44. Seconds since 1970 at which the transaction started, 0 if it is not started. */
    uint64_t (*trx_get_start_time)(ib_trx_t trx);
    /* 45. The host's innodb_api_bk_commit_interval in seconds. */
    ib_ulint_t (*bk_commit_interval)(void);
    /* 46. A static English name of a result code. */
    const char *(*ut_strerr)(ib_err_t err);
    /* 47. Begins a statement: a later failure undoes only what follows this call. */
    ib_err_t (*cursor_stmt_begin)(ib_crsr_t crsr);
    /* 48. 1 if the transaction is read-only. */
    uint32_t (*trx_read_only)(ib_trx_t trx);
    /* 49. 1 if the cursor's table has virtual columns. */
    ib_bool_t (*is_virtual_table)(ib_crsr_t crsr);
} ib_cb_t;

#define IB_CB_ENTRIES 50

/* A column's value in a call that takes or gives a whole row. */
typedef struct ib_field {
    const void *data;
    ib_ulint_t len; /* bytes at `data`, IB_SQL_NULL or IB_FIELD_UNSET */
} ib_field_t;

/* Length of a field that a row to be written leaves to the engine. */
#define IB_FIELD_UNSET 0xFFFFFFFEu

/* The table of a host whose get_cfg() has IB_CFG_FIELDS: a row is found, read and written by one call instead of one for each
 * column.  What such a call cannot do as it is asked, because a value would be cut or a key moves, it answers with
 * IB_DATA_MISMATCH and has done nothing: the entries above do it, or say what is wrong.  `n` is the number of columns of the table,
 * and values that are handed over are as col_set_value() takes them. */
typedef struct ib_cb_fields {
    ib_cb_t table;
    /* 50. moveto() to the row whose key is this and read_row(), on an index that is unique and has one column.  `fields` get
     *     the stored bytes of all columns, as col_get_value() shows them; they stay as they are until the cursor is moved or
     *     closed or its transaction ends. */
    ib_err_t (*find_fields)(ib_crsr_t crsr, const void *key, ib_ulint_t len, ib_field_t *fields, ib_ulint_t n);
    /* 51. Changes the row that find_fields() found last, and nobody changed since, in the columns that are set.  To be
     *     changed again it must be found again. */
    ib_err_t (*update_fields)(ib_crsr_t crsr, const ib_field_t *fields, ib_ulint_t n);
    /* 52. Inserts a row: columns that are not set get what insert_row() gives them. */
    ib_err_t (*insert_fields)(ib_crsr_t crsr, const ib_field_t *fields, ib_ulint_t n);
} ib_cb_fields_t;

/* The table of a host whose get_cfg() has IB_CFG_TABLE_SIZES; without IB_CFG_FIELDS nobody looks at the entries before the last. */
typedef struct ib_cb_sized {
    ib_cb_fields_t fields;
    /* 53. Committed rows of "database/table" and their bytes, exact or estimated, at once and without a transaction.
     *     IB_TABLE_NOT_FOUND: no such base table. */
    ib_err_t (*table_size)(const char *name, uint64_t *rows, uint64_t *bytes);
} ib_cb_sized_t;

/* The table of a host whose get_cfg() has IB_CFG_TABLE_CHANGES; the other bits say as before which entries are to be looked at. */
typedef struct ib_cb_changes {
    ib_cb_sized_t sized;
    /* 54. A number, to be read atomically, that grows whenever rows of "database/table" may have changed otherwise than through
     *     this table, before whoever changed them is told.  It stays where it is until the engine is closed, whatever becomes
     *     of the table.  NULL: no engine is open. */
    const uint64_t *(*table_changes)(const char *name);
} ib_cb_changes_t;

IB_STATIC_ASSERT(sizeof(ib_cb_t) == IB_CB_ENTRIES * sizeof(void *), "the table has fifty entries");
IB_STATIC_ASSERT(offsetof(ib_cb_t, trx_begin) == 24 * sizeof(void *), "trx_begin is entry 24");
IB_STATIC_ASSERT(offsetof(ib_cb_t, is_virtual_table) == 49 * sizeof(void *), "is_virtual_table is entry 49");
IB_STATIC_ASSERT(offsetof(ib_cb_fields_t, find_fields) == IB_CB_ENTRIES * sizeof(void *), "find_fields is entry 50");
IB_STATIC_ASSERT(offsetof(ib_cb_changes_t, table_changes) == 54 * sizeof(void *), "table_changes is entry 54");
IB_STATIC_ASSERT(sizeof(ib_err_t) == 4, "result codes are 32 bits wide");
IB_STATIC_ASSERT(sizeof(ib_col_meta_t) == 24, "col_meta is 24 bytes");
IB_STATIC_ASSERT(sizeof(ib_ulint_t) == sizeof(void *), "ulint is as wide as a pointer");

#ifdef __cplusplus
}
#endif
#endif
