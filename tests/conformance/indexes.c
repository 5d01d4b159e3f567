/* Secondary indexes and keys of several columns.  Entries 9, 35, 38 and 43. */
#include "suite.h"

static ib_crsr_t open_index(ib_crsr_t crsr, const char *name, int type)
{
    ib_crsr_t index = NULL;
    int got = -1;
    ib_id_u64_t id = 0;
    OK(ib->open_index_using_name(crsr, name, &index, &got, &id));
    NUMBER(type, got);
    return index;
}

static ib_err_t find_u(ib_crsr_t index, uint64_t u, ib_match_mode_t match, ib_srch_mode_t mode)
{
    ib_tpl_t tpl = ib->sec_search_tuple_create(index);
    OK(set_u64(tpl, 0, u));
    ib->set_match_mode(index, match);
    ib_err_t code = ib->moveto(index, tpl, mode);
    ib->tuple_delete(tpl);
    return code;
}

static void an_index_leads_to_whole_rows(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "30", 0, 30));
    OK(insert_row_u(crsr, "b", "10", 0, 10));
    OK(insert_row_u(crsr, "c", "20", 0, 20));
    OK(insert_row(crsr, "d", "null", 0));
    end(crsr, trx, true);

    trx = begin(LEVEL);
    crsr = open_in(ROWS, trx);
    ib_crsr_t index = open_index(crsr, "by_u", IB_SECONDARY | IB_UNIQUE);
    ib->set_cluster_access(index);
    TEXT("u", ib->get_idx_field_name(index, 0));
    OK(find_u(index, 20, IB_EXACT_MATCH, IB_CUR_GE));
    TEXT("c", key_at(index));
    TEXT("20", value_at(index));
    CODE(IB_RECORD_NOT_FOUND, find_u(index, 25, IB_EXACT_MATCH, IB_CUR_GE));
    OK(find_u(index, 25, IB_CLOSEST_MATCH, IB_CUR_GE));
    TEXT("a", key_at(index));
    OK(find_u(index, 10, IB_CLOSEST_MATCH, IB_CUR_G));
    TEXT("c", key_at(index));
    CODE(IB_END_OF_INDEX, find_u(index, 30, IB_CLOSEST_MATCH, IB_CUR_G));
    /* In index order, NULL first. */
    static const char *const order[] = {"d", "b", "c", "a"};
    for (size_t i = 0; i < 4; i++) {
        OK(i == 0 ? ib->cursor_first(index) : ib->cursor_next(index));
        TEXT(order[i], key_at(index));
    }
    CODE(IB_END_OF_INDEX, ib->cursor_next(index));
    OK(ib->cursor_close(index));
    end(crsr, trx, false);
}

static void an_index_follows_its_rows(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "", 0, 1));
    OK(insert_row_u(crsr, "b", "", 0, 2));
    ib_crsr_t index = open_index(crsr, "by_u", IB_SECONDARY | IB_UNIQUE);
    ib->set_cluster_access(index);
    OK(ib->set_lock_mode(crsr, IB_LOCK_X));
    /* An update through the clustered index moves the entry. */
    OK(find(crsr, "a"));
    ib_tpl_t old = ib->clust_read_tuple_create(crsr), new = ib->clust_read_tuple_create(crsr);
    OK(ib->read_row(crsr, old, NULL, NULL));
    OK(ib->read_row(crsr, new, NULL, NULL));
    OK(set_u64(new, ROW_U, 2));
    CODE(IB_DUPLICATE_KEY, ib->update_row(crsr, old, new));
    OK(set_u64(new, ROW_U, 5));
    OK(ib->update_row(crsr, old, new));
    CODE(IB_RECORD_NOT_FOUND, find_u(index, 1, IB_EXACT_MATCH, IB_CUR_GE));
    OK(find_u(index, 5, IB_EXACT_MATCH, IB_CUR_GE));
    TEXT("a", key_at(index));
    /* To NULL and away with it. */
    OK(ib->read_row(index, old, NULL, NULL));
    OK(ib->col_set_value(new, ROW_U, NULL, IB_SQL_NULL, 1));
    OK(ib->update_row(crsr, old, new));
    CODE(IB_RECORD_NOT_FOUND, find_u(index, 5, IB_EXACT_MATCH, IB_CUR_GE));
    OK(erase(crsr, "b"));
    CODE(IB_RECORD_NOT_FOUND, find_u(index, 2, IB_EXACT_MATCH, IB_CUR_GE));
    ib->tuple_delete(old);
    ib->tuple_delete(new);
    OK(ib->cursor_close(index));
    end(crsr, trx, true);
    TEXT("a", committed_keys());
}

static void a_rollback_takes_index_entries_back(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row_u(crsr, "a", "", 0, 1));
    end(crsr, trx, true);
    trx = begin(LEVEL);
    crsr = open_in(ROWS, trx);
    OK(erase(crsr, "a"));
    OK(insert_row_u(crsr, "b", "", 0, 1));
    end(crsr, trx, false);
    trx = begin(LEVEL);
    crsr = open_in(ROWS, trx);
    ib_crsr_t index = open_index(crsr, "by_u", IB_SECONDARY | IB_UNIQUE);
    ib->set_cluster_access(index);
    OK(find_u(index, 1, IB_EXACT_MATCH, IB_CUR_GE));
    TEXT("a", key_at(index));
    CODE(IB_END_OF_INDEX, ib->cursor_next(index));
    OK(ib->cursor_close(index));
    end(crsr, trx, false);
}

static void the_clustered_index_has_a_name(void)
{
    fill("a");
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    ib_crsr_t index = open_index(crsr, "PRIMARY", IB_CLUSTERED | IB_UNIQUE);
    TEXT("k", ib->get_idx_field_name(index, 0));
    OK(find(index, "a"));
    TEXT("a", key_at(index));
    OK(ib->cursor_close(index));
    ib_crsr_t none = NULL;
    int type = 77;
    ib_id_u64_t id = 77;
    CODE(IB_NOT_FOUND, ib->open_index_using_name(crsr, "none", &none, &type, &id));
    CHECK(none == NULL && type == 77 && id == 77);
    end(crsr, trx, false);
}

/* conf/pairs: a INT, b VARBINARY(10), c INT, d CHAR(3), PRIMARY KEY (a, b), UNIQUE KEY by_c_d (c, d). */
static void insert_pair(ib_crsr_t crsr, int32_t a, const char *b, int32_t c, const char *d)
{
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    OK(set_i32(tpl, 0, a));
    OK(set_text(tpl, 1, b));
    OK(set_i32(tpl, 2, c));
    OK(set_text(tpl, 3, d));
    OK(ib->insert_row(crsr, tpl));
    ib->tuple_delete(tpl);
}

/* The row under the cursor as "a/b". */
static const char *pair_at(ib_crsr_t crsr)
{
    static char text[40];
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    text[0] = 0;
    if (ib->read_row(crsr, tpl, NULL, NULL) == IB_SUCCESS) {
        int32_t a = 0;
        ib_col_meta_t meta;
        OK(ib->tuple_read_i32(tpl, 0, &a));
        ib_ulint_t n = ib->col_get_meta(tpl, 1, &meta);
        text[0] = (char)('0' + (a < 0 ? 9 : a));
        text[1] = '/';
        memcpy(text + 2, ib->col_get_value(tpl, 1), n);
        text[n + 2] = 0;
    }
    ib->tuple_delete(tpl);
    return text;
}

static void keys_of_several_columns(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in("conf/pairs", trx);
    insert_pair(crsr, 2, "b", 1, "x");
    insert_pair(crsr, 1, "b", 2, "x");
    insert_pair(crsr, 2, "a", 1, "y");
    insert_pair(crsr, 1, "bb", 1, "z");
    insert_pair(crsr, -1, "z", 0, "x");
    static const char *const order[] = {"9/z", "1/b", "1/bb", "2/a", "2/b"};
    for (size_t i = 0; i < 5; i++) {
        OK(i == 0 ? ib->cursor_first(crsr) : ib->cursor_next(crsr));
        TEXT(order[i], pair_at(crsr));
    }
    TEXT("a", ib->get_idx_field_name(crsr, 0));
    TEXT("b", ib->get_idx_field_name(crsr, 1));
    CHECK(ib->get_idx_field_name(crsr, 2) == NULL);
    ib_tpl_t tpl = ib->sec_search_tuple_create(crsr);
    NUMBER(2, ib->tuple_get_n_user_cols(tpl));
    OK(set_i32(tpl, 0, 2));
    OK(set_text(tpl, 1, "b"));
    ib->set_match_mode(crsr, IB_EXACT_MATCH);
    OK(ib->moveto(crsr, tpl, IB_CUR_GE));
    TEXT("2/b", pair_at(crsr));
    ib->tuple_delete(tpl);

    ib_crsr_t index = open_index(crsr, "by_c_d", IB_SECONDARY | IB_UNIQUE);
    ib->set_cluster_access(index);
    TEXT("c", ib->get_idx_field_name(index, 0));
    TEXT("d", ib->get_idx_field_name(index, 1));
    tpl = ib->sec_search_tuple_create(index);
    OK(set_i32(tpl, 0, 1));
    OK(set_text(tpl, 1, "y"));
    ib->set_match_mode(index, IB_EXACT_MATCH);
    OK(ib->moveto(index, tpl, IB_CUR_GE));
    TEXT("2/a", pair_at(index));
    ib->tuple_delete(tpl);
    static const char *const by_c_d[] = {"9/z", "2/b", "2/a", "1/bb", "1/b"};
    for (size_t i = 0; i < 5; i++) {
        OK(i == 0 ? ib->cursor_first(index) : ib->cursor_next(index));
        TEXT(by_c_d[i], pair_at(index));
    }
    OK(ib->cursor_close(index));
    end(crsr, trx, true);
}

const struct test_case index_cases[] = {
    {"a secondary index leads to whole rows", an_index_leads_to_whole_rows},
    {"a secondary index follows its rows", an_index_follows_its_rows},
    {"a rollback takes index entries back", a_rollback_takes_index_entries_back},
    {"the clustered index has a name, others have not", the_clustered_index_has_a_name},
    {"keys of several columns", keys_of_several_columns},
    {NULL, NULL},
};
