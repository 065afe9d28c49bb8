/* test_artifacts.c - where clients may write. */
#include "runs/fixture.h"

#include <stdio.h>

static void may_write(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r"), *model = new_model(f, run, "net");
    const char *other = new_experiment(f, "other");

    const struct {
        const char *pattern; /* %s: the id */
        const char *id;
        bool tree;
        enum sk_code code; /* SK_OK: it may */
    } rows[] = {
        { "0/%s/artifacts/a.txt", run, false, SK_OK },
        { "0/%s/artifacts/x/y/z", run, false, SK_OK },
        { "0/%s/artifacts", run, true, SK_OK },
        { "0/%s/artifacts", run, false, SK_DENIED },
        { "0/%s/artifactsx/a", run, false, SK_DENIED },
        { "0/%s/a.txt", run, false, SK_DENIED },
        { "1/%s/artifacts/a.txt", run, false, SK_DENIED }, /* of another experiment */
        { "0/models/%s/artifacts/MLmodel", model, false, SK_OK },
        { "0/models/%s/MLmodel", model, false, SK_DENIED },
        { "0/models/%s/artifacts/MLmodel", run, false, SK_DENIED },
        { "0/%s/artifacts/MLmodel", model, false, SK_DENIED },
        { "models/%s/3/model.onnx", "net", false, SK_DENIED },
        { "%s", "a.txt", false, SK_DENIED },
        { "0/%s/artifacts/a.txt", "0123456789abcdef0123456789abcdef", false, SK_NOT_FOUND },
        { "0/%s/artifacts/../../../etc/passwd", run, false, SK_INVALID },
        { "/0/%s/artifacts/a", run, false, SK_INVALID },
        { "0/%s/artifacts//a", run, false, SK_INVALID },
        { "0/%s/artifacts/a\\b", run, false, SK_INVALID },
        { "0/%s/artifacts/./a", run, false, SK_INVALID },
        { "0/%s/artifacts/", run, false, SK_INVALID },
    };

    assert_string_equal(other, "1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(1000);
        const char *mark = strstr(rows[i].pattern, "%s");

        sk_buf_add(&path, rows[i].pattern, (size_t)(mark - rows[i].pattern));
        sk_buf_str(&path, rows[i].id);
        sk_buf_str(&path, mark + 2);
        f->err = (struct sk_err)SK_ERR_INIT;
        int rc = sk_run_artifact_may_write(f->store, path.data, rows[i].tree, &f->err);
        if ((rc == 0) != (rows[i].code == SK_OK) || (rc < 0 && f->err.code != rows[i].code))
            fail_msg("%s: %s %s", path.data, sk_code_name(f->err.code), f->err.text);
    }
    assert_ok(sk_run_set_deleted(f->store, &f->who, run, true, &f->err), &f->err);
    char path[128];
    (void)snprintf(path, sizeof(path), "0/%s/artifacts/a.txt", run);
    assert_failed(sk_run_artifact_may_write(f->store, path, false, &f->err), &f->err, SK_INVALID,
                  "deleted");
}

static void put_and_remove(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    char path[256], folder[128], digest[SK_DIGEST_TEXT];
    struct sk_tx *tx = NULL;

    assert_ok(sk_run_artifact_root(f->store, run, answer(f), &f->err), &f->err);
    (void)snprintf(folder, sizeof(folder), "%s", f->out.data);
    (void)snprintf(path, sizeof(path), "%s/model/a.txt", folder);
    put_blob(f, "hello", digest);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &f->err), &f->err);
    assert_ok(sk_run_artifact_put(tx, &f->who, path, digest, 5, &f->err), &f->err);
    assert_ok(sk_tx_commit(&tx, &f->err), &f->err);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM artifact"), 1);
    assert_failed(sk_run_artifact_remove(f->store, &f->who, "models/net/1", &f->err), &f->err,
                  SK_DENIED, "only");
    assert_ok(sk_run_artifact_remove(f->store, &f->who, folder, &f->err), &f->err);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM artifact"), 0);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM audit WHERE action LIKE 'artifact.%'"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(may_write, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(put_and_remove, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
