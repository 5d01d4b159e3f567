/* Tuples: who owns which bytes, and for how long.  Entries 9 to 11 and 20 to 23. */
#include "suite.h"

static void a_new_tuple_is_all_null(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t row = ib->clust_read_tuple_create(crsr);
    for (ib_ulint_t col = 0; col < ib->tuple_get_n_cols(row); col++)
        COLUMN_IS_NULL(row, col);
    ib_tpl_t key = ib->sec_search_tuple_create(crsr);
    NUMBER(1, ib->tuple_get_n_user_cols(key));
    COLUMN_IS_NULL(key, 0);
    ib->tuple_delete(row);
    ib->tuple_delete(key);
    end(crsr, trx, false);
}

static void copied_bytes_are_the_tuples_own(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    char key[] = "key", value[] = "value";
    int32_t n = 7;
    OK(set_text(tpl, ROW_K, key));
    OK(ib->col_set_value(tpl, ROW_V, value, 5, 0)); /* borrowed */
    OK(set(tpl, ROW_N, &n, sizeof n));
    memset(key, 'x', 3);
    n = 8;
    COLUMN("key", tpl, ROW_K);
    COLUMN("value", tpl, ROW_V);
    OK(ib->insert_row(crsr, tpl));
    ib->tuple_delete(tpl);
    memset(value, 'x', 5); /* nobody looks at it any more */
    OK(find(crsr, "key"));
    TEXT("value", value_at(crsr));
    end(crsr, trx, false);
}

static void a_column_can_be_set_again(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    /* Shorter, longer, NULL, empty, in turn, with a neighbour that must stay as it is. */
    static const char *const values[] = {"middle", "s", "", "a longer value than all before", "x", "middle"};
    OK(set_text(tpl, ROW_K, "neighbour"));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ib_col_meta_t meta;
        OK(set_text(tpl, ROW_V, values[i]));
        BYTES(values[i], strlen(values[i]), ib->col_get_value(tpl, ROW_V), ib->col_get_meta(tpl, ROW_V, &meta));
        COLUMN("neighbour", tpl, ROW_K);
        OK(ib->col_set_value(tpl, ROW_V, NULL, IB_SQL_NULL, 1));
        COLUMN_IS_NULL(tpl, ROW_V);
        COLUMN("neighbour", tpl, ROW_K);
    }
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void a_search_tuple_can_be_kept_and_refilled(void)
{
    fill("abc");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t key = ib->sec_search_tuple_create(crsr);
    ib->set_match_mode(crsr, IB_EXACT_MATCH);
    for (int i = 0; i < 3000; i++) {
        char text[2] = {(char)("abcx"[i % 4]), 0};
        OK(set_text(key, 0, text));
        CODE(i % 4 < 3 ? IB_SUCCESS : IB_RECORD_NOT_FOUND, ib->moveto(crsr, key, IB_CUR_GE));
    }
    ib->tuple_delete(key);
    end(crsr, trx, false);
}

static void a_tuple_reads_row_after_row(void)
{
    fill("abc");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t one = ib->clust_read_tuple_create(crsr), other = ib->clust_read_tuple_create(crsr);
    OK(find(crsr, "a"));
    OK(ib->read_row(crsr, one, NULL, NULL));
    /* A row in one tuple stays while the cursor and other tuples move on. */
    OK(find(crsr, "b"));
    OK(ib->read_row(crsr, other, NULL, NULL));
    COLUMN("a", one, ROW_V);
    COLUMN("b", other, ROW_V);
    /* What was set before goes when a row is read. */
    OK(set_text(one, ROW_V, "set"));
    COLUMN("set", one, ROW_V);
    OK(find(crsr, "c"));
    OK(ib->read_row(crsr, one, NULL, NULL));
    COLUMN("c", one, ROW_V);
    /* A tuple outlives the position and a change of the row it was read from. */
    OK(change(crsr, "c", "changed"));
    COLUMN("c", one, ROW_V);
    OK(erase(crsr, "c"));
    COLUMN("c", one, ROW_V);
    ib->tuple_delete(one);
    ib->tuple_delete(other);
    end(crsr, trx, false);
}

static void a_buffer_may_be_offered_to_read_row(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    void *buffer = NULL;
    ib_ulint_t length = 0;
    OK(find(crsr, "a"));
    OK(ib->read_row(crsr, tpl, &buffer, &length));
    COLUMN("a", tpl, ROW_V);
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void a_row_that_was_read_can_be_changed_and_written(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    OK(find(crsr, "a"));
    OK(ib->read_row(crsr, tpl, NULL, NULL));
    OK(set_text(tpl, ROW_K, "b"));
    OK(set_i32(tpl, ROW_N, -5));
    OK(ib->insert_row(crsr, tpl));
    ib->tuple_delete(tpl);
    tpl = ib->clust_read_tuple_create(crsr);
    OK(find(crsr, "b"));
    OK(ib->read_row(crsr, tpl, NULL, NULL));
    int32_t n = 0;
    OK(ib->tuple_read_i32(tpl, ROW_N, &n));
    NUMBER(-5, n);
    COLUMN("a", tpl, ROW_V);
    COLUMN_IS_NULL(tpl, ROW_U);
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void columns_that_are_not_there_are_refused(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t key = ib->sec_search_tuple_create(crsr);
    CHECK(set_text(key, 5, "x") != IB_SUCCESS);
    CHECK(ib->col_get_value(key, 5) == NULL);
    int32_t n = 77;
    CHECK(ib->tuple_read_i32(key, 5, &n) != IB_SUCCESS);
    NUMBER(77, n);
    ib->tuple_delete(key);
    end(crsr, trx, false);
}

const struct test_case tuple_cases[] = {
    {"a new tuple is all NULL", a_new_tuple_is_all_null},
    {"copied bytes are the tuple's own, others are borrowed", copied_bytes_are_the_tuples_own},
    {"a column can be set again", a_column_can_be_set_again},
    {"a search tuple can be kept and refilled", a_search_tuple_can_be_kept_and_refilled},
    {"a tuple reads row after row", a_tuple_reads_row_after_row},
    {"a buffer may be offered to read_row", a_buffer_may_be_offered_to_read_row},
    {"a row that was read can be changed and written", a_row_that_was_read_can_be_changed_and_written},
    {"columns that are not there are refused", columns_that_are_not_there_are_refused},
    {NULL, NULL},
};
