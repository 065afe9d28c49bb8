/* test_transfer.c - files from servers that are right and from others, answer by answer. */
#include "transfer/transfer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/crypto.h"
#include "fetch/loopback.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#define DATA             "0123456789"
#define HEAD(line)       "HTTP/1.1 " line "\r\nConnection: close\r\n"
#define SENT(text)       HEAD("200 OK") "Content-Length: 10\r\n\r\n" text
#define ALL              SENT(DATA)
#define PART(from, text) HEAD("206 Part") "Content-Range: bytes " from "-9/10\r\n\r\n" text
#define BEYOND           HEAD("416 No") "Content-Length: 0\r\n\r\n"
#define NOTHING          HEAD("200 OK") "Content-Length: 0\r\n\r\n"
#define NO               HEAD("404 No") "Content-Length: 0\r\n\r\n"
#define SICK             HEAD("500 Sick") "Content-Length: 0\r\n\r\n"

SK_DEFINE_OWN(struct sk_loopback, sk_loopback_free);

/* One transfer: how it asks, what it was asked. */
struct run {
    struct sk_fetch *client;
    char url[256], path[300], part[300], digest[SK_DIGEST_TEXT];
    unsigned requests, checks;
    uint64_t stop_at; /* bytes; 0: never */
    struct sk_transfer t;
};

static int request(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                   struct sk_err *err)
{
    struct run *r = ctx;
    const struct sk_fetch_request q = { .url = r->url,
                                        .range_from = ask->range_from,
                                        .sink = ask->sink,
                                        .progress = ask->progress,
                                        .ctx = ask->ctx };
    r->requests++;
    return sk_fetch_do(r->client, &q, answer, err);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct run *r = ctx;
    assert_true(total == 10 || (total == 0 && r->t.size == SK_TRANSFER_ANY_SIZE));
    assert_true(done <= 10);
    return r->stop_at == 0 || done < r->stop_at;
}

static int is_data(void *ctx, const char *part, bool *is_right, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    struct run *r = ctx;
    size_t len = 0;
    r->checks++;
    if (sk_file_read(part, 100, &text, &len, err) < 0)
        return -1;
    *is_right = strcmp(text, DATA) == 0;
    return 0;
}

static void prepare(struct run *r, const char *folder)
{
    struct sk_err err = SK_ERR_INIT;
    *r = (struct run){ .t = { .path = r->path,
                              .size = 10,
                              .digest = r->digest,
                              .request = request,
                              .progress = progress,
                              .ctx = r,
                              .idle_tries_max = 2,
                              .pause_ms = 1 } };
    (void)snprintf(r->path, sizeof r->path, "%s/file", folder);
    (void)snprintf(r->part, sizeof r->part, "%s/file.part", folder);
    (void)unlink(r->path);
    (void)unlink(r->part);
    assert_int_equal(sk_digest_of(SK_SHA256, DATA, 10, r->digest, &err), 0);
}

/* The transfer, against a server with these replies; what it was asked is in *s. */
static int get(struct run *r, const char *const *replies, struct sk_loopback **s,
               struct sk_err *err)
{
    *s = sk_loopback_start(replies);
    (void)sk_loopback_url(*s, "/f", r->url);
    assert_int_equal(sk_fetch_new(NULL, &r->client, err), 0);
    int rc = sk_transfer_get(&r->t, err);
    sk_fetch_free(r->client);
    sk_loopback_stop(*s);
    return rc;
}

static void put(const char *path, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_file_write(path, text, strlen(text), 0600, &err), 0);
}

/* expected NULL: nothing is there. */
static void check_file(const char *name, const char *path, const char *expected)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    int rc = sk_file_read(path, 100, &text, &len, &err);
    if ((rc == 0) != (expected != NULL) || (expected && strcmp(text, expected) != 0))
        fail_msg("%s: '%s' holds '%s', not '%s'", name, path, text ? text : "(none)",
                 expected ? expected : "(none)");
}

/* ---- answers ---- */

enum {
    KNOWN, /* size and digest */
    OPEN   /* neither: is_data tells */
};

struct row {
    const char *name, *before; /* of the part, NULL: none */
    int how;
    const char *replies[4];
    const char *ranges; /* of each request: "-", or where it begins */
    const char *says;   /* NULL: good */
    enum sk_code code;
    const char *left; /* of the part */
};

static const struct row rows[] = {
    { "at once", NULL, KNOWN, { ALL }, "- ", NULL, SK_OK, NULL },
    { "cut, gone on",
      NULL,
      KNOWN,
      { SENT("0123"), PART("4", "456789") },
      "- 4 ",
      NULL,
      SK_OK,
      NULL },
    { "cut, begun anew", NULL, KNOWN, { SENT("0123"), ALL }, "- 4 ", NULL, SK_OK, NULL },
    { "cut before a byte", NULL, KNOWN, { SENT(""), ALL }, "- - ", NULL, SK_OK, NULL },
    { "left by another", "01234", KNOWN, { PART("5", "56789") }, "5 ", NULL, SK_OK, NULL },
    { "all is left", DATA, KNOWN, { NO }, "", NULL, SK_OK, NULL },
    { "too much is left", DATA "x", KNOWN, { ALL }, "- ", NULL, SK_OK, NULL },
    { "left and wrong", "xxxxx", KNOWN, { PART("5", "56789"), ALL }, "5 - ", NULL, SK_OK, NULL },
    { "all is left and wrong", "xxxxxxxxxx", KNOWN, { ALL }, "- ", NULL, SK_OK, NULL },
    { "no such part", "xxx", KNOWN, { BEYOND, ALL }, "3 - ", NULL, SK_OK, NULL },
    { "another part",
      "01234",
      KNOWN,
      { PART("4", "456789") },
      "5 ",
      "another part",
      SK_CORRUPT,
      "01234" },
    { "a part of nothing",
      "01234",
      KNOWN,
      { HEAD("206 P") "\r\n56789" },
      "5 ",
      "another part",
      SK_CORRUPT,
      "01234" },
    { "a part where all was asked",
      NULL,
      KNOWN,
      { PART("5", "56789") },
      "- ",
      "another part",
      SK_CORRUPT,
      "" },
    { "wrong", NULL, KNOWN, { SENT("0123456780") }, "- ", "another digest", SK_CORRUPT, NULL },
    { "left, thrown away, wrong",
      "01",
      KNOWN,
      { SENT("0123456780") },
      "2 ",
      "another digest",
      SK_CORRUPT,
      NULL },
    { "left and wrong, then wrong",
      "xx",
      KNOWN,
      { PART("2", "23456789"), SENT("0123456780") },
      "2 - ",
      "another digest",
      SK_CORRUPT,
      NULL },
    { "one more",
      NULL,
      KNOWN,
      { HEAD("200 OK") "\r\n" DATA "x" },
      "- ",
      "more than its 10 bytes",
      SK_CORRUPT,
      "" },
    { "too few",
      NULL,
      KNOWN,
      { HEAD("200 OK") "\r\n0123", PART("4", "") },
      "- 4 4 ",
      "only 4 of its 10 bytes",
      SK_IO,
      "0123" },
    { "nothing, in full", "0123", KNOWN, { NOTHING }, "4 - ", "only 0 of its 10 bytes", SK_IO, "" },
    { "refused", "0123", KNOWN, { NO }, "4 ", "404", SK_NOT_FOUND, "0123" },
    { "no part of any kind", "0123", KNOWN, { BEYOND }, "4 - ", "416", SK_REMOTE, "" },
    { "unknown", NULL, OPEN, { HEAD("200 OK") "\r\n" DATA }, "- ", NULL, SK_OK, NULL },
    { "unknown, gone on", "01234", OPEN, { PART("5", "56789") }, "5 ", NULL, SK_OK, NULL },
    { "unknown, beyond", DATA "x", OPEN, { BEYOND, ALL }, "11 - ", NULL, SK_OK, NULL },
    { "unknown, cut",
      NULL,
      OPEN,
      { SENT("0123"), PART("4", "456789") },
      "- 4 ",
      NULL,
      SK_OK,
      NULL },
    { "unknown, wrong",
      NULL,
      OPEN,
      { SENT("0123456780") },
      "- ",
      "not the data",
      SK_CORRUPT,
      NULL },
    { "unknown, nothing", "0", OPEN, { NOTHING }, "1 ", "not the data", SK_CORRUPT, NULL },
};

static void check_ranges(const char *name, const struct sk_loopback *s, const char *expected)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(1024);
    for (unsigned i = 0; i < s->count; i++) {
        const char *range = strstr(s->requests[i], "Range: bytes=");
        if (range)
            sk_buf_fmt(&got, "%.*s ", (int)strcspn(range + 13, "-"), range + 13);
        else
            sk_buf_str(&got, "- ");
    }
    if (strcmp(got.data ? got.data : "", expected) != 0)
        fail_msg("%s: asked %s, not %s", name, got.data ? got.data : "nothing", expected);
}

static void answers(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct run r;
        prepare(&r, *state);
        if (row->before)
            put(r.part, row->before);
        if (row->how == OPEN) {
            r.t.size = SK_TRANSFER_ANY_SIZE;
            r.t.digest = NULL;
            r.t.check = is_data;
            r.t.wrong = "not the data";
            r.t.progress = NULL;
        }
        int rc = get(&r, row->replies, &s, &err);
        if ((rc == 0) != !row->says || err.code != row->code ||
            (rc < 0 && !strstr(err.text, row->says)))
            fail_msg("%s: %d %s: %s", row->name, rc, sk_code_name(err.code), err.text);
        check_ranges(row->name, s, row->ranges);
        check_file(row->name, r.path, rc == 0 ? DATA : NULL);
        check_file(row->name, r.part, row->left);
        assert_int_equal(r.checks > 0, row->how == OPEN);
    }
}

static void empty_and_replaced(void **state)
{
    static const char *const none[] = { NO, NULL };
    static const char *const all[] = { ALL, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_OWN(sk_loopback_free) struct sk_loopback *t = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;

    prepare(&r, *state);
    put(r.path, "what was there before");
    r.t.size = 0;
    assert_int_equal(sk_digest_of(SK_SHA256, "", 0, r.digest, &err), 0);
    assert_int_equal(get(&r, none, &s, &err), 0);
    assert_int_equal(r.requests, 0); /* there is nothing to ask for */
    check_file("empty", r.path, "");

    prepare(&r, *state);
    r.t.part_suffix = ".incomplete";
    assert_int_equal(sk_digest_of(SK_SHA512, DATA, 10, r.digest, &err), 0);
    put(r.part, "not of this transfer");
    assert_int_equal(get(&r, all, &t, &err), 0);
    check_file("sha512", r.path, DATA);
    check_file("another suffix", r.part, "not of this transfer");
}

/* ---- tries ---- */

static bool go_on_when_sick(const struct sk_fetch_answer *answer, const struct sk_err *err)
{
    (void)err;
    return answer->status == 500;
}

static void who_may_go_on(void **state)
{
    static const char *const replies[] = { SICK, SICK, ALL, NULL };

    static const struct {
        bool is_own;
        unsigned tries_max, requests;
        enum sk_code code;
    } cases[] = {
        { false, 9, 1, SK_REMOTE }, { true, 9, 3, SK_OK },     { true, 3, 3, SK_OK },
        { true, 2, 2, SK_REMOTE },  { true, 1, 1, SK_REMOTE }, { true, 0, 1, SK_REMOTE },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct run r;
        prepare(&r, *state);
        r.t.may_go_on = cases[i].is_own ? go_on_when_sick : NULL;
        r.t.idle_tries_max = cases[i].tries_max;
        (void)get(&r, replies, &s, &err);
        if (err.code != cases[i].code || r.requests != cases[i].requests)
            fail_msg("case %zu: %u requests, %s", i, r.requests, err.text);
    }
}

/* A server that begins anew and is cut at the same place each time brings nothing new. */
static void never_further(void **state)
{
    static const char *const replies[] = { SENT("0123"), SENT("0123"), NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;
    prepare(&r, *state);
    assert_int_equal(get(&r, replies, &s, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_int_equal(r.requests, 3); /* one that brought something, and two */
    check_file("stays", r.part, "0123");
}

static void pauses_grow(void **state)
{
    static const char *const replies[] = { SICK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;
    prepare(&r, *state);
    r.t.may_go_on = go_on_when_sick;
    r.t.idle_tries_max = 3;
    r.t.pause_ms = 100;
    uint64_t start_ms = sk_now_ms();
    assert_int_equal(get(&r, replies, &s, &err), -1);
    assert_true(sk_now_ms() - start_ms >= 300); /* 100 and 200 */
}

static void stopping(void **state)
{
    static const char *const replies[] = { SENT("0123"), SICK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;
    prepare(&r, *state);
    r.stop_at = 4;
    r.t.may_go_on = go_on_when_sick;
    assert_int_equal(get(&r, replies, &s, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    check_file("stopped", r.path, NULL);
    check_file("for the next time", r.part, "0123");
}

/* ---- this side ---- */

/* A disk that takes no more is not asked again. */
static void full_disk(void **state)
{
    static const char *const replies[] = { ALL, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct rlimit before, small;
    struct run r;
    prepare(&r, *state);
    r.t.idle_tries_max = 9;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = get(&r, replies, &s, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "file.part': File too large"));
    assert_int_equal(r.requests, 1);
    check_file("full", r.path, NULL);
    check_file("a beginning", r.part, "0123");
}

static void two_at_once(void **state)
{
    static const char *const replies[] = { ALL, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_OWN(sk_loopback_free) struct sk_loopback *t = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;
    prepare(&r, *state);
    put(r.part, "012");
    SK_AUTO(sk_close) int fd = open(r.part, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(get(&r, replies, &s, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_int_equal(r.requests, 0);
    check_file("the other's", r.part, "012");
    sk_close(&fd);
    assert_int_equal(get(&r, replies, &t, &err), 0);
    check_file("after it", r.path, DATA);
}

static void links_and_folders(void **state)
{
    static const char *const replies[] = { ALL, NULL };
    SK_OWN(free) char *elsewhere = sk_path_join(*state, "elsewhere");
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_OWN(sk_loopback_free) struct sk_loopback *t = NULL;
    SK_OWN(sk_loopback_free) struct sk_loopback *u = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct run r;
    prepare(&r, *state);
    put(elsewhere, "precious");
    assert_int_equal(symlink(elsewhere, r.part), 0);
    assert_int_equal(get(&r, replies, &s, &err), -1);
    check_file("behind the link", elsewhere, "precious");
    assert_int_equal(r.requests, 0);

    prepare(&r, *state);
    (void)snprintf(r.path, sizeof r.path, "%s/none/file", (char *)*state);
    assert_int_equal(get(&r, replies, &t, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "/none/file.part'"));

    prepare(&r, *state);
    (void)snprintf(r.digest, sizeof r.digest, "sha256:../../x");
    assert_int_equal(get(&r, replies, &u, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_false(sk_is_file(r.part));
}

/* ---- memory ---- */

static int from_memory(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                       struct sk_err *err)
{
    (void)ctx;
    answer->status = 200;
    return ask->sink(ask->ctx, DATA, 10, err);
}

static int once(void *ctx, struct sk_err *err)
{
    struct run *r = ctx;
    SK_AUTO(sk_close) int fd = open(r->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "01", 2), 2);
    sk_close(&fd);
    return sk_transfer_get(&r->t, err);
}

static void no_memory(void **state)
{
    struct run r;
    prepare(&r, *state);
    r.t.request = from_memory;
    assert_true(sk_alloc_sweep("transfer", once, &r, 0) >= 3);
}

static int surround(void **state)
{
    *state = sk_test_dir();
    return *state ? 0 : -1;
}

static int unsurround(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, surround, unsurround),
        cmocka_unit_test_setup_teardown(empty_and_replaced, surround, unsurround),
        cmocka_unit_test_setup_teardown(who_may_go_on, surround, unsurround),
        cmocka_unit_test_setup_teardown(never_further, surround, unsurround),
        cmocka_unit_test_setup_teardown(pauses_grow, surround, unsurround),
        cmocka_unit_test_setup_teardown(stopping, surround, unsurround),
        cmocka_unit_test_setup_teardown(full_disk, surround, unsurround),
        cmocka_unit_test_setup_teardown(two_at_once, surround, unsurround),
        cmocka_unit_test_setup_teardown(links_and_folders, surround, unsurround),
        cmocka_unit_test_setup_teardown(no_memory, surround, unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
