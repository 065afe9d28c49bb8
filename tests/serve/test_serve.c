/*
 * test_serve.c - the whole server in one process, with an engine that watches for misuse: requests
 * from many threads while models change and while it stops. Runs under TSan.
 */
#include "serve/serve.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "harness/fake_engine.h"
#include "harness/golden.h"
#include "serve/client.h"

#include <stdatomic.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    CALLERS = 6,
    WAIT_MS = 20000 /* for what must happen */
};

static uint8_t picture[1024];
static size_t picture_len;

struct world {
    char *root;
    struct sk_engine *engine;
    struct sk_server *server;
};

static void put_model(const char *root, const char *label)
{
    SK_OWN(free) char *dir = sk_path_join(root, "m");
    SK_OWN(free) char *model = sk_path_join(dir, "model.onnx");
    SK_OWN(free) char *config = sk_path_join(dir, "config.json");
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    char text[128];
    size_t len;

    int n = snprintf(text, sizeof text, "{\"id2label\":{\"0\":\"%s\",\"1\":\"b\"}}", label);
    assert_int_equal(sk_mkdirs(dir, 0755, &err), 0);
    assert_int_equal(
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &bytes, &len, &err),
        0);
    assert_int_equal(sk_file_write(model, bytes, len, 0644, &err), 0);
    assert_int_equal(sk_file_write(config, text, (size_t)n, 0644, &err), 0);
}

static void open_world(struct world *w, const struct sk_fake_options *fake,
                       struct sk_serve_options opts)
{
    struct sk_err err = SK_ERR_INIT;

    w->root = sk_test_dir();
    w->engine = sk_engine_fake_new(fake);
    put_model(w->root, "first");
    opts.models = &w->root;
    opts.model_count = 1;
    if (sk_server_start(&opts, w->engine, &w->server, &err) < 0)
        fail_msg("%s", err.text);
}

static unsigned close_world(struct world *w)
{
    struct sk_fake_counts counts;
    unsigned cut = sk_server_stop(w->server);

    sk_engine_fake_counts(w->engine, &counts);
    assert_int_equal(counts.misuse, 0);
    assert_int_equal(counts.nets_alive, 0);
    assert_int_equal(counts.runs_alive, 0);
    sk_engine_close(w->engine);
    sk_test_dir_free(w->root);
    return cut;
}

struct sums {
    unsigned ok, busy, late, other;
    char last[256];
};

struct caller {
    pthread_t thread;
    uint16_t port;
    atomic_bool *is_over;
    atomic_bool is_sent; /* all of a request, or it is clear that there will be none */
    atomic_uint ok, busy, late, other;
    char last[256];
};

static void *call(void *arg)
{
    struct caller *c = arg;
    struct answer *a = malloc(sizeof *a);

    for (;;) {
        atomic_store(&c->is_sent, false); /* before is_over is read: see wait_sent */
        if (!a || atomic_load(c->is_over))
            break;
        client_ask_told(c->port, "POST /predict", "image/x-portable-pixmap", picture, picture_len,
                        &c->is_sent, a);
        if (a->status != 200)
            (void)snprintf(c->last, sizeof c->last, "%.200s", a->text);
        if (a->status == 200)
            atomic_fetch_add(&c->ok, 1);
        else if (a->status == 503)
            atomic_fetch_add(&c->busy, 1);
        else if (a->status == 504)
            atomic_fetch_add(&c->late, 1);
        else
            atomic_fetch_add(&c->other, 1);
    }
    atomic_store(&c->is_sent, true);
    free(a);
    return NULL;
}

static void start_callers(struct caller *callers, uint16_t port, atomic_bool *is_over)
{
    struct sk_err err = SK_ERR_INIT;

    for (int i = 0; i < CALLERS; i++) {
        memset(&callers[i], 0, sizeof callers[i]);
        callers[i].port = port;
        callers[i].is_over = is_over;
        assert_int_equal(sk_thread_start(&callers[i].thread, "caller", call, &callers[i], &err), 0);
    }
}

static struct sums sum_up(struct caller *callers)
{
    struct sums sum = { 0 };

    for (int i = 0; i < CALLERS; i++) {
        sum.ok += atomic_load(&callers[i].ok);
        sum.busy += atomic_load(&callers[i].busy);
        sum.late += atomic_load(&callers[i].late);
        sum.other += atomic_load(&callers[i].other);
    }
    return sum;
}

static bool has_all(const struct sums *s, const struct sums *wanted)
{
    return s->ok >= wanted->ok && s->busy >= wanted->busy && s->late >= wanted->late &&
           s->other >= wanted->other;
}

/* Until there are so many answers of each kind. */
static void wait_answers(struct caller *callers, struct sums wanted)
{
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;
    struct sums sum = sum_up(callers);

    while (!has_all(&sum, &wanted) && sk_now_ms() < end_ms) {
        (void)usleep(1000);
        sum = sum_up(callers);
    }
    if (!has_all(&sum, &wanted))
        fail_msg("only %u ok, %u busy, %u late, %u other", sum.ok, sum.busy, sum.late, sum.other);
}

/* After is_over: until no caller is about to send any more. One that read is_over before sends
 * once; that request is with the kernel after this. */
static void wait_sent(struct caller *callers)
{
    const uint64_t end_ms = sk_now_ms() + WAIT_MS;

    for (int i = 0; i < CALLERS; i++) {
        while (!atomic_load(&callers[i].is_sent) && sk_now_ms() < end_ms)
            (void)usleep(100);
        assert_true(atomic_load(&callers[i].is_sent));
    }
}

static struct sums stop_callers(struct caller *callers, atomic_bool *is_over)
{
    atomic_store(is_over, true);
    for (int i = 0; i < CALLERS; i++)
        (void)pthread_join(callers[i].thread, NULL);
    struct sums sum = sum_up(callers);
    for (int i = 0; i < CALLERS; i++) {
        if (callers[i].last[0])
            memcpy(sum.last, callers[i].last, sizeof sum.last);
    }
    return sum;
}

static void swaps_fail_no_request(void **state)
{
    const struct sk_fake_options fake = { .load_us = 2000, .run_us = 500 };
    const struct sk_serve_options opts = { .threads = 2 };
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct world w;
    char label[16];

    (void)state;
    open_world(&w, &fake, opts);
    start_callers(callers, sk_server_port(w.server), &is_over);
    for (int i = 0; i < 12; i++) {
        (void)usleep(20000);
        (void)snprintf(label, sizeof label, "label%d", i);
        put_model(w.root, label);
        assert_int_equal(sk_server_rescan(w.server), 1);
        wait_answers(callers, (struct sums){ .ok = 2 * (unsigned)i });
    }
    struct sums sum = stop_callers(callers, &is_over);
    if (sum.busy + sum.late + sum.other > 0)
        fail_msg("%u busy, %u late, %u other: %s", sum.busy, sum.late, sum.other, sum.last);
    assert_true(sum.ok > 20);
    assert_int_equal(close_world(&w), 0);
}

static void failures_are_answers(void **state)
{
    const struct sk_fake_options fake = { .run_us = 200, .fail_every = 3 };
    const struct sk_serve_options opts = { .threads = 2 };
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct world w;

    (void)state;
    open_world(&w, &(struct sk_fake_options){ 0 }, opts);
    sk_engine_fake_set(w.engine, &fake);
    start_callers(callers, sk_server_port(w.server), &is_over);
    wait_answers(callers, (struct sums){ .ok = 20, .other = 10 });
    struct sums sum = stop_callers(callers, &is_over);
    assert_true(sum.ok > 0 && sum.other > 0); /* 500 with the reason */
    assert_non_null(strstr(sum.last, "500"));
    assert_int_equal(close_world(&w), 0);
}

static void deadlines_and_full_queues_are_answers(void **state)
{
    const struct sk_fake_options fake = { .run_us = 150000 };
    const struct sk_serve_options opts = { .threads = 1, .max_queue = 2, .request_ms = 400 };
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct sk_fake_counts counts;
    struct world w;

    (void)state;
    open_world(&w, &(struct sk_fake_options){ 0 }, opts);
    sk_engine_fake_set(w.engine, &fake);
    start_callers(callers, sk_server_port(w.server), &is_over);
    /* of three at once two are in time; with more the queue is full */
    wait_answers(callers, (struct sums){ .ok = 1, .busy = 1, .late = 1 });
    struct sums sum = stop_callers(callers, &is_over);
    assert_int_equal(sum.other, 0);
    sk_engine_fake_counts(w.engine, &counts);
    assert_int_equal(counts.most_running, 1);
    assert_int_equal(close_world(&w), 0);
}

static void stopping_answers_what_was_accepted(void **state)
{
    const struct sk_fake_options fake = { .run_us = 20000 };
    const struct sk_serve_options opts = { .threads = 2 };
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct world w;

    (void)state;
    open_world(&w, &fake, opts);
    start_callers(callers, sk_server_port(w.server), &is_over);
    wait_answers(callers, (struct sums){ .ok = 2 * CALLERS });
    atomic_store(&is_over, true); /* each caller sends no more than what it has begun */
    wait_sent(callers);
    assert_int_equal(sk_server_stop(w.server), 0);
    struct sums sum = stop_callers(callers, &is_over);
    assert_int_equal(sum.other + sum.late + sum.busy, 0);
    struct sk_fake_counts counts;
    sk_engine_fake_counts(w.engine, &counts);
    assert_int_equal(counts.misuse, 0);
    assert_int_equal(counts.nets_alive, 0);
    sk_engine_close(w.engine);
    sk_test_dir_free(w.root);
}

/* A form with so many fields `image`. */
static void ask_many(uint16_t port, size_t count, const void *bytes, size_t len, struct answer *out)
{
    static const char head[] = "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n";
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 20);

    for (size_t i = 0; i < count; i++) {
        sk_buf_str(&body, head);
        sk_buf_add(&body, bytes, len);
        sk_buf_str(&body, "\r\n");
    }
    sk_buf_str(&body, "--x--\r\n");
    assert_true(sk_buf_ok(&body));
    client_ask(port, "POST /predict", "multipart/form-data; boundary=x", body.data, body.len, out);
}

/* [serve-13] Several workers write into one answer. */
static void many_bad_pictures_are_one_answer(void **state)
{
    struct answer a;
    struct world w;

    (void)state;
    open_world(&w, &(struct sk_fake_options){ 0 }, (struct sk_serve_options){ .threads = 4 });
    for (int i = 0; i < 20; i++) {
        ask_many(sk_server_port(w.server), 64, "none", 4, &a);
        assert_int_equal(a.status, 415);
        assert_non_null(strstr(a.text, "none of 64 pictures could be used"));
    }
    assert_int_equal(close_world(&w), 0);
}

static void many_pictures_fit_a_short_queue(void **state)
{
    const struct sk_serve_options opts = { .threads = 4, .max_queue = 1 };
    struct answer a;
    struct world w;

    (void)state;
    open_world(&w, &(struct sk_fake_options){ 0 }, opts);
    ask_many(sk_server_port(w.server), 6, picture, picture_len, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(close_world(&w), 0);
}

/* [serve-41] What is not done after drain_ms is given up, not waited for. */
static void stopping_does_not_wait_for_ever(void **state)
{
    const struct sk_fake_options slow = { .run_us = 60000000 };
    const struct sk_serve_options opts = { .threads = 1, .drain_ms = 100, .request_ms = 60000 };
    struct caller callers[CALLERS];
    atomic_bool is_over = false;
    struct sk_fake_counts counts = { 0 };
    struct world w;

    (void)state;
    open_world(&w, &(struct sk_fake_options){ 0 }, opts);
    sk_engine_fake_set(w.engine, &slow);
    start_callers(callers, sk_server_port(w.server), &is_over);
    for (int i = 0; i < WAIT_MS && counts.running == 0; i++) {
        (void)usleep(1000);
        sk_engine_fake_counts(w.engine, &counts);
    }
    assert_int_equal(counts.running, 1);
    atomic_store(&is_over, true);
    uint64_t start = sk_now_ns();
    assert_true(close_world(&w) >= 1);
    assert_true(sk_now_ns() - start < WAIT_MS * 1000000ull);
    (void)stop_callers(callers, &is_over);
}

static void degraded_is_said(void **state)
{
    const struct sk_fake_options fake = { .is_degraded = true };
    struct answer a;
    struct world w;

    (void)state;
    open_world(&w, &fake, (struct sk_serve_options){ .threads = 1 });
    client_ask(sk_server_port(w.server), "GET /metrics", NULL, "", 0, &a);
    assert_int_equal(a.status, 200);
    client_ask(sk_server_port(w.server), "GET /readyz", NULL, "", 0, &a);
    assert_int_equal(a.status, 200);
    assert_null(strstr(a.text, "\"warnings\":[]"));
    assert_int_equal(close_world(&w), 0);
}

/* A PNM picture of 16x16: its header and whatever bytes. */
static int make_picture(void **state)
{
    static const char head[] = "P6 16 16 255\n";

    (void)state;
    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, 2);
    memcpy(picture, head, sizeof head - 1);
    for (size_t i = 0; i < 16 * 16 * 3; i++)
        picture[sizeof head - 1 + i] = (uint8_t)(i * 7);
    picture_len = sizeof head - 1 + 16 * 16 * 3;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swaps_fail_no_request),
        cmocka_unit_test(failures_are_answers),
        cmocka_unit_test(deadlines_and_full_queues_are_answers),
        cmocka_unit_test(stopping_answers_what_was_accepted),
        cmocka_unit_test(many_bad_pictures_are_one_answer),
        cmocka_unit_test(many_pictures_fit_a_short_queue),
        cmocka_unit_test(stopping_does_not_wait_for_ever),
        cmocka_unit_test(degraded_is_said),
    };

    return cmocka_run_group_tests_name("serve/serve", tests, make_picture, NULL);
}
