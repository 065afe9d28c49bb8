/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "base/clock.h"
#include "base/thread.h"

#include <unistd.h>

static void open_it(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    char dir[600];
    (void)snprintf(dir, sizeof dir, "%s/telemetry", f->dir);
    const struct sk_telemetry_options opts = { .dir = dir,
                                               .name = "telemetry",
                                               .db = sk_store_db(f->store) };
    DONE(sk_telemetry_open(&opts, &f->t, &err));
}

int fixture_make(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->top = sk_test_dir();
    (void)snprintf(f->dir, sizeof f->dir, "%s/hub", f->top);
    DONE(sk_store_create(f->dir, &err));
    DONE(sk_store_open(f->dir, &f->store, &err));
    open_it(f);
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    sk_telemetry_close(f->t);
    sk_store_close(f->store);
    sk_test_dir_free(f->top);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    sk_telemetry_close(f->t);
    f->t = NULL;
    open_it(f);
}

struct wait {
    pthread_mutex_t lock; /* guards the rest */
    uint64_t seq;
    bool is_over;
};

static void on_done(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct wait *w = ctx;
    SK_LOCK(&w->lock);
    w->seq = failed ? 0 : seq;
    w->is_over = true;
}

static bool is_over(struct wait *w)
{
    SK_LOCK(&w->lock);
    return w->is_over;
}

uint64_t add_message(struct fixture *f, const struct sk_message *m)
{
    struct sk_err err = SK_ERR_INIT;
    struct wait w = { .lock = PTHREAD_MUTEX_INITIALIZER };
    DONE(sk_telemetry_add(f->t, m, on_done, &w, &err));
    while (!is_over(&w))
        (void)usleep(200);
    assert_int_not_equal(w.seq, 0);
    return w.seq;
}

uint64_t add(struct fixture *f, const char *device, const char *module, const char *bag,
             const char *body)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag parsed = { 0 };
    static int64_t time_ms;
    if (bag)
        DONE(sk_iot_bag_parse(sk_view_of(bag), &parsed, &err));
    time_ms += TIME_MS;
    return add_message(f, &(struct sk_message){ .device = device,
                                                .module = module,
                                                .source = "Telemetry",
                                                .generation = "g",
                                                .auth_method = "",
                                                .enqueued_ms = time_ms,
                                                .bag = bag ? &parsed : NULL,
                                                .body = sk_view_of(body) });
}

const char *numbers_of(struct fixture *f, const struct sk_telemetry_filter *filter)
{
    static char text[4096];
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    uint64_t seq = 0;
    size_t len = 0;
    int got;
    text[0] = '\0';
    DONE(sk_telemetry_read(f->t, filter, &r, &err));
    while ((got = sk_telemetry_next(r, NULL, &seq, &err)) == 1 && len + 24 < sizeof text)
        len += (size_t)snprintf(text + len, sizeof text - len, "%llu ", (unsigned long long)seq);
    DONE(got);
    return text;
}

void record_of(const char *bag, struct sk_view body, unsigned flags, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag parsed = { 0 };
    DONE(sk_iot_bag_parse(sk_view_of(bag), &parsed, &err));
    const struct sk_message m = {
        .device = "d",
        .module = "m",
        .source = "Telemetry",
        .generation = "g1",
        .auth_method = "{\"type\":\"sas\"}",
        .bag = &parsed,
        .body = body,
        .is_retained = flags & SK_RECORD_RETAINED,
        .is_will = flags & SK_RECORD_WILL,
    };
    sk_stored_write(&m, out);
    assert_true(sk_buf_ok(out));
}

void must_parse(const char *text, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(text, len, NULL, &doc, &err) < 0)
        fail_msg("%s: %.300s", err.text, text);
}
