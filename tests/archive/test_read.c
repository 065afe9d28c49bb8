/* test_read.c - archives from honest programs, and from others. */
#include "archive/tarball.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Reads all; a line per entry: kind, name, size, target, first bytes. */
static int list_fd(int fd, const struct sk_tar_limits *limits, struct sk_buf *out,
                   struct sk_err *err)
{
    static const char kinds[] = { [SK_TAR_FILE] = 'f',
                                  [SK_TAR_DIR] = 'd',
                                  [SK_TAR_SYMLINK] = 'l',
                                  [SK_TAR_HARDLINK] = 'h',
                                  [SK_TAR_OTHER] = 'o' };
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    struct sk_tar_entry e;
    int rc;

    if (sk_tar_reader_new(fd, limits, &r, err) < 0)
        return -1;
    while ((rc = sk_tar_next(r, &e, err)) > 0) {
        char piece[1000];
        uint64_t sum = 0;
        int64_t n;
        sk_buf_fmt(out, "%c %s %o", kinds[e.kind], e.name, e.mode);
        if (e.target)
            sk_buf_fmt(out, " -> %s", e.target);
        while ((n = sk_tar_read(r, piece, sizeof piece, err)) > 0) {
            if (sum == 0)
                sk_buf_fmt(out, " %.*s", n < 8 ? (int)n : 8, piece);
            sum += (uint64_t)n;
        }
        if (n < 0)
            return -1;
        assert_true(e.kind != SK_TAR_FILE || sum == e.size);
        sk_buf_fmt(out, " %llu\n", (unsigned long long)sum);
    }
    return rc;
}

static int list(const struct sk_buf *b, const struct sk_tar_limits *limits, struct sk_buf *out,
                struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = sk_tarball_fd(b->data ? b->data : "", b->len);
    return list_fd(fd, limits, out, err);
}

/* ---- by hand ---- */

#define DEEP "012345678901234567890123456789012345678901234567890123456789"

/* [archive-20] [archive-21] [archive-24] */
static void entries(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        struct sk_tarball_part parts[4];
        const char *text; /* NULL: refused with code */
        enum sk_code code;
    } rows[] = {
        { "file", { SK_FILE("a", "hello") }, "f a 644 hello 5\n", SK_OK },
        { "old file", { SK_PART("a", "", "hello") }, "f a 644 hello 5\n", SK_OK },
        { "folders", { SK_DIR("./"), SK_DIR("./a/") }, "d  755 0\nd a 755 0\n", SK_OK },
        { "symlink out", { SK_LINK("a", "../../etc") }, "l a 644 -> ../../etc 0\n", SK_OK },
        { "hard link", { { "a", "1", "/etc/passwd", "" } }, "h a 644 -> /etc/passwd 0\n", SK_OK },
        { "device", { SK_PART("a", "3", "") }, "o a 644 0\n", SK_OK },
        { "pipe", { SK_PART("a", "6", "") }, "o a 644 0\n", SK_OK },
        { "nothing", { SK_NO_PART }, "", SK_OK },
        { "pax path",
          { SK_PART("x", "x", "13 path=b/\xc3\xbc\n"), SK_FILE("a", "12345") },
          "f b/\xc3\xbc 644 12345 5\n",
          SK_OK },
        { "GNU long name",
          { SK_PART("././@LongLink", "L", DEEP "/" DEEP), SK_FILE("a", "1") },
          "f " DEEP "/" DEEP " 644 1 1\n",
          SK_OK },
        { "up", { SK_FILE("../a", "") }, NULL, SK_INVALID },
        { "up later", { SK_FILE("a/../../b", "") }, NULL, SK_INVALID },
        { "absolute", { SK_FILE("/etc/passwd", "") }, NULL, SK_INVALID },
        { "escape", { SK_FILE("a\x1b[2J", "") }, NULL, SK_INVALID },
        { "not UTF-8", { SK_FILE("a\xff", "") }, NULL, SK_INVALID },
        { "no name", { SK_FILE("", "x") }, NULL, SK_INVALID },
        { "up by pax",
          { SK_PART("x", "x", "13 path=../b\n"), SK_FILE("a", "") },
          NULL,
          SK_INVALID },
        { "up by GNU", { SK_PART("L", "L", "../../b"), SK_FILE("a", "") }, NULL, SK_INVALID },
        { "pax length wrong",
          { SK_PART("x", "x", "99 path=b\n"), SK_FILE("a", "") },
          NULL,
          SK_CORRUPT },
        { "pax size",
          { SK_PART("x", "x", "32 size=99999999999999999999999\n"), SK_FILE("a", "1") },
          NULL,
          SK_CORRUPT },
        { "pax negative size",
          { SK_PART("x", "x", "11 size=-1\n"), SK_FILE("a", "1") },
          NULL,
          SK_CORRUPT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        sk_tarball_build(&b, rows[i].parts);
        sk_buf_str(&text, "");
        int rc = list(&b, NULL, &text, &err);
        if (rc != (rows[i].text ? 0 : -1) || (rc < 0 && err.code != rows[i].code))
            fail_msg("%s: %d %s %s", rows[i].name, rc, sk_code_name(err.code), err.text);
        if (rows[i].text && strcmp(text.data ? text.data : "", rows[i].text) != 0)
            fail_msg("%s: '%s'", rows[i].name, text.data);
    }
}

/* ---- damage ---- */

static void two_files(struct sk_buf *b)
{
    sk_tarball_entry(b, "a", '0', NULL, 600, DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP,
                     600);
    sk_tarball_entry(b, "b", '0', NULL, 3, "abc", 3);
    sk_tarball_end(b);
}

/* [archive-22]: wherever it is cut or wrong, either all of an entry is given, or an error. */
static void cut_anywhere(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    size_t whole_len, refused = 0;

    two_files(&b);
    whole_len = b.len;
    for (size_t len = 0; len < whole_len; len += 64) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        b.len = len;
        int rc = list(&b, NULL, &text, &err);
        if (rc < 0)
            assert_int_equal(err.code, SK_CORRUPT);
        else /* whole entries only: the end's blocks may be missing */
            assert_true(len == 1536 || len >= 2560);
        refused += rc < 0;
    }
    assert_true(refused > 30);
    b.len = whole_len;
}

static void wrong_checksum(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
    struct sk_err err = SK_ERR_INIT;

    two_files(&b);
    b.data[1536] = 'c'; /* the second name */
    assert_int_equal(list(&b, NULL, &text, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

static void not_tar(void **state)
{
    (void)state;

    static const struct {
        const char *name, *bytes;
        size_t len;
    } rows[] = {
        { "empty", "", 0 },
        { "one byte", "x", 1 },
        { "text", "hello, this is no archive", 25 },
        { "zip", "PK\3\4................................", 36 },
        { "gzip's beginning", "\x1f\x8b", 2 },
        { "gzip of nothing", "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20 },
        { "zstd's beginning", "\x28\xb5\x2f\xfd", 4 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        sk_buf_add(&b, rows[i].bytes, rows[i].len);
        if (list(&b, NULL, &text, &err) == 0 || err.code != SK_CORRUPT)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* ---- packed ---- */

/* `count` files of `size` zeroes each. */
static void zeroes(enum sk_archive_filter filter, size_t count, uint64_t size, struct sk_buf *out)
{
    static const char piece[1 << 20];
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_tar_writer_new(filter, sk_tarball_sink, out, &w, &err), 0);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f%zu", i);
        assert_int_equal(sk_tar_file(w, name, 0644, size, &err), 0);
        for (uint64_t left = size; left > 0;) {
            size_t n = left < sizeof piece ? (size_t)left : sizeof piece;
            assert_int_equal(sk_tar_bytes(w, piece, n, &err), 0);
            left -= n;
        }
    }
    assert_int_equal(sk_tar_finish(w, &err), 0);
}

/* [archive-23]: at each limit, and one beyond. */
static void limits(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        enum sk_archive_filter filter;
        size_t count;
        uint64_t size;
        struct sk_tar_limits limits;
        const char *text; /* NULL: fine */
    } rows[] = {
        { "entries", SK_ARCHIVE_PLAIN, 7, 1, { .max_entries = 7 }, NULL },
        { "one entry more", SK_ARCHIVE_PLAIN, 8, 1, { .max_entries = 7 }, "more than 7 entries" },
        { "bytes", SK_ARCHIVE_PLAIN, 4, 1000, { .max_bytes = 4000 }, NULL },
        { "a byte more", SK_ARCHIVE_PLAIN, 4, 1000, { .max_bytes = 3999 }, "more than 3999 bytes" },
        { "gzip", SK_ARCHIVE_GZIP, 2, 2 << 20, { .max_ratio = 1100 }, NULL },
        { "gzip bomb", SK_ARCHIVE_GZIP, 1, 32 << 20, { .max_ratio = 100 }, "than 100 times its" },
        { "zstd bomb", SK_ARCHIVE_ZSTD, 1, 64 << 20, { 0 }, "more than 1000 times its size" },
        { "short zstd", SK_ARCHIVE_ZSTD, 1, 900 << 10, { .max_ratio = 10 }, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        zeroes(rows[i].filter, rows[i].count, rows[i].size, &b);
        int rc = list(&b, &rows[i].limits, &text, &err);
        if (rc != (rows[i].text ? -1 : 0))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
        if (rows[i].text && (err.code != SK_LIMIT || !strstr(err.text, rows[i].text)))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* [archive-23]: skipping is no way around; neither are headers that give no entry. */
static void limits_hold_without_reading(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    const struct sk_tar_limits few = { .max_ratio = 100 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_tar_entry e;
    int rc;

    zeroes(SK_ARCHIVE_GZIP, 4, 16 << 20, &b);
    SK_AUTO(sk_close) int fd = sk_tarball_fd(b.data, b.len);
    assert_int_equal(sk_tar_reader_new(fd, &few, &r, &err), 0);
    while ((rc = sk_tar_next(r, &e, &err)) > 0)
        continue;
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(sk_tar_next(r, &e, &err), -1); /* it stays failed */
}

/* [archive-25] */
static void huge_headers(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        char type;
        size_t bytes, times;
    } rows[] = {
        { "pax", 'x', 8 << 20, 1 },        { "global pax", 'g', 8 << 20, 1 },
        { "GNU name", 'L', 8 << 20, 1 },   { "GNU link", 'K', 8 << 20, 1 },
        { "many names", 'L', 4096, 5000 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_OWN(free) char *bytes = malloc(rows[i].bytes);
        struct sk_err err = SK_ERR_INIT;
        assert_non_null(bytes);
        memset(bytes, 'n', rows[i].bytes);
        for (size_t k = 0; k < rows[i].times; k++)
            sk_tarball_entry(&b, "h", rows[i].type, NULL, rows[i].bytes, bytes, rows[i].bytes);
        sk_tarball_entry(&b, "a", '0', NULL, 0, "", 0);
        sk_tarball_end(&b);
        if (list(&b, NULL, &text, &err) == 0)
            fail_msg("%s was taken: %.100s", rows[i].name, text.data);
        assert_true(err.code == SK_CORRUPT || err.code == SK_LIMIT);
    }
}

/* A file within a gzip that is a gzip itself is not looked into. */
static void only_one_filter(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
    struct sk_err err = SK_ERR_INIT;
    /* gzip -n </dev/null | gzip -n */
    static const char twice[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x93\xef\xe6\x60\x00"
                                "\x01\x26\x66\x66\x06\x18\x00\x00\x64\xee\xd5\x2a\x14\x00\x00\x00";

    sk_buf_add(&b, twice, sizeof twice - 1);
    assert_int_equal(list(&b, NULL, &text, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

/* [archive-26]: GNU's sparse files (pax 1.0) give their holes as zeroes, within the limits. */
static void sparse(void **state)
{
    (void)state;

    static const struct {
        const char *name, *pax, *map;
        const char *text;
        enum sk_code code;
    } rows[] = {
        { "a hole",
          "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=s\n"
          "29 GNU.sparse.realsize=10000\n",
          "1\n9997\n3\n", "f s 644  10000\n", SK_OK },
        { "exabytes",
          "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=s\n"
          "43 GNU.sparse.realsize=4611686018427387904\n",
          "1\n9997\n3\n", NULL, SK_LIMIT },
        { "many times its size",
          "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=s\n"
          "33 GNU.sparse.realsize=100000000\n",
          "1\n99999997\n3\n", NULL, SK_LIMIT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        char body[1024] = { 0 };
        memcpy(body, rows[i].map, strlen(rows[i].map));
        memcpy(body + 512, "abc", 3);
        sk_tarball_entry(&b, "x", 'x', NULL, strlen(rows[i].pax), rows[i].pax, strlen(rows[i].pax));
        sk_tarball_entry(&b, "GNUSparseFile.0/s", '0', NULL, 515, body, 515);
        sk_tarball_end(&b);
        int rc = list(&b, NULL, &text, &err);
        if (rc != (rows[i].text ? 0 : -1) || (rc < 0 && err.code != rows[i].code))
            fail_msg("%s: %d %s %s", rows[i].name, rc, sk_code_name(err.code), err.text);
        if (rows[i].text)
            assert_string_equal(text.data, rows[i].text);
    }
}

/* [archive-20]: what we write is read, from a file and from a pipe, from where it stands. */
static void from_a_pipe(void **state)
{
    (void)state;

    static const enum sk_archive_filter filters[] = { SK_ARCHIVE_PLAIN, SK_ARCHIVE_GZIP,
                                                      SK_ARCHIVE_ZSTD };

    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        int ends[2];
        sk_buf_str(&b, "junk");
        zeroes(filters[i], 2, 700, &b);
        SK_AUTO(sk_close) int fd = sk_tarball_fd(b.data, b.len);
        assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
        assert_int_equal(list_fd(fd, NULL, &text, &err), 0);
        assert_string_equal(text.data, "f f0 644  700\nf f1 644  700\n");
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], b.data + 4, b.len - 4), b.len - 4);
        assert_int_equal(close(ends[1]), 0);
        sk_buf_clear(&text);
        assert_int_equal(list_fd(ends[0], NULL, &text, &err), 0);
        assert_string_equal(text.data, "f f0 644  700\nf f1 644  700\n");
        assert_int_equal(close(ends[0]), 0);
    }
}

static void no_descriptor(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_tar_reader *r = NULL;

    assert_int_equal(sk_tar_reader_new(-1, NULL, &r, &err), -1);
    assert_int_equal(err.code, SK_IO);
    sk_tar_reader_free(NULL);
}

static int whole(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    const struct sk_buf *b = ctx;
    SK_AUTO(sk_close) int fd = sk_tarball_fd(b->data, b->len);
    struct sk_tar_entry e;
    int rc = sk_tar_reader_new(fd, NULL, &r, err);

    while (rc >= 0 && (rc = sk_tar_next(r, &e, err)) > 0)
        continue;
    return rc;
}

static void allocations(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);

    sk_tarball_entry(&b, "a", '2', "b", 0, "", 0);
    sk_tarball_entry(&b, "b", '0', NULL, 0, "", 0);
    sk_tarball_end(&b);
    assert_true(sk_alloc_sweep("read", whole, &b, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries),        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(wrong_checksum), cmocka_unit_test(not_tar),
        cmocka_unit_test(limits),         cmocka_unit_test(limits_hold_without_reading),
        cmocka_unit_test(huge_headers),   cmocka_unit_test(only_one_filter),
        cmocka_unit_test(sparse),         cmocka_unit_test(from_a_pipe),
        cmocka_unit_test(no_descriptor),  cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
