/* Transactions: begin to release, and what they see.  Entries 24 to 28, 36, 39 to 40, 44 to 48. */
#include "suite.h"

#include <time.h>

static void a_commit_keeps_and_a_rollback_undoes(void)
{
    fill("ab");
    for (int commit = 0; commit < 2; commit++) {
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(insert_row(crsr, "c", "new", 0));
        OK(change(crsr, "a", "changed"));
        OK(erase(crsr, "b"));
        end(crsr, trx, commit);
        TEXT(commit ? "ac" : "ab", committed_keys());
        TEXT(commit ? "changed" : "a", committed("a"));
    }
}

static void a_transaction_object_is_used_again(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    for (int round = 0; round < 50; round++) {
        char key[2] = {(char)('A' + round), 0};
        if (round > 0) {
            OK(ib->trx_start(trx, (ib_trx_level_t)(round % 4), 1, 0, NULL));
            OK(ib->cursor_new_trx(crsr, trx));
        }
        OK(insert_row(crsr, key, "", 0));
        OK(ib->cursor_reset(crsr));
        if (round % 2)
            OK(ib->trx_rollback(trx));
        else
            OK(ib->trx_commit(trx));
    }
    OK(ib->cursor_close(crsr));
    OK(ib->trx_release(trx));
    TEXT("ACEGIKMOQSUWY[]_acegikmoq", committed_keys());
}

static void a_release_rolls_back(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "a", "", 0));
    OK(ib->cursor_close(crsr));
    OK(ib->trx_release(trx));
    TEXT("", committed_keys());
    /* And the lock is gone. */
    fill("a");
}

static void a_cursor_can_commit_its_transaction(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(insert_row(crsr, "a", "", 0));
    OK(ib->commit_trx(crsr, trx));
    NUMBER(0, ib->trx_get_start_time(trx));
    OK(ib->cursor_close(crsr));
    OK(ib->trx_start(trx, LEVEL, 1, 0, NULL));
    end(NULL, trx, false);
    TEXT("a", committed_keys());
}

static void a_transaction_knows_its_start_and_kind(void)
{
    int64_t now = (int64_t)time(NULL);
    ib_trx_t trx = begin(LEVEL);
    int64_t started = (int64_t)ib->trx_get_start_time(trx);
    CHECK(started >= now - 2 && started <= (int64_t)time(NULL) + 2);
    NUMBER(0, ib->trx_read_only(trx));
    OK(ib->trx_commit(trx));
    NUMBER(0, ib->trx_get_start_time(trx));
    OK(ib->trx_start(trx, LEVEL, 0, 1, NULL));
    NUMBER(1, ib->trx_read_only(trx));
    CHECK(ib->trx_get_start_time(trx) != 0);
    end(NULL, trx, true);
}

static void a_commit_of_nothing_is_a_commit(void)
{
    ib_trx_t trx = begin(LEVEL);
    OK(ib->trx_commit(trx));
    OK(ib->trx_start(trx, LEVEL, 1, 0, NULL));
    OK(ib->trx_rollback(trx));
    OK(ib->trx_release(trx));
}

/* A reader between two commits of another transaction, at each level: the value it sees while that one is open, after its
 * commit, and after a second commit when it had read already. */
static void each_level_sees_what_it_should(void)
{
    static const struct {
        ib_trx_level_t level;
        const char *while_open, *after_commit, *after_reading;
    } cases[] = {
        {IB_TRX_READ_UNCOMMITTED, "dirty", "new", "newest"},
        {IB_TRX_READ_COMMITTED, "old", "new", "newest"},
        {IB_TRX_REPEATABLE_READ, "old", "old", "old"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        empty_tables();
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(insert_row(crsr, "a", "old", 0));
        end(crsr, trx, true);

        ib_trx_t reader = ib->trx_begin(cases[i].level, 0, 0);
        ib_crsr_t read = open_in(ROWS, reader);
        ib_trx_t writer = begin(LEVEL);
        ib_crsr_t write = open_in(ROWS, writer);
        OK(change(write, "a", "dirty"));
        OK(find(read, "a"));
        TEXT(cases[i].while_open, value_at(read));
        OK(change(write, "a", "new"));
        end(write, writer, true);
        OK(find(read, "a"));
        TEXT(cases[i].after_commit, value_at(read));
        writer = begin(LEVEL);
        write = open_in(ROWS, writer);
        OK(change(write, "a", "newest"));
        OK(insert_row(write, "b", "", 0));
        end(write, writer, true);
        OK(find(read, "a"));
        TEXT(cases[i].after_reading, value_at(read));
        bool repeatable = cases[i].level == IB_TRX_REPEATABLE_READ;
        CODE(repeatable ? IB_RECORD_NOT_FOUND : IB_SUCCESS, find(read, "b"));
        OK(ib->cursor_first(read));
        CODE(repeatable ? IB_END_OF_INDEX : IB_SUCCESS, ib->cursor_next(read));
        end(read, reader, true);
    }
}

static void a_consistent_read_waits_for_nobody(void)
{
    fill("a");
    ib_trx_t writer = begin(LEVEL);
    ib_crsr_t write = open_in(ROWS, writer);
    OK(change(write, "a", "new"));
    /* auto_commit 1, read_write 0: no locks even at SERIALIZABLE. */
    for (ib_trx_level_t level = IB_TRX_READ_COMMITTED; level <= IB_TRX_SERIALIZABLE; level++) {
        ib_trx_t reader = ib->trx_begin(level, 0, 1);
        ib_crsr_t read = open_in(ROWS, reader);
        OK(find(read, "a"));
        TEXT("a", value_at(read));
        end(read, reader, true);
    }
    end(write, writer, true);
    TEXT("new", committed("a"));
}

static void a_transaction_sees_its_own_work(void)
{
    fill("ab");
    for (ib_trx_level_t level = IB_TRX_READ_UNCOMMITTED; level <= IB_TRX_SERIALIZABLE; level++) {
        ib_trx_t trx = begin(level);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(find(crsr, "a"));
        OK(change(crsr, "a", "mine"));
        OK(erase(crsr, "b"));
        OK(insert_row(crsr, "c", "mine", 0));
        OK(ib->set_lock_mode(crsr, IB_LOCK_NONE));
        OK(ib->cursor_first(crsr));
        TEXT("mine", value_at(crsr));
        OK(ib->cursor_next(crsr));
        TEXT("c", key_at(crsr));
        CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
        end(crsr, trx, false);
    }
    TEXT("ab", committed_keys());
}

static void the_hosts_settings_can_be_asked(void)
{
    int bits = ib->get_cfg();
    NUMBER(0, bits & ~(IB_CFG_BINLOG_ENABLED | IB_CFG_MDL_ENABLED | IB_CFG_DISABLE_ROWLOCK | IB_CFG_LASTING_TUPLES | IB_CFG_FIELDS |
                       IB_CFG_TABLE_SIZES | IB_CFG_TABLE_CHANGES));
    CHECK(ib->cfg_trx_level() <= IB_TRX_SERIALIZABLE);
    CHECK(ib->bk_commit_interval() >= 1);
}

static void tables_have_sizes_where_the_host_tells_them(void)
{
    if (!(ib->get_cfg() & IB_CFG_TABLE_SIZES))
        return;
    const ib_cb_sized_t *sized = (const ib_cb_sized_t *)ib;
    uint64_t rows = 7, bytes = 7;
    CODE(IB_TABLE_NOT_FOUND, sized->table_size("nowhere/to_be_found", &rows, &bytes));
    CODE(IB_TABLE_NOT_FOUND, sized->table_size("no table's path", &rows, &bytes));
    NUMBER(7, rows);
    fill("abc");
    OK(sized->table_size(ROWS, &rows, &bytes));
    /* It may be an estimate. */
    CHECK(rows >= 1 && rows <= 30 && bytes >= 3);
}

static void codes_have_names(void)
{
    static const ib_err_t codes[] = {
        IB_SUCCESS, IB_ERROR, IB_OUT_OF_MEMORY, IB_OUT_OF_FILE_SPACE, IB_LOCK_WAIT, IB_DEADLOCK, IB_ROLLBACK,
        IB_DUPLICATE_KEY, IB_TABLE_NOT_FOUND, IB_TOO_BIG_RECORD, IB_LOCK_WAIT_TIMEOUT, IB_NO_REFERENCED_ROW,
        IB_ROW_IS_REFERENCED, IB_CORRUPTION, IB_UNSUPPORTED, IB_INVALID_NULL, IB_READ_ONLY, IB_RECORD_NOT_FOUND,
        IB_END_OF_INDEX, IB_NOT_FOUND, IB_DATA_MISMATCH,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *name = ib->ut_strerr(codes[i]);
        if (name == NULL || name[0] == 0) {
            report(__FILE__, __LINE__, "code %d has no name", (int)codes[i]);
            continue;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, ib->ut_strerr(codes[j])) == 0)
                report(__FILE__, __LINE__, "codes %d and %d are both %s", (int)codes[i], (int)codes[j], name);
        }
    }
    CHECK(ib->ut_strerr((ib_err_t)1234567) != NULL);
}

const struct test_case trx_cases[] = {
    {"a commit keeps and a rollback undoes", a_commit_keeps_and_a_rollback_undoes},
    {"a transaction object is used again and again", a_transaction_object_is_used_again},
    {"a release rolls back", a_release_rolls_back},
    {"a cursor can commit its transaction", a_cursor_can_commit_its_transaction},
    {"a transaction knows its start and kind", a_transaction_knows_its_start_and_kind},
    {"a commit of nothing is a commit", a_commit_of_nothing_is_a_commit},
    {"each level sees what it should", each_level_sees_what_it_should},
    {"a consistent read waits for nobody", a_consistent_read_waits_for_nobody},
    {"a transaction sees its own work", a_transaction_sees_its_own_work},
    {"the host's settings can be asked", the_hosts_settings_can_be_asked},
    {"tables have sizes where the host tells them", tables_have_sizes_where_the_host_tells_them},
    {"codes have names", codes_have_names},
    {NULL, NULL},
};
