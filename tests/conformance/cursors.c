/* Positions: moveto, first, next and what a cursor is good for between them.  Entries 0, 1, 5 to 8, 31 to 33. */
#include "suite.h"

/* In a table with the keys b, d, da, f: the search, its code, the key found, the keys that follow. */
static const struct {
    const char *key;
    ib_match_mode_t match;
    ib_srch_mode_t mode;
    ib_err_t code;
    const char *found, *then;
} searches[] = {
    {"d", IB_EXACT_MATCH, IB_CUR_GE, IB_SUCCESS, "d", "da"},
    {"c", IB_EXACT_MATCH, IB_CUR_GE, IB_RECORD_NOT_FOUND, "", ""},
    {"f", IB_EXACT_MATCH, IB_CUR_GE, IB_SUCCESS, "f", ""},
    {"g", IB_EXACT_MATCH, IB_CUR_GE, IB_RECORD_NOT_FOUND, "", ""},
    {"", IB_EXACT_MATCH, IB_CUR_GE, IB_RECORD_NOT_FOUND, "", ""},
    {"d", IB_CLOSEST_MATCH, IB_CUR_GE, IB_SUCCESS, "d", "da"},
    {"c", IB_CLOSEST_MATCH, IB_CUR_GE, IB_SUCCESS, "d", "da"},
    {"", IB_CLOSEST_MATCH, IB_CUR_GE, IB_SUCCESS, "b", "d"},
    {"g", IB_CLOSEST_MATCH, IB_CUR_GE, IB_END_OF_INDEX, "", ""},
    {"d", IB_CLOSEST_MATCH, IB_CUR_G, IB_SUCCESS, "da", "f"},
    {"e", IB_CLOSEST_MATCH, IB_CUR_G, IB_SUCCESS, "f", ""},
    {"f", IB_CLOSEST_MATCH, IB_CUR_G, IB_END_OF_INDEX, "", ""},
    {"d", IB_CLOSEST_MATCH, IB_CUR_LE, IB_SUCCESS, "d", "da"},
    {"c", IB_CLOSEST_MATCH, IB_CUR_LE, IB_SUCCESS, "b", "d"},
    {"a", IB_CLOSEST_MATCH, IB_CUR_LE, IB_END_OF_INDEX, "", ""},
    {"d", IB_CLOSEST_MATCH, IB_CUR_L, IB_SUCCESS, "b", "d"},
    {"z", IB_CLOSEST_MATCH, IB_CUR_L, IB_SUCCESS, "f", ""},
    {"b", IB_CLOSEST_MATCH, IB_CUR_L, IB_END_OF_INDEX, "", ""},
    {"d", IB_EXACT_PREFIX, IB_CUR_GE, IB_SUCCESS, "d", "da"},
    {"da", IB_EXACT_PREFIX, IB_CUR_GE, IB_SUCCESS, "da", "f"},
    {"c", IB_EXACT_PREFIX, IB_CUR_GE, IB_RECORD_NOT_FOUND, "", ""},
};

static void fill_for_searches(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    static const char *const keys[] = {"da", "b", "f", "d"};
    for (size_t i = 0; i < 4; i++)
        OK(insert_row(crsr, keys[i], "", 0));
    end(crsr, trx, true);
}

static void moveto_finds_what_its_modes_say(void)
{
    static const ib_lck_mode_t locks[] = {IB_LOCK_NONE, IB_LOCK_S, IB_LOCK_X};
    fill_for_searches();
    for (ib_trx_level_t level = IB_TRX_READ_UNCOMMITTED; level <= IB_TRX_SERIALIZABLE; level++) {
        for (size_t lock = 0; lock < 3; lock++) {
            ib_trx_t trx = begin(level);
            ib_crsr_t crsr = open_in(ROWS, trx);
            OK(ib->set_lock_mode(crsr, locks[lock]));
            for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
                bool good = CODE(searches[i].code, search(crsr, searches[i].key, searches[i].match, searches[i].mode));
                good &= TEXT(searches[i].found, key_at(crsr));
                if (searches[i].code == IB_SUCCESS && searches[i].match != IB_EXACT_MATCH) {
                    bool more = searches[i].then[0] != 0;
                    good &= CODE(more ? IB_SUCCESS : IB_END_OF_INDEX, ib->cursor_next(crsr));
                    good &= TEXT(searches[i].then, key_at(crsr));
                }
                if (!good)
                    report(__FILE__, __LINE__, "search %zu at level %d with lock %d", i, level, locks[lock]);
            }
            end(crsr, trx, false);
        }
    }
}

static void an_empty_table_has_no_positions(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    CODE(IB_END_OF_INDEX, ib->cursor_first(crsr));
    CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
    CODE(IB_RECORD_NOT_FOUND, find(crsr, "a"));
    CODE(IB_END_OF_INDEX, search(crsr, "a", IB_CLOSEST_MATCH, IB_CUR_GE));
    CODE(IB_END_OF_INDEX, search(crsr, "a", IB_CLOSEST_MATCH, IB_CUR_LE));
    ib_err_t code = ib->read_row(crsr, tpl, NULL, NULL);
    CHECK(code == IB_RECORD_NOT_FOUND || code == IB_END_OF_INDEX);
    COLUMN_IS_NULL(tpl, ROW_K);
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void a_scan_walks_in_key_order_and_ends_for_good(void)
{
    fill("dacb");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    for (int round = 0; round < 2; round++) {
        static const char *const keys[] = {"a", "b", "c", "d"};
        for (size_t i = 0; i < 4; i++) {
            OK(i == 0 ? ib->cursor_first(crsr) : ib->cursor_next(crsr));
            TEXT(keys[i], key_at(crsr));
        }
        CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
        CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
        TEXT("", key_at(crsr));
    }
    end(crsr, trx, false);
}

static void a_scan_goes_on_from_where_the_row_was(void)
{
    fill("abcd");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(ib->set_lock_mode(crsr, IB_LOCK_X));
    OK(ib->cursor_first(crsr));
    OK(ib->delete_row(crsr));
    TEXT("", key_at(crsr));
    OK(ib->cursor_next(crsr));
    TEXT("b", key_at(crsr));
    /* A row that this transaction puts ahead of the position is met, one behind it is not. */
    OK(insert_row(crsr, "bb", "", 0));
    OK(insert_row(crsr, "aa", "", 0));
    OK(ib->cursor_next(crsr));
    TEXT("bb", key_at(crsr));
    OK(ib->cursor_next(crsr));
    TEXT("c", key_at(crsr));
    end(crsr, trx, false);
}

static void two_cursors_have_two_positions(void)
{
    fill("abc");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t one = open_in(ROWS, trx), other = open_in(ROWS, trx);
    OK(find(one, "a"));
    OK(find(other, "c"));
    TEXT("a", key_at(one));
    OK(ib->cursor_next(one));
    TEXT("b", key_at(one));
    TEXT("c", key_at(other));
    /* Both see what the transaction does, through whichever cursor. */
    OK(change(one, "c", "new"));
    OK(find(other, "c"));
    TEXT("new", value_at(other));
    OK(ib->cursor_close(one));
    TEXT("c", key_at(other));
    end(other, trx, false);
}

static void a_cursor_without_a_transaction_needs_one(void)
{
    fill("a");
    ib_crsr_t crsr = open_in(ROWS, NULL);
    TEXT("k", ib->col_get_name(crsr, 0));
    TEXT("k", ib->get_idx_field_name(crsr, 0));
    CHECK(ib->get_idx_field_name(crsr, 1) == NULL);
    ib_trx_t trx = begin(LEVEL);
    OK(ib->cursor_new_trx(crsr, trx));
    OK(find(crsr, "a"));
    /* Reset: neither position nor transaction, but open. */
    OK(ib->cursor_reset(crsr));
    TEXT("", key_at(crsr));
    OK(ib->trx_commit(trx));
    OK(ib->trx_start(trx, LEVEL, 1, 0, NULL));
    OK(ib->cursor_new_trx(crsr, trx));
    OK(find(crsr, "a"));
    TEXT("a", key_at(crsr));
    /* To another transaction: what it sees is that one's. */
    OK(change(crsr, "a", "mine"));
    ib_trx_t other = begin(LEVEL);
    OK(ib->cursor_reset(crsr));
    OK(ib->cursor_new_trx(crsr, other));
    OK(ib->set_lock_mode(crsr, IB_LOCK_NONE));
    OK(find(crsr, "a"));
    TEXT("a", value_at(crsr));
    end(crsr, other, false);
    end(NULL, trx, false);
    TEXT("a", committed("a"));
}

static void tables_that_are_not_there_are_not_opened(void)
{
    static const char *const names[] = {"conf/none", "none/rows", "conf", "conf/", "/rows", "", "conf.rows", "conf/rows/x"};
    ib_trx_t trx = begin(LEVEL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ib_crsr_t crsr = NULL;
        if (!CODE(IB_TABLE_NOT_FOUND, ib->open_table(names[i], trx, &crsr)))
            report(__FILE__, __LINE__, "the name \"%s\"", names[i]);
        CHECK(crsr == NULL);
    }
    end(NULL, trx, false);
}

static void cursor_of_another_table_takes_no_foreign_tuple(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t rows = open_in(ROWS, trx), ints = open_in("conf/ints", trx);
    ib_tpl_t foreign = ib->clust_read_tuple_create(ints);
    OK(find(rows, "a"));
    CODE(IB_DATA_MISMATCH, ib->read_row(rows, foreign, NULL, NULL));
    CODE(IB_DATA_MISMATCH, ib->insert_row(rows, foreign));
    CODE(IB_DATA_MISMATCH, ib->update_row(rows, foreign, foreign));
    ib->tuple_delete(foreign);
    OK(ib->cursor_close(ints));
    end(rows, trx, true);
    TEXT("a", committed_keys());
}

const struct test_case cursor_cases[] = {
    {"moveto finds what its modes say, at every level and lock", moveto_finds_what_its_modes_say},
    {"an empty table has no positions", an_empty_table_has_no_positions},
    {"a scan walks in key order and ends for good", a_scan_walks_in_key_order_and_ends_for_good},
    {"a scan goes on from where the row was", a_scan_goes_on_from_where_the_row_was},
    {"two cursors have two positions", two_cursors_have_two_positions},
    {"a cursor without a transaction needs one", a_cursor_without_a_transaction_needs_one},
    {"tables that are not there are not opened", tables_that_are_not_there_are_not_opened},
    {"a cursor takes no tuple of another table", cursor_of_another_table_takes_no_foreign_tuple},
    {NULL, NULL},
};
