/* test_selftest.c - the test of models: with and without a record, and what fails it. The engine
 * is fake; its scores follow from the picture. */
#include "serve/selftest_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "harness/fake_engine.h"
#include "harness/golden.h"
#include "json/json.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define AB "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}"

struct world {
    char *root;
    struct sk_engine *engine;
    struct sk_models *models;
    struct sk_pool *pool;
};

static void put(const char *root, const char *name, const void *bytes, size_t len)
{
    SK_OWN(free) char *dir = sk_path_join(root, "m");
    SK_OWN(free) char *path = sk_path_join(dir, name);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_mkdirs(dir, 0755, &err), 0);
    assert_int_equal(sk_file_write(path, bytes, len, 0644, &err), 0);
}

/* settings: skerry.json; NULL: none. */
static void open_world(struct world *w, const char *config, const char *settings)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *model = NULL;
    uint8_t *png = NULL;
    size_t len;

    w->root = sk_test_dir();
    w->engine = sk_engine_fake_new(&(struct sk_fake_options){ 0 });
    assert_int_equal(
        sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &model, &len, &err),
        0);
    put(w->root, "model.onnx", model, len);
    put(w->root, "config.json", config, strlen(config));
    assert_int_equal(sk_selftest_picture(2, &png, &len, &err), 0);
    put(w->root, "test.png", png, len);
    free(png);
    if (settings)
        put(w->root, "skerry.json", settings, strlen(settings));
    const struct sk_models_options opts = {
        .engine = w->engine, .paths = &w->root, .path_count = 1, .workers = 1
    };
    if (sk_models_new(&opts, &w->models, &err) < 0 || sk_pool_new(1, 4, &w->pool, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_world(struct world *w)
{
    struct sk_fake_counts counts;

    sk_pool_free(w->pool);
    sk_models_free(w->models);
    sk_engine_fake_counts(w->engine, &counts);
    assert_int_equal(counts.misuse, 0);
    assert_int_equal(counts.runs_alive, 0);
    sk_engine_close(w->engine);
    sk_test_dir_free(w->root);
}

struct asked {
    struct sk_job job; /* first */
    struct world *world;
    uint64_t run_ms;
    struct sk_buf out;
    pthread_mutex_t mutex; /* guards is_done */
    pthread_cond_t done;
    bool is_done;
};

static enum sk_job_next run(struct sk_job *job, unsigned worker)
{
    struct asked *a = (struct asked *)job;
    const struct sk_selftest t = {
        .models = a->world->models, .pool = a->world->pool, .worker = worker, .run_ms = a->run_ms
    };

    sk_selftest(&t, &a->out);
    SK_LOCK(&a->mutex);
    a->is_done = true;
    (void)pthread_cond_signal(&a->done);
    return SK_JOB_DONE;
}

/* sk_json_free */
static struct sk_json *ask(struct world *w, uint64_t run_ms)
{
    struct asked a = { .job = { .deadline_ns = UINT64_MAX, .run = run },
                       .world = w,
                       .run_ms = run_ms,
                       .out = SK_BUF_INIT(1 << 16) };
    struct sk_job *job = &a.job;
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;

    (void)pthread_mutex_init(&a.mutex, NULL);
    (void)pthread_cond_init(&a.done, NULL);
    assert_int_equal(sk_pool_push(w->pool, &job, 1, &err), 0);
    {
        SK_LOCK(&a.mutex);
        while (!a.is_done)
            (void)pthread_cond_wait(&a.done, &a.mutex);
    }
    assert_true(sk_buf_ok(&a.out));
    if (sk_json_parse(a.out.data, a.out.len, NULL, &doc, &err) < 0)
        fail_msg("%s: %s", err.text, a.out.data);
    sk_buf_done(&a.out);
    (void)pthread_cond_destroy(&a.done);
    (void)pthread_mutex_destroy(&a.mutex);
    return doc;
}

static void expect(const struct sk_json *got, const char *row, bool ok, const char *source,
                   const char *why)
{
    const char *said = sk_json_get_text(got, "why", "none");

    if (sk_json_bool(sk_json_get(got, "ok"), !ok) != ok ||
        (ok ? *said != '\0' : !strstr(said, why)))
        fail_msg("%s: %s", row, said);
    if (ok && strcmp(sk_json_get_text(got, "source", ""), source) != 0)
        fail_msg("%s: source %s", row, sk_json_get_text(got, "source", ""));
    if (ok && (sk_json_num(sk_json_get(got, "medianMs"), 0) <= 0 ||
               sk_json_int(sk_json_get(got, "models"), 0) != 1))
        fail_msg("%s: median or models", row);
}

/* What the model makes of test.png, as skerry.json. */
static void record(char *out, size_t size, double tolerance)
{
    struct world w;
    SK_OWN(sk_loaded_unref) struct sk_loaded *l = NULL;
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;
    struct sk_result r;
    uint8_t *png = NULL;
    size_t len;

    open_world(&w, AB, NULL);
    assert_int_equal(sk_models_get(w.models, "m", NULL, &l, &err), 0);
    assert_int_equal(sk_lane_new(l->classifier, &lane, &err), 0);
    assert_int_equal(sk_selftest_picture(2, &png, &len, &err), 0);
    if (sk_lane_classify(lane, png, len, 0, false, &r, &err) < 0)
        fail_msg("%s", err.text);
    sk_record_json(l->classifier, &r, "test.png", tolerance, &json);
    assert_true(sk_buf_ok(&json));
    (void)snprintf(out, size, "{\"test\":%s}", json.data);
    free(png);
    sk_lane_free(SK_TAKE(lane));
    sk_loaded_unref(SK_TAKE(l));
    close_world(&w);
}

/* [serve-85] */
static void good_and_bad(void **state)
{
    static char recorded[1024];

    const struct {
        const char *name, *config, *settings;
        bool ok;
        const char *source, *why;
    } rows[] = {
        { "generated", AB, NULL, true, "generated", NULL },
        { "no record yet", AB, "{\"test\":{\"image\":\"test.png\"}}", true, "generated", NULL },
        { "recorded", AB, recorded, true, "record", NULL },
        { "other labels", "{\"id2label\":{\"0\":\"c\",\"1\":\"d\"}}", recorded, false, NULL,
          "m: " },
        { "a wrong record", AB,
          "{\"test\":{\"image\":\"test.png\",\"label\":\"a\",\"probabilities\":[2,2]}}", false,
          NULL, "m: the " },
        { "a broken picture", AB,
          "{\"test\":{\"image\":\"config.json\",\"label\":\"a\",\"probabilities\":[1,0]}}", false,
          NULL, "m: " },
        { "another number of classes", "{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}", NULL,
          false, NULL, "3 labels" },
    };

    (void)state;
    record(recorded, sizeof recorded, 0.02);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        open_world(&w, rows[i].config, rows[i].settings);
        SK_OWN(sk_json_free) struct sk_json *got = ask(&w, 20000);
        expect(got, rows[i].name, rows[i].ok, rows[i].source, rows[i].why);
        close_world(&w);
    }
}

static void failures_and_time(void **state)
{
    static const struct {
        const char *name;
        struct sk_fake_options fake;
        uint64_t run_ms;
        const char *why;
    } rows[] = {
        { "a failure", { .fail_every = 3 }, 20000, "m: fake failure" },
        { "too slow", { .run_us = 60000000 }, 500, "m: a prediction took more than 500 ms" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        open_world(&w, AB, NULL);
        sk_engine_fake_set(w.engine, &rows[i].fake);
        SK_OWN(sk_json_free) struct sk_json *got = ask(&w, rows[i].run_ms);
        expect(got, rows[i].name, false, NULL, rows[i].why);
        close_world(&w);
    }
}

static void median_is_that_of_five(void **state)
{
    struct world w;
    struct sk_fake_counts before, after;

    (void)state;
    open_world(&w, AB, NULL);
    sk_engine_fake_set(w.engine, &(struct sk_fake_options){ .run_us = 20000 });
    sk_engine_fake_counts(w.engine, &before);
    SK_OWN(sk_json_free) struct sk_json *got = ask(&w, 20000);
    sk_engine_fake_counts(w.engine, &after);
    assert_int_equal(after.execs - before.execs, SK_SELFTEST_RUNS);
    assert_true(sk_json_num(sk_json_get(got, "medianMs"), 0) >= 20);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_bad),
        cmocka_unit_test(failures_and_time),
        cmocka_unit_test(median_is_that_of_five),
    };

    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, 2);
    return cmocka_run_group_tests_name("serve/selftest", tests, NULL, NULL);
}
