/* test_range.c - parts of files: what is asked, what is sent, and how long it may take. */
#include "base/clock.h"
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    FILE_BYTES = 6 << 20,
    ROUND_BYTES = 256 << 10,
    LONG_MS = 60000 /* longer than anything here may take */
};

/* ---- what is asked ---- */

static void parse(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        uint64_t size;
        enum sk_range what;
        uint64_t offset, len;
    } rows[] = {
        { "bytes=0-0", 10, SK_RANGE_PART, 0, 1 },
        { "bytes=0-", 10, SK_RANGE_PART, 0, 10 },
        { "bytes=3-5", 10, SK_RANGE_PART, 3, 3 },
        { "bytes=9-", 10, SK_RANGE_PART, 9, 1 },
        { "bytes=9-100", 10, SK_RANGE_PART, 9, 1 },
        { "bytes=0-99999999999999999999999999", 10, SK_RANGE_PART, 0, 10 },
        { "bytes=-1", 10, SK_RANGE_PART, 9, 1 },
        { "bytes=-100", 10, SK_RANGE_PART, 0, 10 },
        { "BYTES=1-2 ", 10, SK_RANGE_PART, 1, 2 },
        { "bytes=10-", 10, SK_RANGE_NONE, 0, 0 },
        { "bytes=10-20", 10, SK_RANGE_NONE, 0, 0 },
        { "bytes=99999999999999999999999999-", 10, SK_RANGE_NONE, 0, 0 },
        { "bytes=-0", 10, SK_RANGE_NONE, 0, 0 },
        { "bytes=0-", 0, SK_RANGE_NONE, 0, 0 },
        { "bytes=-5", 0, SK_RANGE_NONE, 0, 0 },
        { "bytes=5-3", 10, SK_RANGE_NONE, 0, 0 },
        { "bytes=0-1,3-4", 10, SK_RANGE_ALL, 0, 0 },
        { "bytes=", 10, SK_RANGE_ALL, 0, 0 },
        { "bytes=-", 10, SK_RANGE_ALL, 0, 0 },
        { "bytes=a-b", 10, SK_RANGE_ALL, 0, 0 },
        { "bytes=+1-2", 10, SK_RANGE_ALL, 0, 0 },
        { "lines=0-1", 10, SK_RANGE_ALL, 0, 0 },
        { "", 10, SK_RANGE_ALL, 0, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t offset = 0, len = 0;
        enum sk_range what = sk_range_parse(rows[i].text, rows[i].size, &offset, &len);
        if (what != rows[i].what || offset != rows[i].offset || len != rows[i].len)
            fail_msg("'%s' of %llu: %d %llu %llu", rows[i].text, (unsigned long long)rows[i].size,
                     what, (unsigned long long)offset, (unsigned long long)len);
    }
}

static void etags(void **state)
{
    (void)state;

    static const struct {
        const char *list;
        bool is_in;
    } rows[] = {
        { "\"abc\"", true },
        { "W/\"abc\"", true },
        { "\"x\", \"abc\"", true },
        { "*", true },
        { "\"x\",W/\"abc\"", true },
        { "\"abcd\"", false },
        { "\"ab\"", false },
        { "abc", false },
        { "", false },
        { "\"abc", false },
        { "\"x, \"abc\"", false },
        { ",,,", false },
        { "\"x\" \"abc\"", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_etag_in(rows[i].list, "abc") != rows[i].is_in)
            fail_msg("'%s'", rows[i].list);
}

/* ---- what is sent ---- */

static int file_fd = -1; /* FILE_BYTES, byte i is letter(i) */

static char letter(size_t i)
{
    return (char)('a' + i % 26);
}

static void send_range(struct sk_http_req *r, void *ctx)
{
    const char *size = sk_http_query(r, "size");
    (void)ctx;
    sk_http_set_type(r, "application/octet-stream");
    sk_http_set_header(r, "X-Status", "yes");
    int fd = fcntl(file_fd, F_DUPFD_CLOEXEC, 0);
    (void)sk_http_send_range(r, fd, size ? strtoull(size, NULL, 10) : FILE_BYTES,
                             sk_http_query(r, "etag"));
    sk_http_answer(r);
}

static void send_plain(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_set_file(r, fcntl(file_fd, F_DUPFD_CLOEXEC, 0), 0, 1000);
    sk_http_set_file(r, fcntl(file_fd, F_DUPFD_CLOEXEC, 0), 26, 4); /* instead of it */
    sk_http_answer(r);
}

static void send_mistake(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    struct sk_err err = { .code = SK_IO, .text = "the disk" };
    sk_http_set_file(r, fcntl(file_fd, F_DUPFD_CLOEXEC, 0), 0, 1000);
    sk_http_error(r, &err);
    sk_http_answer(r);
}

static void send_short(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_set_file(r, fcntl(file_fd, F_DUPFD_CLOEXEC, 0), 1, FILE_BYTES);
    sk_http_answer(r);
}

static const struct sk_http_route routes[] = {
    { "GET", "/short", 0, send_short, NULL, 0 },
    { "GET", "/file", 0, send_range, NULL, 0 },
    { "GET", "/plain", 0, send_plain, NULL, 0 },
    { "GET", "/mistake", 0, send_mistake, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

static size_t open_files(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* [http-70] [http-71] [http-72] */
static void answers(void **state)
{
    (void)state;

    static const struct {
        const char *request, *more;
        int status;
        size_t offset, len;
        const char *range; /* Content-Range, NULL: none */
    } rows[] = {
        { "GET /file", "", 200, 0, FILE_BYTES, NULL },
        { "HEAD /file", "", 200, 0, FILE_BYTES, NULL },
        { "GET /file?size=0", "", 200, 0, 0, NULL },
        { "GET /file", "Range: bytes=0-99\r\n", 206, 0, 100, "bytes 0-99/6291456" },
        { "GET /file", "Range: bytes=6291000-\r\n", 206, 6291000, 456,
          "bytes 6291000-6291455/6291456" },
        { "GET /file", "Range: bytes=-1\r\n", 206, FILE_BYTES - 1, 1,
          "bytes 6291455-6291455/6291456" },
        { "HEAD /file", "Range: bytes=0-99\r\n", 200, 0, FILE_BYTES, NULL },
        { "GET /file", "Range: bytes=0-1,4-5\r\n", 200, 0, FILE_BYTES, NULL },
        { "GET /file", "Range: bytes=6291456-\r\n", 416, 0, 0, "bytes */6291456" },
        { "GET /file?etag=abc", "Range: bytes=1-2\r\nIf-Range: \"abc\"\r\n", 206, 1, 2,
          "bytes 1-2/6291456" },
        { "GET /file?etag=abc", "Range: bytes=1-2\r\nIf-Range: \"abd\"\r\n", 200, 0, FILE_BYTES,
          NULL },
        { "GET /file?etag=abc", "Range: bytes=1-2\r\nIf-Range: W/\"abc\"\r\n", 200, 0, FILE_BYTES,
          NULL },
        { "GET /file", "Range: bytes=1-2\r\nIf-Range: \"abc\"\r\n", 200, 0, FILE_BYTES, NULL },
        { "GET /file?etag=abc", "If-None-Match: \"abc\"\r\nRange: bytes=1-2\r\n", 304, 0, 0, NULL },
        { "GET /file?etag=abc", "If-None-Match: \"abd\"\r\n", 200, 0, FILE_BYTES, NULL },
        { "GET /plain", "", 200, 26, 4, NULL },
        { "GET /mistake", "", 500, 0, 0, NULL },
        { "GET /short", "", 500, 0, 0, NULL },
    };
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ .routes = routes });
    client_open(&c, f.port);
    struct answer a;
    client_send(&c, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(&c, false, &a);
    const size_t files = open_files();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].request,
                       rows[i].more);
        client_send(&c, request);
        bool is_head = request[0] == 'H';
        client_read(&c, is_head || rows[i].status == 304, &a);
        const char *length = answer_header(&a, "Content-Length");
        size_t len = length ? strtoull(length, NULL, 10) : 0;
        if (a.status != rows[i].status || (a.status < 300 && len != rows[i].len))
            fail_msg("row %zu: %s", i, a.head);
        const char *range = answer_header(&a, "Content-Range");
        if (rows[i].range ? !range || strcmp(range, rows[i].range) != 0 : range != NULL)
            fail_msg("row %zu: %s", i, a.head);
        for (size_t at = 0; a.status < 300 && !is_head && at < a.body_len && at < 4095; at++)
            if (a.body[at] != letter(rows[i].offset + at))
                fail_msg("row %zu: byte %zu is '%c'", i, at, a.body[at]);
        if (strstr(rows[i].request, "/file") &&
            strcmp(answer_header(&a, "Accept-Ranges"), "bytes") != 0)
            fail_msg("row %zu: %s", i, a.head);
        const char *etag = answer_header(&a, "ETag");
        if ((strstr(rows[i].request, "etag=abc") != NULL) != (etag && strcmp(etag, "\"abc\"") == 0))
            fail_msg("row %zu: %s", i, a.head);
    }
    fixture_wait_finished(sizeof rows / sizeof rows[0] + 1);
    assert_int_equal(open_files(), files); /* every file was closed */
    client_close(&c);
    fixture_stop(&f);
}

static void ask_slowly(struct client *c, uint16_t port)
{
    const int small = 16384;
    client_open(c, port);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(c, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
}

/* Of a file and its headers, so much. */
static void receive(struct client *c, size_t len)
{
    static char bytes[ROUND_BYTES];
    for (ssize_t n; len > 0; len -= (size_t)n)
        if ((n = recv(c->fd, bytes, len < sizeof bytes ? len : sizeof bytes, MSG_WAITALL)) <= 0)
            fail_msg("cut with %zu bytes to come", len);
}

/* [http-15] A file may take long as long as it moves; one that is not taken is cut. In each round
 * the deadlines of the round before pass. One loop: while the one moves, the other is served as far
 * as the kernel takes it. */
static void deadline_moves(void **state)
{
    (void)state;
    struct fixture f;
    struct client moves, stands;
    fixture_start(&f,
                  (struct sk_http_options){ .routes = routes, .read_ms = LONG_MS, .threads = 1 });
    const uint64_t start_ms = sk_now_ms();
    ask_slowly(&moves, f.port);
    ask_slowly(&stands, f.port);
    fixture_wait_stage(&f, SK_STAGE_SENDING, 2);
    sk_table_sweep(f.server, start_ms + LONG_MS - 1);
    assert_int_equal(fixture_in_stage(&f, SK_STAGE_SENDING), 2);
    size_t got = 0;
    for (int round = 0; round < 10 || fixture_in_stage(&f, SK_STAGE_SENDING) == 2; round++) {
        assert_true(got + ROUND_BYTES <= FILE_BYTES);
        const uint64_t round_ms = sk_now_ms();
        (void)usleep(20000);
        receive(&moves, ROUND_BYTES);
        got += ROUND_BYTES;
        sk_table_sweep(f.server, sk_now_ms());        /* sees what was taken */
        sk_table_sweep(f.server, round_ms + LONG_MS); /* of what was not, the time is over */
    }
    fixture_wait_finished(1);
    assert_int_equal(fixture_in_stage(&f, SK_STAGE_SENDING), 1);
    receive(&moves, FILE_BYTES - got);
    fixture_wait_finished(2);
    client_close(&moves);
    client_close(&stands);
    fixture_stop(&f);
}

static int set_up(void **state)
{
    (void)state;
    static char bytes[FILE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = letter(i);
    file_fd = memfd_create("range", MFD_CLOEXEC);
    return file_fd < 0 || write(file_fd, bytes, sizeof bytes) != FILE_BYTES ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse),
        cmocka_unit_test(etags),
        cmocka_unit_test(answers),
        cmocka_unit_test(deadline_moves),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
