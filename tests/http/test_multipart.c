/* test_multipart.c - the multipart parser by a table; every row in every split of its bytes gives
 * the same result. */
#include "harness/alloc_fail.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_PARTS = 4,
    MAX_BYTES = 1 << 20
};

#define TYPE "multipart/form-data; boundary=XX"
#define CD   "Content-Disposition: form-data; "

static const struct row {
    const char *name, *type, *body;
    size_t len;           /* 0: that of the text */
    const char *expected; /* name|filename|type|body of each part, or "! code: the error's text" */
} rows[] = {
    /* what is there */
    { "one field", TYPE, "--XX\r\n" CD "name=\"a\"\r\n\r\nhello\r\n--XX--\r\n", 0, "a|-|-|hello;" },
    { "file", TYPE,
      "--XX\r\n" CD
      "name=\"image\"; filename=\"cat.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--XX--",
      0, "image|cat.jpg|image/jpeg|\xff\xd8;" },
    { "two parts", TYPE,
      "--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX\r\n" CD "name=b\r\n\r\n22\r\n--XX--\r\n", 0,
      "a|-|-|1;b|-|-|22;" },
    { "NUL in a body", TYPE, "--XX\r\n" CD "name=a\r\n\r\n\0\0\r\n--XX--",
      sizeof("--XX\r\n" CD "name=a\r\n\r\n\0\0\r\n--XX--") - 1, "a|-|-|00;" },
    { "no parts", TYPE, "--XX--\r\n", 0, "" },
    { "part without headers", TYPE, "--XX\r\n\r\nbody\r\n--XX--", 0, "|-|-|body;" },
    { "preamble and epilogue", TYPE,
      "to be skipped\r\n--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX--\r\n--XX\r\nnot a part", 0,
      "a|-|-|1;" },
    { "CRLF in front", TYPE, "\r\n--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX--", 0, "a|-|-|1;" },
    { "padding behind the boundary", TYPE,
      "--XX \t \r\n" CD "name=a\r\n\r\n1\r\n--XX  \r\n\r\n2\r\n--XX--", 0, "a|-|-|1;|-|-|2;" },
    /* bodies that look like boundaries */
    { "empty body", TYPE, "--XX\r\n" CD "name=a\r\n\r\n\r\n--XX--", 0, "a|-|-|;" },
    { "no body at all", TYPE, "--XX\r\n" CD "name=a\r\n\r\n--XX--", 0, "a|-|-|;" },
    { "CR before the boundary", TYPE, "--XX\r\n" CD "name=a\r\n\r\n1\r\r\n--XX--", 0,
      "a|-|-|1\r;" },
    { "CRLFs before the boundary", TYPE, "--XX\r\n" CD "name=a\r\n\r\n1\r\n\r\n\r\n--XX--", 0,
      "a|-|-|1\r\n\r\n;" },
    { "longer word than the boundary", TYPE, "--XX\r\n" CD "name=a\r\n\r\n\r\n--XXY\r\n\r\n--XX--",
      0, "a|-|-|\r\n--XXY\r\n;" },
    { "boundary with one dash", TYPE, "--XX\r\n" CD "name=a\r\n\r\n\r\n--XX-\r\n\r\n--XX--", 0,
      "a|-|-|\r\n--XX-\r\n;" },
    { "boundary inside a line", TYPE, "--XX\r\n" CD "name=a\r\n\r\nx--XX--\r\n--XX--", 0,
      "a|-|-|x--XX--;" },
    { "boundary behind a bare LF", TYPE, "--XX\r\n" CD "name=a\r\n\r\nx\n--XX\n\r\n--XX--", 0,
      "a|-|-|x\n--XX\n;" },
    { "half a boundary", TYPE, "--XX\r\n" CD "name=a\r\n\r\n\r\n--X\r\n--\r\n-\r\n--XX--", 0,
      "a|-|-|\r\n--X\r\n--\r\n-;" },
    /* bare LF throughout */
    { "LF", TYPE, "--XX\n" CD "name=a\n\n1\n--XX\n" CD "name=b\n\n\r\n--XX--\n", 0,
      "a|-|-|1;b|-|-|\r;" },
    { "LF, empty body", TYPE, "--XX\n" CD "name=a\n\n\n--XX--", 0, "a|-|-|;" },
    { "LF then CRLF", TYPE, "--XX\n" CD "name=a\r\n\r\n1\n--XX--", 0,
      "! invalid_argument: multipart: lines end with CRLF here and with LF there" },
    { "CRLF then LF", TYPE, "--XX\r\n" CD "name=a\n\n1\r\n--XX--", 0,
      "! invalid_argument: multipart: lines end with CRLF here and with LF there" },
    /* parameters */
    { "quotes and escapes", TYPE,
      "--XX\r\n" CD "name=\"a\\\"b\\\\c\"; filename=\"C:\\dir\\x;y.png\"\r\n\r\n1\r\n--XX--", 0,
      "a\"b\\c|C:\\dir\\x;y.png|-|1;" },
    { "case and spaces", TYPE,
      "--XX\r\ncontent-DISPOSITION:form-data ;  NAME = \"a\" "
      ";FileName=x\r\ncontent-type:text/plain  \r\n\r\n1\r\n--XX--",
      0, "a|x|text/plain|1;" },
    { "filename* is ignored", TYPE,
      "--XX\r\n" CD "name=a; filename*=UTF-8''%e2%82%ac\r\n\r\n1\r\n--XX--", 0, "a|-|-|1;" },
    { "the first of two names", TYPE, "--XX\r\n" CD "name=a; name=b\r\n\r\n1\r\n--XX--", 0,
      "a|-|-|1;" },
    { "quote without end", TYPE, "--XX\r\n" CD "name=\"a\r\n\r\n1\r\n--XX--", 0, "|-|-|1;" },
    { "empty filename", TYPE, "--XX\r\n" CD "name=a; filename=\"\"\r\n\r\n\r\n--XX--", 0,
      "a||-|;" },
    { "8bit", TYPE, "--XX\r\nContent-Transfer-Encoding: 8bit\r\n\r\n1\r\n--XX--", 0, "|-|-|1;" },
    /* refusals */
    { "empty", TYPE, "", 0,
      "! invalid_argument: multipart: the body ends before its closing boundary" },
    { "no end", TYPE, "--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX", 0,
      "! invalid_argument: multipart: the body ends before its closing boundary" },
    { "ends in the headers", TYPE, "--XX\r\n" CD, 0,
      "! invalid_argument: multipart: the body ends before its closing boundary" },
    { "no boundary line", TYPE, "hello", 0,
      "! invalid_argument: multipart: the body ends before its closing boundary" },
    { "no colon", TYPE, "--XX\r\nhello\r\n\r\n1\r\n--XX--", 0,
      "! invalid_argument: multipart: a malformed header in part 1" },
    { "folded header", TYPE, "--XX\r\nA: b\r\n c: d\r\n\r\n1\r\n--XX--", 0,
      "! invalid_argument: multipart: a malformed header in part 1" },
    { "NUL in a header", TYPE, "--XX\r\nA: \1\r\n\r\n1\r\n--XX--", 0,
      "! invalid_argument: multipart: a control character in a part's headers" },
    { "base64", TYPE, "--XX\r\nContent-Transfer-Encoding: base64\r\n\r\n1\r\n--XX--", 0,
      "! unsupported: multipart: Content-Transfer-Encoding 'base64' is not supported" },
    { "at the limit of parts", TYPE,
      "--XX\r\n\r\n1\r\n--XX\r\n\r\n2\r\n--XX\r\n\r\n3\r\n--XX\r\n\r\n4\r\n--XX--", 0,
      "|-|-|1;|-|-|2;|-|-|3;|-|-|4;" },
    { "beyond the limit of parts", TYPE,
      "--XX\r\n\r\n1\r\n--XX\r\n\r\n2\r\n--XX\r\n\r\n3\r\n--XX\r\n\r\n4\r\n--XX\r\n\r\n5\r\n--XX--",
      0, "! limit_exceeded: multipart: more than 4 parts" },
    /* Content-Type */
    { "quoted boundary", "multipart/form-data; charset=utf-8; Boundary=\"a b:c\"",
      "--a b:c\r\n\r\n1\r\n--a b:c--", 0, "|-|-|1;" },
    { "no boundary", "multipart/form-data", "", 0,
      "! invalid_argument: multipart: the Content-Type has no boundary" },
    { "empty boundary", "multipart/form-data; boundary=", "", 0,
      "! invalid_argument: multipart: the Content-Type has no boundary" },
    { "boundary with LF", "multipart/form-data; boundary=\"a\nb\"", "", 0,
      "! invalid_argument: multipart: the boundary has a character that is not allowed" },
    { "boundary ends with a space", "multipart/form-data; boundary=\"a \"", "", 0,
      "! invalid_argument: multipart: the boundary ends with a space" },
    { "two boundaries", TYPE "; boundary=YY", "", 0,
      "! invalid_argument: multipart: there are two boundaries in the Content-Type" },
};

static void describe(const struct sk_multipart *m, struct sk_buf *out)
{
    for (size_t i = 0; i < sk_multipart_count(m); i++) {
        const struct sk_http_part *p = sk_multipart_at(m, i);
        sk_buf_fmt(out, "%s|%s|%s|", p->name, p->filename ? p->filename : "-",
                   p->content_type ? p->content_type : "-");
        for (size_t b = 0; b < p->body.len; b++) /* NUL becomes a digit: the result is compared as
                                                    text */
            sk_buf_chr(out, p->body.ptr[b] ? p->body.ptr[b] : '0');
        sk_buf_chr(out, ';');
    }
}

/* Feeds the bytes in three chunks that end at a and b. */
static void run(const struct row *row, size_t len, size_t a, size_t b, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
    sk_buf_clear(out);
    sk_buf_str(out, "");
    if (sk_multipart_new(row->type, MAX_BYTES, MAX_PARTS, &m, &err) == 0 &&
        sk_multipart_feed(m, row->body, a, &err) == 0 &&
        sk_multipart_feed(m, row->body + a, b - a, &err) == 0 &&
        sk_multipart_feed(m, row->body + b, len - b, &err) == 0 &&
        sk_multipart_finish(m, &err) == 0)
        describe(m, out);
    else
        sk_buf_fmt(out, "! %s: %s", sk_code_name(err.code), err.text);
}

/* [http-35] */
static void every_row_in_every_split(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(MAX_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].body);
        for (size_t a = 0; a <= len; a++) {
            for (size_t b = a; b <= len; b++) {
                run(&rows[i], len, a, b, &got);
                if (strcmp(got.data ? got.data : "", rows[i].expected) != 0)
                    fail_msg("row '%s' split at %zu and %zu: got '%s'", rows[i].name, a, b,
                             got.data ? got.data : "");
            }
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(MAX_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].body);
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
        sk_buf_clear(&got);
        bool ok = sk_multipart_new(rows[i].type, MAX_BYTES, MAX_PARTS, &m, &err) == 0;
        for (size_t b = 0; ok && b < len; b++)
            ok = sk_multipart_feed(m, rows[i].body + b, 1, &err) == 0;
        ok = ok && sk_multipart_finish(m, &err) == 0;
        if (ok)
            describe(m, &got);
        else
            sk_buf_fmt(&got, "! %s: %s", sk_code_name(err.code), err.text);
        if (strcmp(got.data ? got.data : "", rows[i].expected) != 0)
            fail_msg("row '%s': got '%s'", rows[i].name, got.data ? got.data : "");
    }
}

/* [http-35] */
static void boundary_length(void **state)
{
    (void)state;

    static const struct {
        size_t len;
        bool ok;
    } lengths[] = { { 1, true }, { 70, true }, { 71, false }, { 10000, false } };

    static const char head[] = "multipart/form-data; boundary=";
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char type[10240];
        memcpy(type, head, sizeof head - 1);
        memset(type + sizeof head - 1, 'b', lengths[i].len);
        type[sizeof head - 1 + lengths[i].len] = '\0';
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
        int rc = sk_multipart_new(type, MAX_BYTES, MAX_PARTS, &m, &err);
        if ((rc == 0) != lengths[i].ok)
            fail_msg("boundary of %zu: %d %s", lengths[i].len, rc, err.text);
    }
}

/* [http-35] Headers of a part at SK_LIMIT_PART_HEADER_BYTES and one byte beyond; the bytes of all
 * at the parser's limit and beyond. */
static void limits(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        size_t header_bytes, body_bytes;
        enum sk_code code;
    } sizes[] = {
        { "headers at the limit", 8192, 10, SK_OK },
        { "headers beyond", 8193, 10, SK_LIMIT },
        { "all at the limit", 100, MAX_BYTES - 100 - 14, SK_OK },
        { "all beyond", 100, MAX_BYTES - 100 - 13, SK_LIMIT },
    };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4 * MAX_BYTES);
        sk_buf_str(&body, "--XX\r\nA:");
        for (size_t b = 0; b < sizes[i].header_bytes - 6; b++)
            sk_buf_chr(&body, 'x');
        sk_buf_str(&body, "\r\n\r\n");
        for (size_t b = 0; b < sizes[i].body_bytes; b++)
            sk_buf_chr(&body, '\r');
        sk_buf_str(&body, "\r\n--XX--");
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
        assert_int_equal(sk_multipart_new(TYPE, MAX_BYTES, MAX_PARTS, &m, &err), 0);
        int rc = sk_multipart_feed(m, body.data, body.len, &err) < 0 ? -1
                                                                     : sk_multipart_finish(m, &err);
        if ((rc == 0) != (sizes[i].code == SK_OK) || (rc < 0 && err.code != sizes[i].code))
            fail_msg("%s: %d %s", sizes[i].name, rc, err.text);
        if (rc < 0)
            assert_int_equal(sk_multipart_feed(m, "x", 1, &err), -1); /* further chunks are ignored,
                                                                         the error stays */
        else
            assert_int_equal(sk_multipart_at(m, 0)->body.len, sizes[i].body_bytes);
    }
}

static int parse_all(void *ctx, struct sk_err *err)
{
    const struct row *row = ctx;
    SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
    if (sk_multipart_new(row->type, MAX_BYTES, MAX_PARTS, &m, err) < 0)
        return -1;
    for (const char *p = row->body; *p; p++)
        if (sk_multipart_feed(m, p, 1, err) < 0)
            return -1;
    return sk_multipart_finish(m, err);
}

static void without_memory(void **state)
{
    (void)state;
    struct row row = {
        .type = TYPE,
        .body = "--XX\r\n" CD
                "name=\"a\"; filename=b\r\nContent-Type: c\r\n\r\n1\r\n--XX\r\n\r\n2\r\n--XX--"
    };
    (void)sk_alloc_sweep("multipart", parse_all, &row, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_in_every_split), cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(boundary_length),          cmocka_unit_test(limits),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
