/* Locks between two sessions.  Entries 29 and 42. */
#include "suite.h"

/* A transaction of the other thread with one cursor. */
struct other {
    ib_trx_t trx;
    ib_crsr_t crsr;
    ib_trx_level_t level;
    ib_lck_mode_t lock;
    const char *key, *value;
};

static ib_err_t do_begin(void *arg)
{
    struct other *o = arg;
    o->trx = begin(o->level);
    o->crsr = open_in(ROWS, o->trx);
    return ib->set_lock_mode(o->crsr, o->lock);
}

static ib_err_t do_find(void *arg)
{
    struct other *o = arg;
    return find(o->crsr, o->key);
}

static ib_err_t do_scan(void *arg)
{
    struct other *o = arg;
    ib_err_t code = ib->cursor_first(o->crsr);
    while (code == IB_SUCCESS)
        code = ib->cursor_next(o->crsr);
    return code;
}

static ib_err_t do_insert(void *arg)
{
    struct other *o = arg;
    return insert_row(o->crsr, o->key, "other", 0);
}

static ib_err_t do_change(void *arg)
{
    struct other *o = arg;
    return change(o->crsr, o->key, "other");
}

static ib_err_t do_lock_table(void *arg)
{
    struct other *o = arg;
    return ib->cursor_lock(o->crsr, o->lock);
}

static ib_err_t do_commit(void *arg)
{
    struct other *o = arg;
    end(o->crsr, o->trx, true);
    return IB_SUCCESS;
}

static ib_err_t do_rollback(void *arg)
{
    struct other *o = arg;
    end(o->crsr, o->trx, false);
    return IB_SUCCESS;
}

static ib_err_t run(struct session *session, ib_err_t (*f)(void *), struct other *o)
{
    session_call(session, f, o);
    return session_result(session);
}

/* Who may have a row at the same time. */
static void row_locks_exclude_each_other(void)
{
    static const struct {
        ib_lck_mode_t first, second;
        bool blocked;
    } cases[] = {
        {IB_LOCK_X, IB_LOCK_X, true},    {IB_LOCK_X, IB_LOCK_S, true},     {IB_LOCK_S, IB_LOCK_X, true},
        {IB_LOCK_S, IB_LOCK_S, false},   {IB_LOCK_X, IB_LOCK_NONE, false}, {IB_LOCK_S, IB_LOCK_NONE, false},
        {IB_LOCK_NONE, IB_LOCK_X, false},
    };
    fill("ab");
    struct session *session = session_open();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct other o = {.level = LEVEL, .lock = cases[i].second, .key = "a"};
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(ib->set_lock_mode(crsr, cases[i].first));
        OK(find(crsr, "a"));
        OK(run(session, do_begin, &o));
        session_call(session, do_find, &o);
        if (cases[i].blocked && !session_is_blocked(session))
            report(__FILE__, __LINE__, "lock %d did not wait for lock %d", cases[i].second, cases[i].first);
        if (!cases[i].blocked)
            OK(session_result(session));
        end(crsr, trx, true);
        OK(session_result(session));
        /* Another row was never in the way. */
        o.key = "b";
        OK(run(session, do_find, &o));
        OK(run(session, do_commit, &o));
    }
    session_close(session);
}

static void a_write_locks_its_row_until_the_end(void)
{
    fill("ab");
    struct session *session = session_open();
    for (int commit = 0; commit < 2; commit++) {
        struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = "a"};
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(change(crsr, "a", "mine"));
        /* A closed cursor releases nothing. */
        OK(ib->cursor_close(crsr));
        OK(run(session, do_begin, &o));
        session_call(session, do_change, &o);
        CHECK(session_is_blocked(session));
        end(NULL, trx, commit);
        OK(session_result(session));
        OK(run(session, do_commit, &o));
        TEXT("other", committed("a"));
    }
    session_close(session);
}

static void an_insert_waits_for_the_one_before(void)
{
    struct session *session = session_open();
    for (int commit = 0; commit < 2; commit++) {
        empty_tables();
        struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = "a"};
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(insert_row(crsr, "a", "mine", 0));
        OK(run(session, do_begin, &o));
        session_call(session, do_insert, &o);
        CHECK(session_is_blocked(session));
        end(crsr, trx, commit);
        NUMBER(commit ? IB_DUPLICATE_KEY : IB_SUCCESS, session_result(session));
        OK(run(session, do_commit, &o));
        TEXT(commit ? "mine" : "other", committed("a"));
    }
    session_close(session);
}

static void a_wait_ends_after_its_time(void)
{
    fill("ab");
    struct session *session = session_open();
    struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = "a"};
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(change(crsr, "a", "mine"));
    provider.set_lock_wait(1);
    OK(run(session, do_begin, &o));
    o.key = "b";
    OK(run(session, do_change, &o));
    o.key = "a";
    NUMBER(IB_LOCK_WAIT_TIMEOUT, run(session, do_change, &o));
    /* The rollback is the only valid next step; the object is as good as new after it. */
    OK(run(session, do_rollback, &o));
    TEXT("b", committed("b"));
    OK(run(session, do_begin, &o));
    end(crsr, trx, true);
    OK(run(session, do_change, &o));
    OK(run(session, do_commit, &o));
    session_close(session);
}

static void a_deadlock_is_told_at_once(void)
{
    fill("ab");
    /* Nobody would live to see the lock wait end. */
    provider.set_lock_wait(3600);
    struct session *session = session_open();
    struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = "b"};
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(change(crsr, "a", "mine"));
    OK(run(session, do_begin, &o));
    OK(run(session, do_change, &o));
    o.key = "a";
    session_call(session, do_change, &o);
    CHECK(session_is_blocked(session));
    ib_err_t mine = change(crsr, "b", "mine");
    CHECK(mine == IB_DEADLOCK || mine == IB_SUCCESS);
    end(crsr, trx, mine == IB_SUCCESS);
    /* Exactly one of the two was the victim. */
    ib_err_t theirs = session_result(session);
    NUMBER(mine == IB_SUCCESS ? IB_DEADLOCK : IB_SUCCESS, theirs);
    OK(run(session, theirs == IB_SUCCESS ? do_commit : do_rollback, &o));
    TEXT(theirs == IB_SUCCESS ? "other" : "mine", committed("a"));
    TEXT(theirs == IB_SUCCESS ? "other" : "mine", committed("b"));
    session_close(session);
}

static void table_locks_keep_others_off(void)
{
    static const struct {
        ib_lck_mode_t table;
        ib_lck_mode_t row;
        bool writes, blocked;
    } cases[] = {
        {IB_LOCK_IS, IB_LOCK_X, true, false},       {IB_LOCK_IX, IB_LOCK_X, true, false},
        {IB_LOCK_S, IB_LOCK_S, false, false},       {IB_LOCK_S, IB_LOCK_X, true, true},
        {IB_LOCK_X, IB_LOCK_S, false, true},        {IB_LOCK_X, IB_LOCK_NONE, false, false},
        {IB_LOCK_TABLE_X, IB_LOCK_X, true, true},
    };
    fill("a");
    struct session *session = session_open();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct other o = {.level = LEVEL, .lock = cases[i].row, .key = "a"};
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(ib->cursor_lock(crsr, cases[i].table));
        OK(ib->cursor_close(crsr));
        OK(run(session, do_begin, &o));
        session_call(session, cases[i].writes ? do_change : do_find, &o);
        if (session_is_blocked(session) != cases[i].blocked)
            report(__FILE__, __LINE__, "table lock %d and row lock %d", cases[i].table, cases[i].row);
        end(NULL, trx, true);
        OK(session_result(session));
        OK(run(session, do_commit, &o));
    }
    /* And the other way round: a table lock waits for rows. */
    struct other o = {.level = LEVEL, .lock = IB_LOCK_X};
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(change(crsr, "a", "mine"));
    OK(run(session, do_begin, &o));
    session_call(session, do_lock_table, &o);
    CHECK(session_is_blocked(session));
    end(crsr, trx, true);
    OK(session_result(session));
    OK(run(session, do_commit, &o));
    session_close(session);
}

static void serializable_readers_keep_rows_and_gaps(void)
{
    fill("ac");
    struct session *session = session_open();
    static const char *const keys[] = {"a", "b", "d"}; /* a row, a gap, behind the last */
    for (size_t i = 0; i < 3; i++) {
        struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = keys[i]};
        ib_trx_t trx = begin(IB_TRX_SERIALIZABLE);
        ib_crsr_t crsr = open_in(ROWS, trx);
        OK(ib->cursor_first(crsr));
        OK(ib->cursor_next(crsr));
        CODE(IB_END_OF_INDEX, ib->cursor_next(crsr));
        OK(run(session, do_begin, &o));
        session_call(session, i == 0 ? do_change : do_insert, &o);
        CHECK(session_is_blocked(session));
        /* Other readers are welcome. */
        TEXT("ac", committed_keys());
        end(crsr, trx, true);
        OK(session_result(session));
        OK(run(session, do_rollback, &o));
    }
    session_close(session);
}

static void a_scan_for_update_locks_what_it_meets(void)
{
    fill("abc");
    struct session *session = session_open();
    struct other o = {.level = LEVEL, .lock = IB_LOCK_X, .key = "b"};
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(ROWS, trx);
    OK(change(crsr, "b", "mine"));
    OK(run(session, do_begin, &o));
    session_call(session, do_scan, &o);
    CHECK(session_is_blocked(session));
    end(crsr, trx, true);
    NUMBER(IB_END_OF_INDEX, session_result(session));
    OK(run(session, do_commit, &o));
    session_close(session);
}

const struct test_case lock_cases[] = {
    {"row locks exclude each other", row_locks_exclude_each_other},
    {"a write locks its row until the transaction ends", a_write_locks_its_row_until_the_end},
    {"an insert waits for the one before", an_insert_waits_for_the_one_before},
    {"a lock wait ends after its time", a_wait_ends_after_its_time},
    {"a deadlock is told at once", a_deadlock_is_told_at_once},
    {"table locks keep others off", table_locks_keep_others_off},
    {"SERIALIZABLE readers keep rows and gaps", serializable_readers_keep_rows_and_gaps},
    {"a scan for update locks what it meets", a_scan_for_update_locks_what_it_meets},
    {NULL, NULL},
};
