/* test_source.c - the pass over all pictures: what it finds, keeps and tells. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"
#include "prep/prep.h"
#include "json/json.h"

#include <sys/stat.h>

enum {
    SIDE = 8,
    PICTURE = SIDE * SIDE * 3
};

/* What image makes of the file. */
static void expect_pixels(struct sk_source *s, uint32_t index)
{
    const struct sk_resize to = { .out_w = SIDE, .out_h = SIDE, .filter = SK_FILTER_BILINEAR };
    SK_AUTO(sk_image_done) struct sk_image got = { 0 };
    SK_AUTO(sk_image_done) struct sk_image full = { 0 };
    SK_AUTO(sk_image_done) struct sk_image want = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(SIZE_MAX);
    struct sk_err err = SK_ERR_INIT;

    if (sk_picture_read(s->dataset->samples[index].path, NULL, &bytes, NULL, &err) < 0 ||
        sk_image_decode(bytes.data, bytes.len, NULL, &full, NULL, &err) < 0 ||
        sk_image_resize(&full, &to, &want, &err) < 0 || sk_source_pixels(s, index, &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(got.width, SIDE);
    assert_int_equal(got.height, SIDE);
    assert_memory_equal(got.pixels, want.pixels, PICTURE);
}

/* Any budget: what fits is kept, and nothing else differs. */
static void test_cache(void **state)
{
    static const struct {
        uint64_t bytes;
        size_t cached;
    } rows[] = { { 0, 0 },
                 { PICTURE - 1, 0 },
                 { PICTURE, 1 },
                 { 5 * PICTURE + 1, 5 },
                 { 12 * PICTURE, 12 },
                 { UINT64_MAX, 12 } };

    put_pictures(*state, 6);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_source_free) struct sk_source *s = open_source(d, rows[i].bytes);
        size_t bad = 1;
        assert_int_equal(sk_source_cached(s), rows[i].cached);
        (void)sk_source_bad(s, &bad);
        assert_int_equal(bad, 0);
        for (uint32_t k = 0; k < d->count; k++)
            expect_pixels(s, k);
    }
}

static void test_digest(void **state)
{
    char want[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;

    put_pictures(*state, 3);
    put_text(*state, "a/broken.png", "no picture");
    assert_int_equal(symlink("nowhere", in(*state, "b/gone.png")), 0);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    SK_OWN(sk_source_free) struct sk_source *s = open_source(d, 0);
    assert_int_equal(sk_dataset_digest(d, want, &err), 0);
    assert_string_equal(sk_source_digest(s), want);
}

static void test_bad(void **state)
{
    static const struct {
        const char *name, *text; /* in the order of samples */
    } rows[] = {
        { "a/empty.jpg", "empty" },
        { "a/gone.jpg", "cannot be read: No such file" },
        { "a/noise.png", "not a picture in a known format" },
        { "a/pipe.jpg", "is not a regular file" },
        { "b/cut.png", "png: " },
    };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0, count = 0;

    put_pictures(*state, 2);
    put_text(*state, "a/empty.jpg", "");
    put_text(*state, "a/noise.png", "certainly not a picture");
    assert_int_equal(symlink("nowhere", in(*state, "a/gone.jpg")), 0);
    assert_int_equal(mkfifo(in(*state, "a/pipe.jpg"), 0600), 0);
    assert_int_equal(sk_file_read(in(*state, "a/000.png"), 1 << 20, &bytes, &len, &err), 0);
    put_bytes(*state, "b/cut.png", bytes, len / 2);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    SK_OWN(sk_source_free) struct sk_source *s = open_source(d, UINT64_MAX);
    const struct sk_bad *bad = sk_source_bad(s, &count);
    assert_int_equal(count, COUNT(rows));
    assert_int_equal(sk_source_cached(s), 4);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        const char *path = d->samples[bad[i].index].path;
        err = (struct sk_err)SK_ERR_INIT;
        if (!strstr(path, rows[i].name) || !strstr(bad[i].text, rows[i].text) ||
            strncmp(bad[i].text, path, strlen(path)) != 0)
            fail_msg("%s: %s", rows[i].name, bad[i].text);
        assert_int_equal(sk_source_pixels(s, bad[i].index, &img, &err), -1);
        assert_int_equal(err.code, SK_CORRUPT);
        assert_string_equal(err.text, bad[i].text);
    }
}

/* The numbers are those of the server for the same picture and configuration. */
static void test_table(void **state)
{
    static const char config[] = "{\"do_resize\":true,\"size\":{\"height\":8,\"width\":8},"
                                 "\"resample\":2,\"do_rescale\":true,"
                                 "\"rescale_factor\":0.00392156862745098,\"do_normalize\":true,"
                                 "\"image_mean\":[0.485,0.456,0.406],"
                                 "\"image_std\":[0.229,0.224,0.225]}";
    const struct sk_prep_input input = { SK_DT_F32, false, SIDE, SIDE };
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    SK_OWN(sk_prep_free) struct sk_prep *prep = NULL;
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    float want[PICTURE], got[PICTURE];
    struct sk_err err = SK_ERR_INIT;

    put_pictures(*state, 2);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    SK_OWN(sk_source_free) struct sk_source *s = open_source(d, 0);
    assert_int_equal(sk_json_parse(config, sizeof config - 1, NULL, &json, &err), 0);
    assert_int_equal(sk_prep_new(json, &input, NULL, &prep, &err), 0);
    for (uint32_t i = 0; i < 4; i++) {
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        SK_OWN(free) char *bytes = NULL;
        size_t len = 0;
        if (sk_file_read(d->samples[i].path, 1 << 20, &bytes, &len, &err) < 0 ||
            sk_prep_run(prep, bytes, len, 0, false, work, want, sizeof want, NULL, &err) < 0 ||
            sk_source_pixels(s, i, &img, &err) < 0)
            fail_msg("%s", err.text);
        sk_image_lut_chw(&img, (const float(*)[256])s->table, got);
        assert_memory_equal(got, want, sizeof want);
    }
}

/* A file that is not the one that was checked. */
static void test_changed(void **state)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    struct sk_err err = SK_ERR_INIT;

    put_pictures(*state, 2);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    SK_OWN(sk_source_free) struct sk_source *cached = open_source(d, UINT64_MAX);
    SK_OWN(sk_source_free) struct sk_source *s = open_source(d, 0);
    put_picture(*state, "a/001.png", 20, 20, 99);
    assert_int_equal(unlink(in(*state, "a/000.png")), 0);
    assert_int_equal(sk_source_pixels(s, 1, &img, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_non_null(strstr(err.text, "a/001.png: has changed since it was checked"));
    assert_int_equal(sk_source_pixels(s, 0, &img, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_non_null(strstr(err.text, "a/000.png: cannot be read"));
    assert_int_equal(sk_source_pixels(s, 4, &img, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_source_pixels(cached, 0, &img, &err), 0); /* its file is not needed */
}

struct told {
    size_t calls, done, total, stop_at;
};

static bool tell(void *ctx, size_t done, size_t total)
{
    struct told *t = ctx;

    assert_true(done >= t->done && done <= total);
    t->calls++;
    t->done = done;
    t->total = total;
    return t->calls != t->stop_at;
}

static void test_progress(void **state)
{
    struct told told = { 0 }, stopped = { .stop_at = 1 };
    struct sk_source_options o = { TEST_SOURCE, .progress = tell, .ctx = &told };
    struct sk_source *s = NULL, *none = NULL;
    struct sk_err err = SK_ERR_INIT;

    put_pictures(*state, 20);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    assert_int_equal(sk_source_open(d, &o, &s, &err), 0);
    sk_source_free(s);
    assert_int_equal(told.done, 40);
    assert_int_equal(told.total, 40);
    o.ctx = &stopped;
    o.threads = 1;
    if (sk_source_open(d, &o, &none, &err) == 0) { /* all was done before the first question */
        sk_source_free(none);
        assert_int_equal(stopped.done, 40);
    } else {
        assert_int_equal(err.code, SK_CANCELLED);
        assert_int_equal(stopped.calls, 1);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        struct sk_source_options o;
        const char *text;
    } rows[] = {
        { "no side", { .std = { 1, 1, 1 } }, "pictures of 0 x 0" },
        { "large side", { .side = 5000, .std = { 1, 1, 1 } }, "the side is 1 to 4096" },
        { "no deviation", { .side = 8, .std = { 1, 0, 1 } }, "divides by zero" },
    };

    put_pictures(*state, 1);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_source *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_source_open(d, &rows[i].o, &s, &err) != -1 || err.code != SK_INVALID ||
            !strstr(err.text, rows[i].text))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* max_pixels holds for pictures of the set, too. */
static void test_limit(void **state)
{
    const struct sk_source_options o = { TEST_SOURCE, .max_pixels = 100 };
    struct sk_source *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;

    put_picture(*state, "a/1.png", 10, 10, 1);
    put_picture(*state, "b/2.png", 10, 11, 2);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    assert_int_equal(sk_source_open(d, &o, &s, &err), 0);
    const struct sk_bad *bad = sk_source_bad(s, &count);
    assert_int_equal(count, 1);
    assert_int_equal(bad[0].index, 1);
    sk_source_free(s);
}

static int open_it(void *ctx, struct sk_err *err)
{
    const struct sk_source_options o = { TEST_SOURCE, .cache_bytes = UINT64_MAX };
    struct sk_source *s = NULL;
    int rc = sk_source_open(ctx, &o, &s, err);

    sk_source_free(s);
    return rc;
}

static int pixels(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    return sk_source_pixels(ctx, 0, &img, err);
}

static void test_memory(void **state)
{
    put_pictures(*state, 2);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    SK_OWN(sk_source_free) struct sk_source *s = open_source(d, 0);
    SK_OWN(sk_source_free) struct sk_source *cached = open_source(d, UINT64_MAX);
    (void)sk_alloc_sweep("open", open_it, d, 0);
    (void)sk_alloc_sweep("decode", pixels, s, 0);
    (void)sk_alloc_sweep("cached", pixels, cached, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_digest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_progress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
