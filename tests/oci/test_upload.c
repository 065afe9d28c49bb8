/* test_upload.c - sessions of uploads, and what their answers lead to. Cuts at any byte against
 * real registries: tests/it/test_registry_client.py. */
#include "oci/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA      "0123456789"
#define BEGUN     HEAD("202 A") "Location: /u/1?s=a%2Bb\r\nContent-Length: 0\r\n\r\n"
#define DONE      HEAD("201 C") "Content-Length: 0\r\n\r\n"
#define PIECE(to) HEAD("202 A") "Location: /u/1\r\nRange: 0-" to "\r\nContent-Length: 0\r\n\r\n"
#define STATE(to) HEAD("204 N") "Location: /u/2\r\nRange: 0-" to "\r\n\r\n"
#define CUT       ""

struct row {
    const char *name, *replies[8];
    uint64_t chunk;
    const char *requests; /* the first words of each, a line each */
    const char *says;     /* NULL: good */
};

static void first_words(const struct oci_server *o, struct sk_buf *out)
{
    for (unsigned i = 0; i < o->s->count; i++) {
        const char *request = o->s->requests[i];
        const char *range = strstr(request, "Content-Range: ");
        size_t path = strcspn(request, "?");
        size_t line = strcspn(request, "\r");
        sk_buf_add(out, request, path < line ? path : line - 9);
        if (range)
            sk_buf_fmt(out, " %.*s", (int)strcspn(range + 15, "\r"), range + 15);
        sk_buf_chr(out, '\n');
    }
}

#define H "HEAD /v2/a/blobs/D\n"
#define P "POST /v2/a/blobs/uploads/\n"

/* [oci-54] and following */
static const struct row rows[] = {
    { "there already", { OK }, 0, H, NULL },
    { "all at once", { NO, BEGUN, DONE }, 0, H P "PUT /u/1\n", NULL },
    { "in pieces",
      { NO, BEGUN, PIECE("3"), PIECE("7"), DONE },
      4,
      H P "PATCH /u/1 0-3\nPATCH /u/1 4-7\nPUT /u/1 8-9\n",
      NULL },
    { "a piece that was taken in part",
      { NO, BEGUN, PIECE("1"), PIECE("5"), DONE },
      4,
      H P "PATCH /u/1 0-3\nPATCH /u/1 2-5\nPUT /u/1 6-9\n",
      NULL },
    { "the registry wants larger pieces",
      { NO, HEAD("202 A") "OCI-Chunk-Min-Length: 6\r\nLocation: /u/1\r\nContent-Length: 0\r\n\r\n",
        PIECE("5"), DONE },
      4,
      H P "PATCH /u/1 0-5\nPUT /u/1 6-9\n",
      NULL },
    { "cut, and gone on from where the session is",
      { NO, BEGUN, CUT, STATE("6"), DONE },
      0,
      H P "PUT /u/1\nGET /u/1\nPUT /u/2 7-9\n",
      NULL },
    { "cut, and the session is gone",
      { NO, BEGUN, CUT, NO, NO, BEGUN, DONE },
      0,
      H P "PUT /u/1\nGET /u/1\n" H P "PUT /u/1\n",
      NULL },
    { "cut, and the session cannot say",
      { NO, BEGUN, CUT, STATE("0"), NO, BEGUN, DONE },
      0,
      H P "PUT /u/1\nGET /u/1\n" H P "PUT /u/1\n",
      NULL },
    { "cut after the end, which had arrived",
      { NO, BEGUN, CUT, NO, OK },
      0,
      H P "PUT /u/1\nGET /u/1\n" H,
      NULL },
    { "out of step",
      { NO, BEGUN, HEAD("416 R") "\r\n", STATE("4"), DONE },
      0,
      H P "PUT /u/1\nGET /u/1\nPUT /u/2 5-9\n",
      NULL },
    { "wrong bytes", { NO, BEGUN, HEAD("400 No") "\r\n" }, 0, H P "PUT /u/1\n", "answered 400" },
    { "not allowed", { NO, HEAD("403 No") "\r\n" }, 0, H P, "answered 403" },
    { "too large", { NO, BEGUN, HEAD("413 No") "\r\n" }, 0, H P "PUT /u/1\n", "answered 413" },
    { "full", { NO, BEGUN, HEAD("507 No") "\r\n" }, 0, H P "PUT /u/1\n", "answered 507" },
    { "no place", { NO, HEAD("202 A") "Content-Length: 0\r\n\r\n" }, 0, H P, "named no place" },
    { "more than was sent",
      { NO, BEGUN, PIECE("9") },
      4,
      H P "PATCH /u/1 0-3\n",
      "says that it has 10 bytes" },
    { "stored as something else",
      { NO, BEGUN, HEAD("201 C") "Docker-Content-Digest: sha256:1\r\nContent-Length: 0\r\n\r\n" },
      0,
      H P "PUT /u/1\n",
      "stored it as sha256:1" },
    { "not finished",
      { NO, BEGUN, HEAD("202 A") "Content-Length: 0\r\n\r\n" },
      0,
      H P "PUT /u/1\n",
      "answered 202 to the end" },
};

static void run_row(const struct row *row, const char *folder)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(8192);
    SK_AUTO(sk_buf_done) struct sk_buf want = SK_BUF_INIT(8192);
    const char *replies[9] = { NULL };
    const char *digest = oci_digest(DATA), *path = oci_file(folder, "data", DATA);
    const struct sk_oci_options opts = { .chunk_bytes = row->chunk };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < 8; i++)
        replies[i] = row->replies[i];
    for (const char *p = row->requests; *p; p++)
        sk_buf_fmt(&want, *p == 'D' && p[-1] == '/' ? "%s" : "%.1s",
                   *p == 'D' && p[-1] == '/' ? digest : p);
    oci_server_start(&o, replies, &opts);
    int rc = sk_oci_put_blob(o.r, "a", digest, strlen(DATA), path, NULL, &err);
    oci_server_stop(&o);
    first_words(&o, &got);
    if ((rc == 0) != !row->says || (rc < 0 && !strstr(err.text, row->says)) ||
        strcmp(got.data, want.data) != 0)
        fail_msg("%s: %d %s\n%s", row->name, rc, err.text, got.data);
    oci_server_done(&o);
}

static void sessions(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_row(&rows[i], *state);
}

/* The query of a Location stays, and the digest is added to it. */
static void locations(void **state)
{
    static const char *const replies[] = { NO, BEGUN, DONE, NULL };
    char want[200];
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_put_blob(o.r, "a", oci_digest(DATA), strlen(DATA),
                                     oci_file(*state, "data", DATA), NULL, &err),
                     0);
    oci_server_stop(&o);
    (void)snprintf(want, sizeof want, "PUT /u/1?s=a%%2Bb&digest=sha256%%3A%s HTTP",
                   oci_digest(DATA) + 7);
    assert_non_null(strstr(o.s->requests[2], want));
    assert_non_null(strstr(o.s->requests[2], "\r\n\r\n" DATA));
    oci_server_done(&o);
}

/* [oci-57] */
static void mounts(void **state)
{
    static const char *const replies[] = { NO, DONE, NO, BEGUN, NULL };
    const char *digest = oci_digest(DATA);
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;
    bool is_there = false;

    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_put_blob(o.r, "a", digest, strlen(DATA), oci_file(*state, "data", DATA),
                                     "b/c", &err),
                     0);
    assert_int_equal(sk_oci_mount_blob(o.r, "a", digest, "b/c", &is_there, &err), 0);
    assert_false(is_there);
    assert_int_equal(sk_oci_put_blob(o.r, "a", digest, 1, "/nonexistent", "../x", &err), -1);
    oci_server_stop(&o);
    assert_non_null(strstr(o.s->requests[1], "POST /v2/a/blobs/uploads/?mount=sha256%3A"));
    assert_non_null(strstr(o.s->requests[1], "&from=b%2Fc HTTP"));
    oci_server_done(&o);
}

static void files(void **state)
{
    static const char *const replies[] = { NO, NULL };
    const char *path = oci_file(*state, "data", DATA);
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_put_blob(o.r, "a", oci_digest("x"), 9, path, NULL, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_oci_put_blob(o.r, "a", oci_digest("x"), 9, *state, NULL, &err), -1);
    assert_int_equal(sk_oci_put_blob(o.r, "a", oci_digest("x"), 9, "/nonexistent", NULL, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    oci_server_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(locations, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(mounts, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(files, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
