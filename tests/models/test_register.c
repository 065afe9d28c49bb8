/* test_register.c - new versions: numbers under contention, files, digests, repeated requests. */
#include "models/models_util.h"

#include "base/thread.h"
#include "crypto/crypto.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 8,
    EACH = 12
};

struct job {
    struct place *p;
    uint64_t numbers[EACH];
    bool failed;
    char text[SK_ERR_TEXT];
};

static void *register_many(void *ctx)
{
    struct job *job = ctx;
    const struct sk_model_file file = { "model.onnx", job->p->blobs[0] };
    const struct sk_version_new v = {
        .name = "m", .make_model = true, .files = &file, .file_count = 1
    };

    for (int i = 0; i < EACH; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;

        if (sk_version_create(job->p->store, &job->p->who, &v, &job->numbers[i], &out, &err) < 0) {
            job->failed = true;
            (void)snprintf(job->text, sizeof(job->text), "%s", err.text);
            return NULL;
        }
    }
    return NULL;
}

/* Many at once, of a model that is not there yet: each number once, none left out. */
static void test_at_once(void **state)
{
    struct job jobs[THREADS] = { 0 };
    pthread_t threads[THREADS];
    bool seen[THREADS * EACH + 1] = { false };

    for (int i = 0; i < THREADS; i++) {
        jobs[i].p = *state;
        assert_int_equal(pthread_create(&threads[i], NULL, register_many, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        if (jobs[i].failed)
            fail_msg("%s", jobs[i].text);
        for (int k = 0; k < EACH; k++) {
            uint64_t n = jobs[i].numbers[k];

            assert_in_range(n, 1, THREADS * EACH);
            assert_false(seen[n]);
            seen[n] = true;
        }
    }
}

static int create(struct place *p, const struct sk_version_new *v, uint64_t *version,
                  struct sk_err *err)
{
    sk_buf_clear(&p->out);
    return sk_version_create(p->store, &p->who, v, version, &p->out, err);
}

/* The digest is of the lines in order of the paths, however the files come. */
static void test_digest(void **state)
{
    struct place *p = *state;
    const struct sk_model_file files[] = { { "model.onnx", p->blobs[0] },
                                           { "a/labels.txt", p->blobs[1] },
                                           { "a.txt", p->blobs[2] } };
    struct sk_version_new v = { .name = "m", .make_model = true, .files = files, .file_count = 3 };
    struct sk_err err = SK_ERR_INIT;
    char lines[1024], wanted[200], hex[SK_SHA256_HEX];
    uint64_t version = 0;

    (void)snprintf(lines, sizeof(lines), "%s  a.txt\n%s  a/labels.txt\n%s  model.onnx\n",
                   p->blobs[2], p->blobs[1], p->blobs[0]);
    DONE(sk_sha256_hex(lines, strlen(lines), hex, &err));
    (void)snprintf(wanted, sizeof(wanted), "\"digest\":\"sha256:%s\",\"size\":11,\"files\":3", hex);
    DONE(create(p, &v, &version, &err));
    assert_non_null(strstr(answer(p), wanted));
    put_artifact(p, "0/r/artifacts/model/a/labels.txt", 1);
    put_artifact(p, "0/r/artifacts/model/model.onnx", 0);
    put_artifact(p, "0/r/artifacts/model/a.txt", 2);
    put_artifact(p, "0/r/artifacts/model2/other", 2);
    v = (struct sk_version_new){ .name = "m", .artifacts = "0/r/artifacts/model", .source = "x" };
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 2);
    assert_non_null(strstr(answer(p), wanted));
    /* what happens to the run is nothing to the version */
    assert_int_equal(ask(p, "SELECT count(*) FROM artifact WHERE path LIKE 'models/m/2/%'"), 3);
    DONE(sk_version_files(p->store, "m", 2, &p->out, &err));
    assert_non_null(strstr(answer(p), "{\"path\":\"a/labels.txt\",\"digest\":\"sha256:"));
}

/* A file as a source, and one that is not there. */
static void test_sources(void **state)
{
    struct place *p = *state;
    struct sk_version_new v = { .name = "m", .make_model = true, .source = "x" };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;

    put_artifact(p, "0/r/artifacts/dir/net.onnx", 0);
    v.artifacts = "0/r/artifacts/dir/net.onnx";
    DONE(create(p, &v, &version, &err));
    DONE(sk_version_files(p->store, "m", version, &p->out, &err));
    assert_non_null(strstr(answer(p), "{\"path\":\"net.onnx\""));
    v.artifacts = "0/nowhere";
    DONE(create(p, &v, &version, &err));
    assert_null(strstr(answer(p), "digest"));
    for (int i = 0; i < 4; i++) {
        static const char *const bad[] = { "", "models", "../x", "a//b" };

        v.artifacts = bad[i];
        FAILS(create(p, &v, &version, &err), SK_INVALID, "");
    }
    v.artifacts = "models/m/1";
    DONE(create(p, &v, &version, &err));
    assert_non_null(strstr(answer(p), "\"files\":1"));
    v.artifacts = "models/m"; /* where the new one will be */
    FAILS(create(p, &v, &version, &err), SK_INVALID, "holds the new version itself");
    /* what failed used no number */
    v.artifacts = NULL;
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 4);
}

static void test_refused(void **state)
{
    static const char
        missing[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    struct place *p = *state;
    const char *one = p->blobs[0];

    const struct {
        struct sk_model_file files[2];
        size_t count;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { { { "a", missing } }, 1, SK_NOT_FOUND, "file 'a'" },
        { { { "a", "sha256:00" } }, 1, SK_INVALID, "not a digest" },
        { { { "a", "" } }, 1, SK_INVALID, "not a digest" },
        { { { "a", one }, { "a", one } }, 2, SK_INVALID, "one is there twice" },
        { { { "a", one }, { "a/b", one } }, 2, SK_INVALID, "" },
        { { { "../a", one } }, 1, SK_INVALID, "file 1" },
        { { { "a", one }, { "/a", one } }, 2, SK_INVALID, "file 2" },
        { { { "a\nb", one } }, 1, SK_INVALID, "file 1" },
        { { { "", one } }, 1, SK_INVALID, "file 1" },
        { { { NULL, NULL } }, 0, SK_INVALID, "'source'" },
    };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_version_new v = {
            .name = "m", .make_model = true, .files = rows[i].files, .file_count = rows[i].count
        };

        FAILS(create(p, &v, &version, &err), rows[i].code, rows[i].says);
    }
    /* nothing is left of any */
    assert_int_equal(ask(p, "SELECT count(*) FROM model"), 0);
    assert_int_equal(ask(p, "SELECT count(*) FROM artifact"), 0);
    assert_int_equal(ask(p, "SELECT count(*) FROM audit"), 0);
    FAILS(create(p, &(struct sk_version_new){ .name = "m", .source = "s3://x" }, &version, &err),
          SK_NOT_FOUND, "Registered Model with name=m not found");
}

static void test_properties(void **state)
{
    static const char *const bad[] = { "", "[]", "{", "1", "{\"a\":1,\"a\":2}" };
    struct place *p = *state;
    struct sk_version_new v = { .name = "m", .make_model = true, .source = "s3://x" };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;

    for (size_t i = 0; i < COUNT(bad); i++) {
        v.properties = bad[i];
        FAILS(create(p, &v, &version, &err), SK_INVALID, "properties");
    }
    for (size_t more = 0; more < 2; more++) {
        SK_OWN(free) char *filler = repeat("x", SK_MODEL_PROPERTIES_MAX - 8 + more);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2u << 20);

        sk_buf_fmt(&text, "{\"a\":\"%s\"}", filler);
        v.properties = text.data;
        if (more == 0)
            DONE(create(p, &v, &version, &err));
        else
            FAILS(create(p, &v, &version, &err), SK_INVALID, "at most 1048576");
    }
}

static void test_files_limit(void **state)
{
    struct place *p = *state;
    struct sk_model_file *files = calloc(SK_MODEL_FILES_MAX + 1, sizeof(*files));
    char *names = calloc(SK_MODEL_FILES_MAX + 1, 8);
    struct sk_version_new v = { .name = "m", .make_model = true, .files = files };
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;

    assert_true(files && names);
    for (size_t i = 0; i <= SK_MODEL_FILES_MAX; i++) {
        (void)snprintf(names + 8 * i, 8, "f%zu", i);
        files[i] = (struct sk_model_file){ names + 8 * i, p->blobs[0] };
    }
    v.file_count = SK_MODEL_FILES_MAX + 1;
    FAILS(create(p, &v, &version, &err), SK_LIMIT, "at most 10000");
    v.file_count = SK_MODEL_FILES_MAX;
    DONE(create(p, &v, &version, &err));
    assert_non_null(strstr(answer(p), "\"files\":10000"));
    /* the same through a copy, and one more */
    v = (struct sk_version_new){ .name = "n", .make_model = true, .artifacts = "models/m/1" };
    DONE(create(p, &v, &version, &err));
    put_artifact(p, "models/m/1/one-more", 0);
    FAILS(create(p, &v, &version, &err), SK_LIMIT, "more than 10000 files");
    free(files);
    free(names);
}

static void test_again(void **state)
{
    struct place *p = *state;
    struct sk_model_file file = { "model.onnx", p->blobs[0] };
    struct sk_version_new v = {
        .name = "m", .make_model = true, .files = &file, .file_count = 1, .idempotency_key = "key"
    };
    SK_OWN(free) char *long_key = repeat("k", SK_MODEL_ID_MAX + 1);
    struct sk_err err = SK_ERR_INIT;
    uint64_t version = 0;
    int64_t rows;

    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 1);
    rows = ask(p, "SELECT count(*) FROM audit");
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 1);
    assert_non_null(strstr(answer(p), "\"version\":\"1\""));
    assert_int_equal(ask(p, "SELECT count(*) FROM audit"), rows); /* nothing was changed */
    file.digest = p->blobs[1];
    FAILS(create(p, &v, &version, &err), SK_EXISTS, "'key' was used for version 1 of other");
    file = (struct sk_model_file){ "other.onnx", p->blobs[0] };
    FAILS(create(p, &v, &version, &err), SK_EXISTS, "other contents");
    v.idempotency_key = "key2";
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 2);
    v.idempotency_key = "key";
    v.name = "n"; /* keys are a model's own */
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 1);
    v.idempotency_key = "";
    DONE(create(p, &v, &version, &err));
    DONE(create(p, &v, &version, &err));
    assert_int_equal(version, 3);
    v.idempotency_key = long_key;
    FAILS(create(p, &v, &version, &err), SK_INVALID, "idempotency_key");
    long_key[SK_MODEL_ID_MAX] = 0;
    DONE(create(p, &v, &version, &err));
    v = (struct sk_version_new){ .name = "n", .source = "s3://a", .idempotency_key = "s" };
    DONE(create(p, &v, &version, &err));
    v.source = "s3://b";
    FAILS(create(p, &v, &version, &err), SK_EXISTS, "other contents");
}

static int sweep(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    const struct sk_model_file file = { "model.onnx", p->blobs[0] };
    const struct sk_pair tag = { "k", "v" };
    const struct sk_version_new v = { .name = "m",
                                      .make_model = true,
                                      .tags = &tag,
                                      .tag_count = 1,
                                      .files = &file,
                                      .file_count = 1,
                                      .properties = "{}",
                                      .idempotency_key = NULL };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    uint64_t version = 0;

    return sk_version_create(p->store, &p->who, &v, &version, &out, err);
}

/* Whatever fails, no number is lost and nothing is left. */
static void test_memory(void **state)
{
    struct place *p = *state;
    uint64_t next;

    assert_true(sk_alloc_sweep("register", sweep, p, 0) > 10);
    next = make_version(p, "m", 0);
    assert_int_equal(ask(p, "SELECT count(*) FROM model_version"), (int64_t)next);
    assert_int_equal(ask(p, "SELECT count(*) FROM artifact"), (int64_t)next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_at_once, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_digest, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_sources, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_properties, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_files_limit, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_again, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
