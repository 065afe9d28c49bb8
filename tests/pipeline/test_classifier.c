/* test_classifier.c - loading, sharing, and memory that runs out. */
#include "script.h"

#include "base/file.h"
#include "base/thread.h"
#include "harness/alloc_fail.h"

static const struct script plain = {
    { { "pixels", SK_DT_F32, 4, { -1, 3, 8, 8 } } },
    { { "logits", SK_DT_F32, 2, { -1, 3 } } },
    .ops = { "Conv", "Softmax" },
    .config = "{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}",
};

static void test_parts(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct scripted s;

    (void)state;
    assert_int_equal(script_open(&s, &plain, &err), 0);
    assert_string_equal(sk_classifier_bundle(s.classifier)->name, "net");
    assert_int_equal(sk_net_info(sk_classifier_net(s.classifier))->input_count, 1);
    assert_int_equal(strlen(sk_classifier_digest(s.classifier)), 64);
    assert_non_null(sk_classifier_prep(s.classifier));
    assert_null(sk_classifier_refusal(s.classifier));
    script_close(&s);
}

static void test_missing(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct script script = plain;
    struct sk_engine *e = script_engine(&script);
    struct sk_classifier *c = NULL;

    (void)state;
    assert_int_equal(sk_classifier_load(e, "/nonexistent/net", NULL, &c, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_null(c);
    sk_engine_close(e);
}

/* The last reference frees, whoever holds it: a lane outlives the classifier's owner. */
static void test_references(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct scripted s;
    struct sk_lane *l = NULL;
    struct sk_result r;
    size_t len;
    SK_OWN(free) uint8_t *picture = script_picture(8, 8, 9, &len);

    (void)state;
    assert_int_equal(script_open(&s, &plain, &err), 0);
    assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
    sk_classifier_unref(s.classifier);
    s.classifier = NULL;
    assert_int_equal(sk_lane_classify(l, picture, len, 0, false, &r, &err), 0);
    sk_lane_free(l);
    script_close(&s);
    sk_classifier_unref(NULL);
    sk_lane_free(NULL);
}

enum {
    THREADS = 4,
    ROUNDS = 200
};

static void *use_classifier(void *arg)
{
    struct sk_classifier *c = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sk_classifier *mine = sk_classifier_ref(c);
        const float p[3] = { 0.25F, 0.5F, 0.25F };
        const struct sk_result r = { .probabilities = p, .classes = 3 };
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);

        sk_classifier_json(mine, &r, 0, &out);
        if (!sk_buf_ok(&out))
            abort();
        sk_classifier_unref(mine);
    }
    sk_classifier_unref(c);
    return NULL;
}

static void test_threads(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct scripted s;
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(script_open(&s, &plain, &err), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(sk_thread_start(&threads[i], "user", use_classifier,
                                         sk_classifier_ref(s.classifier), &err),
                         0);
    sk_classifier_unref(s.classifier); /* the threads hold it now */
    s.classifier = NULL;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    script_close(&s);
}

struct sweep {
    struct sk_engine *engine;
    const char *path;
    const uint8_t *picture;
    size_t len;
};

static int load_and_classify(void *ctx, struct sk_err *err)
{
    const struct sweep *w = ctx;
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = NULL;
    SK_OWN(sk_lane_free) struct sk_lane *l = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(10000);
    struct sk_result r;

    if (sk_classifier_load(w->engine, w->path, NULL, &c, err) < 0 || sk_lane_new(c, &l, err) < 0 ||
        sk_lane_classify(l, w->picture, w->len, 0, false, &r, err) < 0)
        return -1;
    sk_classifier_json(c, &r, 0, &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_allocations(void **state)
{
    struct script script = plain;
    char *folder = script_folder(&script);
    SK_OWN(free) char *path = sk_path_join(folder, "net");
    struct sweep w = { script_engine(&script), path, NULL, 0 };
    SK_OWN(free) uint8_t *picture = script_picture(8, 8, 9, &w.len);

    (void)state;
    w.picture = picture;
    assert_true(sk_alloc_sweep("classifier", load_and_classify, &w, SK_ALLOC_MAY_SURVIVE) >
                30); /* the digest's cache may */
    sk_engine_close(w.engine);
    script_clean(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parts),
                                        cmocka_unit_test(test_missing),
                                        cmocka_unit_test(test_references),
                                        cmocka_unit_test(test_threads),
                                        cmocka_unit_test(test_allocations) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
