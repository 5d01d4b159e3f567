/* Writing rows, and what a write that fails leaves behind.  Entries 2 to 4 and 47. */
#include "suite.h"

static void rows_come_change_and_go(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "a", "1", 0));
    OK(change(crsr, "a", "2"));
    TEXT("2", value_at(crsr));
    OK(erase(crsr, "a"));
    CODE(IB_RECORD_NOT_FOUND, find(crsr, "a"));
    OK(insert_row(crsr, "a", "3", 0));
    OK(insert_row(crsr, "b", "4", 0));
    end(crsr, trx, true);
    TEXT("ab", committed_keys());
    TEXT("3", committed("a"));
}

static void an_update_replaces_the_whole_row(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "value", 3, 9));
    OK(ib->set_lock_mode(crsr, IB_LOCK_X));
    OK(find(crsr, "a"));
    ib_tpl_t old = ib->clust_read_tuple_create(crsr), new = ib->clust_read_tuple_create(crsr);
    OK(ib->read_row(crsr, old, NULL, NULL));
    OK(set_text(new, ROW_K, "a"));
    OK(set_i32(new, ROW_N, 4));
    OK(ib->update_row(crsr, old, new));
    OK(find(crsr, "a"));
    OK(ib->read_row(crsr, old, NULL, NULL));
    COLUMN_IS_NULL(old, ROW_V);
    COLUMN_IS_NULL(old, ROW_U);
    int32_t n = 0;
    OK(ib->tuple_read_i32(old, ROW_N, &n));
    NUMBER(4, n);
    ib->tuple_delete(old);
    ib->tuple_delete(new);
    end(crsr, trx, true);
}

static void an_update_may_move_a_row(void)
{
    fill("abc");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(ib->set_lock_mode(crsr, IB_LOCK_X));
    OK(find(crsr, "b"));
    ib_tpl_t old = ib->clust_read_tuple_create(crsr), new = ib->clust_read_tuple_create(crsr);
    OK(ib->read_row(crsr, old, NULL, NULL));
    OK(ib->read_row(crsr, new, NULL, NULL));
    OK(set_text(new, ROW_K, "c"));
    CODE(IB_DUPLICATE_KEY, ib->update_row(crsr, old, new));
    OK(set_text(new, ROW_K, "x"));
    OK(ib->update_row(crsr, old, new));
    CODE(IB_RECORD_NOT_FOUND, find(crsr, "b"));
    OK(find(crsr, "x"));
    TEXT("b", value_at(crsr));
    ib->tuple_delete(old);
    ib->tuple_delete(new);
    end(crsr, trx, true);
    TEXT("acx", committed_keys());
}

static void not_null_columns_need_a_value(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    CODE(IB_INVALID_NULL, ib->insert_row(crsr, tpl));
    OK(set_text(tpl, ROW_K, "b"));
    CODE(IB_INVALID_NULL, ib->insert_row(crsr, tpl)); /* n */
    OK(set_i32(tpl, ROW_N, 1));
    OK(ib->insert_row(crsr, tpl));
    OK(ib->set_lock_mode(crsr, IB_LOCK_X));
    OK(find(crsr, "a"));
    ib_tpl_t old = ib->clust_read_tuple_create(crsr);
    OK(ib->read_row(crsr, old, NULL, NULL));
    OK(ib->col_set_value(tpl, ROW_K, NULL, IB_SQL_NULL, 1));
    CODE(IB_INVALID_NULL, ib->update_row(crsr, old, tpl));
    ib->tuple_delete(old);
    ib->tuple_delete(tpl);
    end(crsr, trx, true);
    TEXT("ab", committed_keys());
}

static void a_duplicate_changes_nothing(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "first", 0, 1));
    CODE(IB_DUPLICATE_KEY, insert_row(crsr, "a", "second", 0));
    CODE(IB_DUPLICATE_KEY, insert_row_u(crsr, "b", "second", 0, 1));
    CODE(IB_RECORD_NOT_FOUND, find(crsr, "b"));
    /* NULLs in a unique index are never the same. */
    OK(insert_row(crsr, "c", "null", 0));
    OK(insert_row(crsr, "d", "null", 0));
    end(crsr, trx, true);
    TEXT("acd", committed_keys());
    TEXT("first", committed("a"));
    /* The same against rows of another transaction, and the transaction goes on. */
    trx = begin(LEVEL);
    crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "e", "before", 0));
    CODE(IB_DUPLICATE_KEY, insert_row(crsr, "a", "second", 0));
    CODE(IB_DUPLICATE_KEY, insert_row_u(crsr, "f", "second", 0, 1));
    OK(insert_row(crsr, "g", "after", 0));
    end(crsr, trx, true);
    TEXT("acdeg", committed_keys());
}

static void a_key_of_a_deleted_row_is_free(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "old", 0, 1));
    end(crsr, trx, true);
    trx = begin(LEVEL);
    crsr = open_in(ROWS, trx);
    OK(erase(crsr, "a"));
    OK(insert_row_u(crsr, "b", "new", 0, 1));
    OK(insert_row_u(crsr, "a", "new", 0, 2));
    end(crsr, trx, true);
    TEXT("ab", committed_keys());
    TEXT("new", committed("a"));
}

static void writes_need_a_row_under_the_cursor(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    CHECK(ib->delete_row(crsr) != IB_SUCCESS);
    CODE(IB_RECORD_NOT_FOUND, find(crsr, "b"));
    CHECK(ib->delete_row(crsr) != IB_SUCCESS);
    OK(erase(crsr, "a"));
    CHECK(ib->delete_row(crsr) != IB_SUCCESS);
    end(crsr, trx, false);
    TEXT("a", committed_keys());
}

static void a_read_only_transaction_writes_nothing(void)
{
    fill("a");
    ib_trx_t trx = ib->trx_begin(LEVEL, 0, 0);
    ib_crsr_t crsr = open_in(ROWS, trx);
    CODE(IB_READ_ONLY, insert_row(crsr, "b", "", 0));
    OK(find(crsr, "a"));
    CODE(IB_READ_ONLY, ib->delete_row(crsr));
    CODE(IB_READ_ONLY, change(crsr, "a", "new"));
    end(crsr, trx, true);
    TEXT("a", committed_keys());
    TEXT("a", committed("a"));
}

static void a_failed_statement_undoes_only_itself(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(ib->cursor_stmt_begin(crsr));
    OK(insert_row(crsr, "b", "kept", 0));
    OK(change(crsr, "a", "kept"));
    OK(ib->cursor_stmt_begin(crsr));
    CODE(IB_DUPLICATE_KEY, insert_row(crsr, "a", "refused", 0));
    OK(ib->cursor_stmt_begin(crsr));
    OK(insert_row(crsr, "c", "kept", 0));
    end(crsr, trx, true);
    TEXT("abc", committed_keys());
    TEXT("kept", committed("a"));
}

static void empty_and_long_keys_are_keys(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "", "empty", 0));
    OK(insert_row(crsr, "12345678901234567890", "long", 0));
    OK(find(crsr, ""));
    TEXT("empty", value_at(crsr));
    OK(find(crsr, "12345678901234567890"));
    TEXT("long", value_at(crsr));
    /* Bytes of every value, zero included, sort as unsigned numbers. */
    static const char *const keys[] = {"\x00", "\x00\x00", "\x00\x01", "\x01", "\x7f", "\x80", "\xff", "\xff\x00"};
    static const size_t lengths[] = {1, 2, 2, 1, 1, 1, 1, 2};
    for (size_t i = 8; i-- > 0;) {
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        OK(set(tpl, ROW_K, keys[i], lengths[i]));
        OK(set_i32(tpl, ROW_N, (int32_t)i + 1));
        OK(ib->insert_row(crsr, tpl));
        ib->tuple_delete(tpl);
    }
    int32_t last = 0;
    int met = 0;
    for (ib_err_t code = ib->cursor_first(crsr); code == IB_SUCCESS; code = ib->cursor_next(crsr)) {
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        int32_t n = 0;
        OK(ib->read_row(crsr, tpl, NULL, NULL));
        OK(ib->tuple_read_i32(tpl, ROW_N, &n));
        ib->tuple_delete(tpl);
        if (n != 0) {
            CHECK(n == last + 1);
            last = n;
        }
        met++;
    }
    NUMBER(10, met);
    NUMBER(8, last);
    end(crsr, trx, true);
}

const struct test_case row_cases[] = {
    {"rows come, change and go", rows_come_change_and_go},
    {"an update replaces the whole row", an_update_replaces_the_whole_row},
    {"an update may move a row to another key", an_update_may_move_a_row},
    {"NOT NULL columns need a value", not_null_columns_need_a_value},
    {"a duplicate changes nothing", a_duplicate_changes_nothing},
    {"the key of a deleted row is free", a_key_of_a_deleted_row_is_free},
    {"writes need a row under the cursor", writes_need_a_row_under_the_cursor},
    {"a read-only transaction writes nothing", a_read_only_transaction_writes_nothing},
    {"a failed statement undoes only itself", a_failed_statement_undoes_only_itself},
    {"keys of any bytes and length", empty_and_long_keys_are_keys},
    {NULL, NULL},
};
