/* Column values: what goes in, what is stored, what comes out.  Entries 12 to 19 and 21 to 23. */
#include "suite.h"

enum { ID, I1, U1, I2, U2, I3, U3, I4, U4, I8, U8 };

/* A native integer of a column's width, and the bytes InnoDB stores for it. */
struct integer {
    ib_ulint_t col;
    int64_t value;
    const char *stored;
};

static const struct integer integers[] = {
    {I1, INT8_MIN, "\x00"},
    {I1, -1, "\x7f"},
    {I1, 0, "\x80"},
    {I1, INT8_MAX, "\xff"},
    {U1, 0, "\x00"},
    {U1, UINT8_MAX, "\xff"},
    {I2, INT16_MIN, "\x00\x00"},
    {I2, -2, "\x7f\xfe"},
    {I2, INT16_MAX, "\xff\xff"},
    {U2, 0x0102, "\x01\x02"},
    {U2, UINT16_MAX, "\xff\xff"},
    {I3, -8388608, "\x00\x00\x00"},
    {I3, -1, "\x7f\xff\xff"},
    {I3, 8388607, "\xff\xff\xff"},
    {U3, 0x010203, "\x01\x02\x03"},
    {U3, 16777215, "\xff\xff\xff"},
    {I4, INT32_MIN, "\x00\x00\x00\x00"},
    {I4, -1, "\x7f\xff\xff\xff"},
    {I4, INT32_MAX, "\xff\xff\xff\xff"},
    {U4, 0x01020304, "\x01\x02\x03\x04"},
    {U4, UINT32_MAX, "\xff\xff\xff\xff"},
    {I8, INT64_MIN, "\x00\x00\x00\x00\x00\x00\x00\x00"},
    {I8, -1, "\x7f\xff\xff\xff\xff\xff\xff\xff"},
    {I8, INT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff"},
    {U8, 0x0102030405060708, "\x01\x02\x03\x04\x05\x06\x07\x08"},
    {U8, (int64_t)UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff"},
};

static size_t width(ib_ulint_t col)
{
    static const size_t widths[] = {4, 1, 1, 2, 2, 3, 3, 4, 4, 8, 8};
    return widths[col];
}

static bool is_signed(ib_ulint_t col)
{
    return col == ID || col % 2 == 1;
}

static ib_err_t set_native(ib_tpl_t tpl, ib_ulint_t col, int64_t value, size_t n)
{
    const union {
        uint16_t number;
        uint8_t first;
    } order = {1};
    return set(tpl, col, (const char *)&value + (order.first ? 0 : sizeof value - n), n);
}

/* What the eight entries say to a column. */
static void check_reads(ib_tpl_t tpl, ib_ulint_t col, int64_t value)
{
    uint8_t u1 = 77;
    uint16_t u2 = 77;
    uint32_t u4 = 77;
    uint64_t u8 = 77;
    int8_t i1 = 77;
    int16_t i2 = 77;
    int32_t i4 = 77;
    int64_t i8 = 77;
    const struct {
        size_t width;
        bool is_signed;
        ib_err_t code;
        int64_t got;
    } reads[] = {
        {1, false, ib->tuple_read_u8(tpl, col, &u1), u1},  {2, false, ib->tuple_read_u16(tpl, col, &u2), u2},
        {4, false, ib->tuple_read_u32(tpl, col, &u4), u4}, {8, false, ib->tuple_read_u64(tpl, col, &u8), (int64_t)u8},
        {1, true, ib->tuple_read_i8(tpl, col, &i1), i1},   {2, true, ib->tuple_read_i16(tpl, col, &i2), i2},
        {4, true, ib->tuple_read_i32(tpl, col, &i4), i4},  {8, true, ib->tuple_read_i64(tpl, col, &i8), i8},
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        bool fits = reads[i].width == width(col) && reads[i].is_signed == is_signed(col);
        if (reads[i].code != (fits ? IB_SUCCESS : IB_DATA_MISMATCH) || reads[i].got != (fits ? value : 77))
            report(__FILE__, __LINE__, "column %lu with %lld, read as %s of %zu bytes: code %d, value %lld", col,
                   (long long)value, reads[i].is_signed ? "signed" : "unsigned", reads[i].width, (int)reads[i].code,
                   (long long)reads[i].got);
    }
}

static void integers_of_every_width(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in("conf/ints", trx);
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        const struct integer *one = &integers[i];
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        OK(set_i32(tpl, ID, (int32_t)i));
        OK(set_native(tpl, one->col, one->value, width(one->col)));
        ib_col_meta_t meta;
        BYTES(one->stored, width(one->col), ib->col_get_value(tpl, one->col), ib->col_get_meta(tpl, one->col, &meta));
        check_reads(tpl, one->col, one->value);
        OK(ib->insert_row(crsr, tpl));
        ib->tuple_delete(tpl);
    }
    /* The same once more, from the rows. */
    size_t n = 0;
    for (ib_err_t code = ib->cursor_first(crsr); code == IB_SUCCESS; code = ib->cursor_next(crsr), n++) {
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        OK(ib->read_row(crsr, tpl, NULL, NULL));
        int32_t id = -1;
        OK(ib->tuple_read_i32(tpl, ID, &id));
        NUMBER(n, id);
        if (n < sizeof integers / sizeof integers[0]) {
            const struct integer *one = &integers[n];
            ib_col_meta_t meta;
            BYTES(one->stored, width(one->col), ib->col_get_value(tpl, one->col),
                  ib->col_get_meta(tpl, one->col, &meta));
            check_reads(tpl, one->col, one->value);
        }
        ib->tuple_delete(tpl);
    }
    NUMBER(sizeof integers / sizeof integers[0], n);
    end(crsr, trx, true);
}

static void integers_need_their_exact_width(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in("conf/ints", trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    for (ib_ulint_t col = ID; col <= U8; col++) {
        OK(set_native(tpl, col, 5, width(col)));
        for (size_t n = 0; n <= 9; n++) {
            char bytes[9] = {0};
            if (n != width(col))
                CODE(IB_DATA_MISMATCH, set(tpl, col, bytes, n));
        }
        if (width(col) != 3)
            check_reads(tpl, col, 5);
    }
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void integers_of_null_and_text_cannot_be_read(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in("conf/rows", trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    int32_t i4 = 77;
    uint64_t u8 = 77;
    uint8_t u1 = 77;
    CHECK(ib->tuple_read_i32(tpl, ROW_N, &i4) != IB_SUCCESS);
    CHECK(ib->tuple_read_u64(tpl, ROW_U, &u8) != IB_SUCCESS);
    OK(set_text(tpl, ROW_K, "a"));
    CODE(IB_DATA_MISMATCH, ib->tuple_read_u8(tpl, ROW_K, &u1));
    OK(set(tpl, ROW_V, "12345678", 8));
    CODE(IB_DATA_MISMATCH, ib->tuple_read_u64(tpl, ROW_V, &u8));
    NUMBER(77, i4);
    NUMBER(77, u8);
    NUMBER(77, u1);
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

enum { TEXT_ID, CHAR_U, CHAR_L, VARCHAR_U, VARCHAR_L, BINARY, VARBINARY, TINY, BLOB, MEDIUM, LONG, TEXT_U };

/* What is set and what the column then has. */
static const struct {
    ib_ulint_t col;
    const char *set;
    size_t set_n;
    const char *stored;
    size_t stored_n;
} texts[] = {
#define CASE(col, in, out) {col, in, sizeof(in) - 1, out, sizeof(out) - 1}
    CASE(CHAR_U, "", "    "),
    CASE(CHAR_U, "ab", "ab  "),
    CASE(CHAR_U, "abcd", "abcd"),
    CASE(CHAR_U, "abcde", "abcd"),
    CASE(CHAR_U, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"),
    CASE(CHAR_U, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80!",
         "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"),
    CASE(CHAR_L, "\xe4", "\xe4   "),
    CASE(CHAR_L, "\xe4\xf6\xfc\xdf\x80", "\xe4\xf6\xfc\xdf"),
    CASE(VARCHAR_U, "", ""),
    CASE(VARCHAR_U, "a ", "a "),
    CASE(VARCHAR_U, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x96\x87", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
    CASE(VARCHAR_U, "ab\xff" "c", "ab"),
    CASE(VARCHAR_L, "\xff\xfe\xfd\xfc", "\xff\xfe\xfd"),
    CASE(BINARY, "", "\0\0\0"),
    CASE(BINARY, "a\0", "a\0\0"),
    CASE(BINARY, "abcd", "abc"),
    CASE(VARBINARY, "", ""),
    CASE(VARBINARY, "\0 ", "\0 "),
    CASE(VARBINARY, "\xc3\xa4\xc3\xa4", "\xc3\xa4\xc3"),
    CASE(BLOB, "", ""),
    CASE(BLOB, "\0\xff\0", "\0\xff\0"),
    CASE(TEXT_U, "caf\xc3\xa9 ", "caf\xc3\xa9 "),
#undef CASE
};

static void texts_are_cut_and_padded(void)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in("conf/texts", trx);
    const size_t cases = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < 2 * cases; i++) {
        ib_ulint_t col = texts[i / 2].col;
        ib_col_meta_t meta;
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        OK(set_i32(tpl, TEXT_ID, (int32_t)i));
        /* Once copied and once borrowed. */
        OK(ib->col_set_value(tpl, col, texts[i / 2].set, texts[i / 2].set_n, i % 2));
        BYTES(texts[i / 2].stored, texts[i / 2].stored_n, ib->col_get_value(tpl, col), ib->col_get_meta(tpl, col, &meta));
        OK(ib->insert_row(crsr, tpl));
        ib->tuple_delete(tpl);
    }
    end(crsr, trx, true);
    trx = begin(LEVEL);
    crsr = open_in("conf/texts", trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    OK(ib->cursor_first(crsr));
    for (size_t i = 0; i < 2 * cases; i++) {
        ib_col_meta_t meta;
        OK(ib->read_row(crsr, tpl, NULL, NULL));
        for (ib_ulint_t col = CHAR_U; col <= TEXT_U; col++) {
            if (col == texts[i / 2].col)
                BYTES(texts[i / 2].stored, texts[i / 2].stored_n, ib->col_get_value(tpl, col),
                      ib->col_get_meta(tpl, col, &meta));
            else
                COLUMN_IS_NULL(tpl, col);
        }
        CODE(i + 1 < 2 * cases ? IB_SUCCESS : IB_END_OF_INDEX, ib->cursor_next(crsr));
    }
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

/* One byte less and more than each BLOB type that is small enough to try holds, and a large value. */
static void blobs_hold_what_their_type_says(void)
{
    static char big[1 << 20];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 2654435761u >> 24);
    static const struct {
        ib_ulint_t col;
        size_t set, stored;
    } cases[] = {{TINY, 254, 254}, {TINY, 255, 255}, {TINY, 256, 255},       {BLOB, 65535, 65535},
                 {BLOB, 65536, 65535}, {MEDIUM, sizeof big, sizeof big}, {LONG, sizeof big, sizeof big}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ib_col_meta_t meta;
        ib_trx_t trx = begin(LEVEL);
        ib_crsr_t crsr = open_in("conf/texts", trx);
        ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
        OK(set_i32(tpl, TEXT_ID, 1));
        OK(set(tpl, cases[i].col, big, cases[i].set));
        OK(ib->insert_row(crsr, tpl));
        ib->tuple_delete(tpl);
        tpl = ib->clust_read_tuple_create(crsr);
        OK(ib->cursor_first(crsr));
        OK(ib->read_row(crsr, tpl, NULL, NULL));
        BYTES(big, cases[i].stored, ib->col_get_value(tpl, cases[i].col), ib->col_get_meta(tpl, cases[i].col, &meta));
        ib->tuple_delete(tpl);
        OK(ib->delete_row(crsr));
        end(crsr, trx, true);
    }
}

struct described {
    const char *name;
    ib_col_type_t type;
    uint32_t attr, length;
};

static void check_columns(const char *table, const struct described *columns, size_t n)
{
    ib_trx_t trx = begin(LEVEL);
    ib_crsr_t crsr = open_in(table, trx);
    ib_tpl_t tpl = ib->clust_read_tuple_create(crsr);
    NUMBER(n, ib->tuple_get_n_user_cols(tpl));
    CHECK(ib->tuple_get_n_cols(tpl) >= n && ib->tuple_get_n_cols(tpl) <= n + 3);
    for (ib_ulint_t col = 0; col < n; col++) {
        ib_col_meta_t meta;
        memset(&meta, 0, sizeof meta);
        TEXT(columns[col].name, ib->col_get_name(crsr, col));
        NUMBER(IB_SQL_NULL, ib->col_get_meta(tpl, col, &meta));
        NUMBER(columns[col].type, meta.type);
        NUMBER(columns[col].attr, meta.attr & (IB_COL_NOT_NULL | IB_COL_UNSIGNED));
        NUMBER(columns[col].length, meta.type_len);
    }
    CHECK(ib->col_get_name(crsr, n + 10) == NULL);
    for (ib_ulint_t col = n; col < ib->tuple_get_n_cols(tpl); col++) {
        ib_col_meta_t meta;
        ib->col_get_meta(tpl, col, &meta);
        NUMBER(IB_SYS, meta.type);
    }
    NUMBER(0, ib->is_virtual_table(crsr));
    ib->tuple_delete(tpl);
    end(crsr, trx, false);
}

static void columns_describe_themselves(void)
{
    static const struct described ints[] = {
        {"id", IB_INT, IB_COL_NOT_NULL, 4}, {"i1", IB_INT, 0, 1}, {"u1", IB_INT, IB_COL_UNSIGNED, 1},
        {"i2", IB_INT, 0, 2}, {"u2", IB_INT, IB_COL_UNSIGNED, 2}, {"i3", IB_INT, 0, 3},
        {"u3", IB_INT, IB_COL_UNSIGNED, 3}, {"i4", IB_INT, 0, 4}, {"u4", IB_INT, IB_COL_UNSIGNED, 4},
        {"i8", IB_INT, 0, 8}, {"u8", IB_INT, IB_COL_UNSIGNED, 8},
    };
    static const struct described text_columns[] = {
        {"id", IB_INT, IB_COL_NOT_NULL, 4}, {"c", IB_CHAR_ANYCHARSET, 0, 16}, {"cl", IB_CHAR, 0, 4},
        {"v", IB_VARCHAR_ANYCHARSET, 0, 12}, {"vl", IB_VARCHAR, 0, 3}, {"b", IB_BINARY, 0, 3},
        {"vb", IB_VARBINARY, 0, 3}, {"tb", IB_BLOB, 0, 255}, {"bl", IB_BLOB, 0, 65535},
        {"mb", IB_BLOB, 0, 16777215}, {"lb", IB_BLOB, 0, 4294967295u}, {"t", IB_BLOB, 0, 65535},
    };
    static const struct described rows[] = {
        {"k", IB_VARBINARY, IB_COL_NOT_NULL, 20}, {"v", IB_BLOB, 0, 65535},
        {"n", IB_INT, IB_COL_NOT_NULL, 4}, {"u", IB_INT, IB_COL_UNSIGNED, 8},
    };
    check_columns("conf/ints", ints, sizeof ints / sizeof ints[0]);
    check_columns("conf/texts", text_columns, sizeof text_columns / sizeof text_columns[0]);
    check_columns("conf/rows", rows, sizeof rows / sizeof rows[0]);
}

const struct test_case column_cases[] = {
    {"integers of every width, at their limits", integers_of_every_width},
    {"integers need their exact width", integers_need_their_exact_width},
    {"NULL and text are no integers", integers_of_null_and_text_cannot_be_read},
    {"texts are cut at characters and padded", texts_are_cut_and_padded},
    {"blobs hold what their type says", blobs_hold_what_their_type_says},
    {"columns describe themselves", columns_describe_themselves},
    {NULL, NULL},
};
