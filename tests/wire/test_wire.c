/* test_wire.c - two ends of a wire in one process: messages, calls both ways, losses, bounds. */
#include "wire/wire_priv.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum {
    PATIENCE_MS = 20000,
    CALLERS = 8,
    CALLS_EACH = 200
};

/* One end, and what it has heard. */
struct end {
    struct sk_wire *wire;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned messages, closed;
    int64_t last_n;
    bool is_in_order;
    pthread_mutex_t gate; /* who holds it holds up the wire's thread */
};

static void on_message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                       void *ctx)
{
    struct end *e = ctx;
    struct sk_err err = SK_ERR_INIT, why = SK_ERR_INIT;
    SK_LOCK(&e->gate);
    if (id != 0 && strcmp(type, "echo") == 0) {
        char text[64];
        int len = snprintf(text, sizeof text, "\"n\":%lld",
                           (long long)sk_json_int(sk_json_get(m, "n"), -1));
        DONE(sk_wire_answer(w, id, (struct sk_view){ text, (size_t)len }, &err));
        return;
    }
    if (id != 0 && strcmp(type, "refuse") == 0) {
        (void)sk_fail(&why, SK_DENIED, "not \"you\"");
        DONE(sk_wire_refuse(w, id, &why, &err));
        return;
    }
    SK_LOCK(&e->lock);
    const int64_t n = sk_json_int(sk_json_get(m, "n"), -1);
    e->is_in_order = e->is_in_order && n == e->last_n + 1;
    e->last_n = n;
    e->messages++;
    (void)pthread_cond_broadcast(&e->changed);
}

static void on_closed(struct sk_wire *w, void *ctx)
{
    struct end *e = ctx;
    (void)w;
    SK_LOCK(&e->lock);
    e->closed++;
    (void)pthread_cond_broadcast(&e->changed);
}

static void end_init(struct end *e)
{
    struct sk_err err = SK_ERR_INIT;
    memset(e, 0, sizeof *e);
    e->last_n = -1;
    e->is_in_order = true;
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_mutex_init(&e->gate, NULL);
    DONE(sk_cond_init(&e->changed, &err));
}

static void end_done(struct end *e)
{
    sk_wire_free(e->wire);
    (void)pthread_mutex_destroy(&e->lock);
    (void)pthread_mutex_destroy(&e->gate);
    (void)pthread_cond_destroy(&e->changed);
}

static void wait_for(struct end *e, const unsigned *what, unsigned least)
{
    const uint64_t until = sk_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    SK_LOCK(&e->lock);
    while (*what < least)
        if (sk_cond_wait_until(&e->changed, &e->lock, until) == ETIMEDOUT)
            fail_msg("%u of %u came", *what, least);
}

static struct end a, b;

static int make(void **state)
{
    int fds[2];
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    end_init(&a);
    end_init(&b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const struct sk_wire_handler ha = { on_message, on_closed, &a, 0 },
                                 hb = { on_message, on_closed, &b, 0 };
    DONE(sk_wire_open(fds[0], &ha, &a.wire, &err));
    DONE(sk_wire_open(fds[1], &hb, &b.wire, &err));
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    end_done(&a);
    end_done(&b);
    return 0;
}

static int say(struct sk_wire *w, int64_t n, struct sk_err *err)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"type\":\"note\",\"n\":%lld}", (long long)n);
    return sk_wire_send(w, (struct sk_view){ text, (size_t)len }, err);
}

static void messages_come_in_order(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    for (int64_t n = 0; n < 5000; n++)
        DONE(say(a.wire, n, &err));
    wait_for(&b, &b.messages, 5000);
    assert_true(b.is_in_order);
}

static void calls_are_answered_or_refused(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *out = NULL;
    (void)state;
    DONE(sk_wire_call(a.wire, SK_VIEW("{\"type\":\"echo\",\"n\":42}"), 0, &out, &err));
    assert_int_equal(sk_json_int(sk_json_get(out, "n"), 0), 42);
    sk_json_free(SK_TAKE(out));
    assert_int_equal(sk_wire_call(b.wire, SK_VIEW("{\"type\":\"refuse\"}"), 0, &out, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_string_equal(err.text, "not \"you\"");
}

static void *call_often(void *arg)
{
    struct sk_wire *w = arg;
    struct sk_err err = SK_ERR_INIT;
    for (int64_t n = 0; n < CALLS_EACH; n++) {
        SK_OWN(sk_json_free) struct sk_json *out = NULL;
        char text[64];
        int len = snprintf(text, sizeof text, "{\"type\":\"echo\",\"n\":%lld}", (long long)n);
        if (sk_wire_call(w, (struct sk_view){ text, (size_t)len }, 0, &out, &err) < 0 ||
            sk_json_int(sk_json_get(out, "n"), -1) != n)
            return arg;
    }
    return NULL;
}

static void both_sides_call_at_once(void **state)
{
    pthread_t threads[CALLERS];
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    for (int i = 0; i < CALLERS; i++)
        DONE(sk_thread_start(&threads[i], "caller", call_often, i % 2 ? a.wire : b.wire, &err));
    for (int i = 0; i < CALLERS; i++) {
        void *failed = NULL;
        (void)pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void a_call_ends_when_its_time_is_over(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *out = NULL;
    (void)state;
    {
        SK_LOCK(&b.gate);
        assert_int_equal(
            sk_wire_call(a.wire, SK_VIEW("{\"type\":\"echo\",\"n\":1}"), 50, &out, &err), -1);
        assert_int_equal(err.code, SK_TIMEOUT);
    }
    /* Its answer comes now, and belongs to nobody. */
    DONE(sk_wire_call(a.wire, SK_VIEW("{\"type\":\"echo\",\"n\":2}"), 0, &out, &err));
    assert_int_equal(sk_json_int(sk_json_get(out, "n"), 0), 2);
}

static void *call_once(void *arg)
{
    struct sk_err *err = arg;
    SK_OWN(sk_json_free) struct sk_json *out = NULL;
    const int rc = sk_wire_call(a.wire, SK_VIEW("{\"type\":\"note\"}"), PATIENCE_MS, &out, err);
    return rc < 0 ? NULL : err;
}

static void a_loss_fails_who_waits(void **state)
{
    struct sk_err err = SK_ERR_INIT, seen = SK_ERR_INIT;
    pthread_t thread;
    (void)state;
    DONE(sk_thread_start(&thread, "caller", call_once, &seen, &err));
    wait_for(&b, &b.messages, 1); /* never answered */
    sk_wire_free(b.wire);
    b.wire = NULL;
    (void)pthread_join(thread, NULL);
    assert_int_equal(seen.code, SK_IO);
    wait_for(&a, &a.closed, 1);
    assert_int_equal(b.closed, 1);
    assert_int_equal(say(a.wire, 1, &err), -1);
    assert_int_equal(err.code, SK_IO);
}

struct asked {
    struct end *end;
    unsigned count;
    int64_t sum;
    enum sk_code code;
};

static void on_answer(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    struct asked *q = ctx;
    SK_LOCK(&q->end->lock);
    q->count++;
    q->sum += answer ? sk_json_int(sk_json_get(answer, "n"), 0) : 0;
    q->code = failed ? failed->code : SK_OK;
    (void)pthread_cond_broadcast(&q->end->changed);
}

static void questions_are_answered_later(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct asked q = { .end = &a };
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        DONE(sk_wire_ask(a.wire, SK_VIEW("{\"type\":\"echo\",\"n\":3}"), 0, on_answer, &q, &err));
    wait_for(&a, &q.count, 100);
    assert_int_equal(q.sum, 300);
    assert_int_equal(q.code, SK_OK);
    DONE(sk_wire_ask(a.wire, SK_VIEW("{\"type\":\"refuse\"}"), 0, on_answer, &q, &err));
    wait_for(&a, &q.count, 101);
    assert_int_equal(q.code, SK_DENIED);
    DONE(sk_wire_ask(a.wire, SK_VIEW("{\"type\":\"note\"}"), 30, on_answer, &q, &err));
    wait_for(&a, &q.count, 102);
    assert_int_equal(q.code, SK_TIMEOUT);
    for (unsigned i = 0; i < SK_WIRE_ASKS_MAX; i++)
        DONE(sk_wire_ask(a.wire, SK_VIEW("{\"type\":\"note\"}"), PATIENCE_MS, on_answer, &q, &err));
    assert_int_equal(sk_wire_ask(a.wire, SK_VIEW("{\"type\":\"note\"}"), 0, on_answer, &q, &err),
                     -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_wire_free(a.wire);
    a.wire = NULL;
    assert_int_equal(q.count, 102 + SK_WIRE_ASKS_MAX);
    assert_int_equal(q.code, SK_IO);
}

static void who_does_not_read_is_busy_for_us(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf big = SK_BUF_INIT(SK_WIRE_MAX);
    struct sk_err err = SK_ERR_INIT;
    unsigned sent = 0;
    (void)state;
    sk_buf_str(&big, "{\"type\":\"note\",\"t\":\"");
    while (big.len < SK_WIRE_MAX - 2)
        sk_buf_chr(&big, 'a');
    sk_buf_str(&big, "\"}");
    {
        SK_LOCK(&b.gate);
        while (sk_wire_send(a.wire, (struct sk_view){ big.data, big.len }, &err) == 0)
            assert_true(++sent < 10);
        assert_int_equal(err.code, SK_BUSY);
    }
    wait_for(&b, &b.messages, sent); /* and none was broken */
    DONE(say(a.wire, 0, &err));
    wait_for(&b, &b.messages, sent + 1);
}

static void nonsense_ends_the_wire(void **state)
{
    static const char *const rows[] = { "\5\0\0\0nonse", "\0\0\0\0xxxxx", "\2\0\0\0[]xxx",
                                        "\2\0\0\0{}xxx" };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct end e;
        int fds[2];
        end_init(&e);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        const struct sk_wire_handler h = { on_message, on_closed, &e, 0 };
        DONE(sk_wire_open(fds[0], &h, &e.wire, &err));
        assert_int_equal(write(fds[1], rows[i], 9), 9);
        wait_for(&e, &e.closed, 1);
        assert_int_equal(e.messages, 0);
        end_done(&e);
        (void)close(fds[1]);
    }
}

static void connecting_finds_nobody_or_somebody(void **state)
{
    char dir[] = "/tmp/skerry-wire-XXXXXX", path[64];
    struct sk_err err = SK_ERR_INIT;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const struct sk_wire_handler h = { on_message, on_closed, &a, 0 };
    struct sk_wire *w = NULL;
    (void)state;
    end_init(&a);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/hub.sock", dir);
    assert_int_equal(sk_wire_connect(path, &h, &w, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(sk_wire_connect(path, &h, &w, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_int_equal(listen(fd, 1), 0);
    DONE(sk_wire_connect(path, &h, &a.wire, &err));
    (void)close(fd);
    wait_for(&a, &a.closed, 1);
    (void)unlink(path);
    (void)rmdir(dir);
    end_done(&a);
}

/* As root: both ends' user is the one that made the pair. */
static void others_are_refused(void **state)
{
    static const struct {
        uid_t is, named;
        bool is_taken;
    } rows[] = { { 0, 0, true },
                 { 0, 4711, true },
                 { 4711, 4711, true },
                 { 4712, 4711, false },
                 { 4712, 0, true } };

    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct end e;
        int fds[2];
        end_init(&e);
        const struct sk_wire_handler h = { on_message, on_closed, &e, rows[i].named };
        assert_int_equal(seteuid(rows[i].is), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(seteuid(0), 0);
        const int rc = sk_wire_open(fds[0], &h, &e.wire, &err);
        if ((rc == 0) != rows[i].is_taken || (rc < 0 && err.code != SK_DENIED))
            fail_msg("row %zu: %s", i, err.text);
        end_done(&e);
        (void)close(fds[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_in_order, make, unmake),
        cmocka_unit_test_setup_teardown(calls_are_answered_or_refused, make, unmake),
        cmocka_unit_test_setup_teardown(both_sides_call_at_once, make, unmake),
        cmocka_unit_test_setup_teardown(a_call_ends_when_its_time_is_over, make, unmake),
        cmocka_unit_test_setup_teardown(a_loss_fails_who_waits, make, unmake),
        cmocka_unit_test_setup_teardown(questions_are_answered_later, make, unmake),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_busy_for_us, make, unmake),
        cmocka_unit_test(nonsense_ends_the_wire),
        cmocka_unit_test(connecting_finds_nobody_or_somebody),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests_name("wire/wire", tests, NULL, NULL);
}
