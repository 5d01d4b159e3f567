/* TRUNCATE and DDL among users of a table.  Entries 34 and 37. */
#include "suite.h"

static void a_truncation_empties_and_renumbers(void)
{
    fill("abc");
    ib_id_u64_t first = 0, second = 0;
    OK(ib->table_truncate(ROWS, &first));
    TEXT("", committed_keys());
    fill("a");
    OK(ib->table_truncate(ROWS, &second));
    CHECK(first != second && first != 0);
    TEXT("", committed_keys());
    fill("ab");
    TEXT("ab", committed_keys());
}

static void a_truncation_needs_a_table(void)
{
    ib_id_u64_t id = 77;
    CODE(IB_TABLE_NOT_FOUND, ib->table_truncate("conf/none", &id));
    CODE(IB_TABLE_NOT_FOUND, ib->table_truncate("none/rows", &id));
    NUMBER(77, id);
}

static void a_table_in_use_is_not_truncated(void)
{
    fill("ab");
    provider.set_lock_wait(1);
    ib_id_u64_t id = 77;
    /* An open cursor uses it, also one that only reads; at the level of a snapshot and without. */
    for (ib_trx_level_t level = IB_TRX_READ_COMMITTED; level <= IB_TRX_REPEATABLE_READ; level++) {
        ib_trx_t trx = ib->trx_begin(level, 0, 0);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(find(crsr, "a"));
        CODE(IB_LOCK_WAIT_TIMEOUT, ib->table_truncate(ROWS, &id));
        NUMBER(77, id);
        /* The reader goes on as if nothing had been. */
        OK(ib->cursor_next(crsr));
        TEXT("b", key_at(crsr));
        end(crsr, trx, true);
    }
    /* A row that was written keeps it until the transaction ends, not only until the cursor is closed. */
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "c", "", 0));
    OK(ib->cursor_close(crsr));
    CODE(IB_LOCK_WAIT_TIMEOUT, ib->table_truncate(ROWS, &id));
    end(NULL, trx, true);
    TEXT("abc", committed_keys());
    OK(ib->table_truncate(ROWS, &id));
    TEXT("", committed_keys());
}

struct truncation {
    ib_id_u64_t id;
};

static ib_err_t do_truncate(void *arg)
{
    struct truncation *t = arg;
    return ib->table_truncate(ROWS, &t->id);
}

static void a_truncation_goes_on_when_the_reader_leaves(void)
{
    fill("ab");
    struct session *session = session_open();
    struct truncation t = {0};
    ib_trx_t trx = begin(IB_TRX_REPEATABLE_READ);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(ib->cursor_first(crsr));
    session_call(session, do_truncate, &t);
    CHECK(session_is_blocked(session));
    OK(ib->cursor_next(crsr));
    TEXT("b", key_at(crsr));
    CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
    end(crsr, trx, true);
    OK(session_result(session));
    CHECK(t.id != 0);
    TEXT("", committed_keys());
    session_close(session);
}

static void an_announced_table_is_in_use(void)
{
    fill("a");
    provider.set_lock_wait(1);
    ib_id_u64_t id = 0;
    ib_crsr_t crsr = open_in(ROWS, NULL);
    OK(ib->set_memcached_sync(crsr, 1));
    OK(ib->cursor_close(crsr));
    CODE(IB_LOCK_WAIT_TIMEOUT, ib->table_truncate(ROWS, &id));
    crsr = open_in(ROWS, NULL);
    OK(ib->set_memcached_sync(crsr, 0));
    OK(ib->cursor_close(crsr));
    OK(ib->table_truncate(ROWS, &id));
}

const struct test_case truncate_cases[] = {
    {"a truncation empties and renumbers", a_truncation_empties_and_renumbers},
    {"a truncation needs a table", a_truncation_needs_a_table},
    {"a table in use is not truncated", a_table_in_use_is_not_truncated},
    {"a truncation goes on when the reader leaves", a_truncation_goes_on_when_the_reader_leaves},
    {"an announced table is in use", an_announced_table_is_in_use},
    {NULL, NULL},
};
