/* test_scan.c - records found behind damage, and what is not taken for one. */
#include "journal/journal_util.h"

#include <inttypes.h>

enum {
    MARK = 0x7fffffff,
    FIRST = 100
};

struct segment {
    uint8_t bytes[8192];
    size_t at; /* behind the last record */
};

static void add(struct segment *s, uint64_t seq, const void *body, size_t len, uint32_t mark)
{
    sk_record_fill(s->bytes + s->at, SK_VIEW("key"), 1, (struct sk_view){ body, len });
    sk_record_seal(s->bytes + s->at, mark, seq);
    s->at += sk_record_size(3, len);
}

/* "100 101 +2:104 end" of what is found; +2: so many are lost before it. */
static const char *found(const struct segment *s, uint64_t bound, uint32_t mark)
{
    static char text[512];
    struct sk_scan scan;
    struct sk_scan_record r;
    size_t len = 0;

    sk_scan_init(&scan, s->bytes, sizeof s->bytes, FIRST, bound, mark);
    while (sk_scan_next(&scan, &r)) {
        if (r.lost)
            len += (size_t)snprintf(text + len, sizeof text - len, "+%" PRIu64 ":", r.lost);
        len += (size_t)snprintf(text + len, sizeof text - len, "%" PRIu64 " ", r.item.seq);
    }
    (void)snprintf(text + len, sizeof text - len, "%s", sk_scan_is_dirty(&scan) ? "dirty" : "end");
    return text;
}

static void begin(struct segment *s)
{
    memset(s, 0, sizeof *s);
    s->at = SK_SEGMENT_HEADER;
    for (uint64_t i = 0; i < 5; i++)
        add(s, FIRST + i, "0123456789abcd", 10 + i, MARK);
}

static size_t place(unsigned i)
{
    size_t at = SK_SEGMENT_HEADER;

    for (unsigned k = 0; k < i; k++)
        at += sk_record_size(3, 10 + k);
    return at;
}

static void test_damage(void **state)
{
    static const struct {
        const char *name;
        unsigned record;
        size_t at;
        uint8_t with;
        const char *found;
    } rows[] = {
        { "the body of one", 2, 40, 1, "100 101 +1:103 104 end" },
        { "a length, longer", 1, 9, 2, "100 +1:102 103 104 end" },
        { "a length, shorter", 1, 8, 8, "100 +1:102 103 104 end" },
        { "a length, impossible", 1, 11, 0x80, "100 +1:102 103 104 end" },
        { "the key's length", 1, 12, 1, "100 +1:102 103 104 end" },
        { "a mark", 0, 0, 1, "+1:101 102 103 104 end" },
        { "a number", 3, 16, 1, "100 101 102 +1:104 end" },
        { "the last", 4, 40, 1, "100 101 102 103 dirty" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct segment s;
        begin(&s);
        assert_string_equal(found(&s, 0, MARK), "100 101 102 103 104 end");
        s.bytes[place(rows[i].record) + rows[i].at] ^= rows[i].with;
        for (uint32_t mark = 0; mark < 2; mark++) { /* known from the header, or not */
            const char *got = found(&s, 0, mark ? MARK : 0);
            /* The mark of the first record is believed if the header has none. */
            if (strcmp(got, rows[i].found) != 0 && (mark || rows[i].record))
                fail_msg("%s: %s", rows[i].name, got);
        }
    }
}

static void test_several(void **state)
{
    struct segment s;

    (void)state;
    begin(&s);
    memset(s.bytes + place(1), 0xff, place(3) - place(1));
    assert_string_equal(found(&s, 0, MARK), "100 +2:103 104 end");
    assert_string_equal(found(&s, 0, 0), "100 +2:103 104 end");
    begin(&s);
    memset(s.bytes, 0, place(2)); /* with the header */
    assert_string_equal(found(&s, 0, 0), "+2:102 103 104 end");
}

/* Numbers that are not possible at their place. */
static void test_numbers(void **state)
{
    struct segment s;

    (void)state;
    begin(&s);
    add(&s, FIRST + 4, "again", 5, MARK);
    assert_string_equal(found(&s, 0, MARK), "100 101 102 103 104 dirty");
    begin(&s);
    add(&s, FIRST + 7, "too far", 7, MARK);
    assert_string_equal(found(&s, 0, MARK), "100 101 102 103 104 dirty");
    assert_string_equal(found(&s, FIRST + 3, MARK), "100 101 102 dirty");
    begin(&s);
    s.at += 8; /* a gap that no record fits into */
    add(&s, FIRST + 5, "next", 4, MARK);
    assert_string_equal(found(&s, 0, MARK), "100 101 102 103 104 105 end");
}

/* A body that is a record, of a damaged one: it has not the mark. */
static void test_forged(void **state)
{
    static struct segment s;
    uint8_t inner[64];

    (void)state;
    begin(&s);
    sk_record_fill(inner, SK_VIEW("bad"), 1, SK_VIEW("forged"));
    sk_record_seal(inner, 0x80000001u, FIRST + 5);
    size_t at = s.at;
    add(&s, FIRST + 5, inner, 48, MARK);
    memset(s.bytes + at, 0xff, SK_RECORD_HEADER);
    s.at = at + sk_record_size(3, 48);
    add(&s, FIRST + 6, "next", 4, MARK);
    assert_string_equal(found(&s, 0, MARK), "100 101 102 103 104 +1:106 end");
}

/* Bytes that all look like records cost a bounded time. */
static void test_budget(void **state)
{
    const size_t len = 2 << 20;
    SK_OWN(free) uint8_t *bytes = calloc(1, len);
    struct sk_scan scan;
    struct sk_scan_record r;

    (void)state;
    assert_non_null(bytes);
    for (size_t at = SK_SEGMENT_HEADER; at + SK_RECORD_HEADER <= len; at += SK_RECORD_HEADER) {
        sk_journal_put32(bytes + at, MARK);
        sk_journal_put32(bytes + at + 8, SK_JOURNAL_RECORD_MAX);
        sk_journal_put64(bytes + at + 16, FIRST);
    }
    sk_scan_init(&scan, bytes, len, FIRST, 0, MARK);
    assert_false(sk_scan_next(&scan, &r));
    assert_true(scan.budget < SK_JOURNAL_RECORD_MAX + 100);
}

static void test_short(void **state)
{
    static uint8_t bytes[128];

    (void)state;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct sk_scan scan;
        struct sk_scan_record r;
        sk_scan_init(&scan, bytes, len, 1, 0, 0);
        assert_false(sk_scan_next(&scan, &r));
        assert_false(sk_scan_is_dirty(&scan));
        assert_int_equal(scan.at, SK_SEGMENT_HEADER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage),  cmocka_unit_test(test_several),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_forged),
        cmocka_unit_test(test_budget),  cmocka_unit_test(test_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
