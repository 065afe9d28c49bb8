#include "runs/fixture.h"

#include "base/file.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

/* Texts that tests got; freed at the end of each. */
static char *kept[4096];
static size_t kept_count;

static char *keep(char *text)
{
    assert_non_null(text);
    assert_true(kept_count < COUNT(kept));
    return kept[kept_count++] = text;
}

int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->out = (struct sk_buf)SK_BUF_INIT(64u << 20);
    f->dir = sk_test_dir();
    f->who = (struct sk_who){ .name = "tester", .peer = "127.0.0.1:1", .role = SK_ROLE_OWNER };
    const char *path = keep(sk_path_join(f->dir, "hub"));
    assert_ok(sk_store_create(path, &f->err), &f->err);
    assert_ok(sk_store_open(path, &f->store, &f->err), &f->err);
    *state = f;
    return 0;
}

int fixture_close(void **state)
{
    struct fixture *f = *state;

    sk_store_close(f->store);
    sk_json_free(f->doc);
    sk_buf_done(&f->out);
    sk_test_dir_free(f->dir);
    free(f);
    while (kept_count > 0)
        free(kept[--kept_count]);
    return 0;
}

struct sk_buf *answer(struct fixture *f)
{
    sk_buf_clear(&f->out);
    f->err = (struct sk_err)SK_ERR_INIT;
    sk_json_free(SK_TAKE(f->doc));
    return &f->out;
}

const struct sk_json *parsed(struct fixture *f)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(64u << 20);
    bool bare = f->out.len > 0 && f->out.data[0] == '"';

    if (f->doc)
        return f->doc;
    if (bare)
        sk_buf_chr(&text, '{');
    sk_buf_add(&text, f->out.data, f->out.len);
    if (bare)
        sk_buf_chr(&text, '}');
    if (sk_json_parse(text.data, text.len, NULL, &f->doc, &f->err) < 0)
        fail_msg("%s in %s", f->err.text, text.data);
    return f->doc;
}

static const struct sk_json *find(struct fixture *f, const char *path)
{
    const struct sk_json *v = parsed(f);

    while (*path) {
        char key[256];
        size_t len = strcspn(path, "/");

        assert_true(len < sizeof(key));
        memcpy(key, path, len);
        key[len] = '\0';
        v = sk_json_type(v) == SK_JSON_ARRAY ? sk_json_at(v, strtoul(key, NULL, 10))
                                             : sk_json_get(v, key);
        path += len + (path[len] == '/');
    }
    return v;
}

const char *text_at(struct fixture *f, const char *path)
{
    return sk_json_text(find(f, path), "");
}

double number_at(struct fixture *f, const char *path)
{
    return sk_json_num(find(f, path), -1e99);
}

size_t count_at(struct fixture *f, const char *path)
{
    return sk_json_count(find(f, path));
}

void assert_failed(int rc, const struct sk_err *err, enum sk_code code, const char *part)
{
    if (rc == 0)
        fail_msg("succeeded; expected %s '%s'", sk_code_name(code), part);
    if (err->code != code || !strstr(err->text, part))
        fail_msg("%s: %s; expected %s '%s'", sk_code_name(err->code), err->text, sk_code_name(code),
                 part);
}

void assert_ok(int rc, const struct sk_err *err)
{
    if (rc < 0)
        fail_msg("%s: %s", sk_code_name(err->code), err->text);
}

char *new_experiment(struct fixture *f, const char *name)
{
    struct sk_buf *id = answer(f);

    assert_ok(sk_experiment_create(f->store, &f->who, name, NULL, 0, id, &f->err), &f->err);
    return keep(strdup(id->data));
}

char *new_run(struct fixture *f, const char *experiment, const char *name)
{
    const struct sk_run_new r = { .experiment_id = experiment, .user_id = "me", .name = name };

    assert_ok(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err);
    return keep(strdup(text_at(f, "info/run_id")));
}

char *new_model(struct fixture *f, const char *run, const char *name)
{
    const struct sk_logged_model_new m = { .name = name, .source_run_id = run };

    assert_ok(sk_logged_model_create(f->store, &f->who, &m, answer(f), &f->err), &f->err);
    return keep(strdup(text_at(f, "info/model_id")));
}

void log_metric(struct fixture *f, const char *run, const char *key, double value, int64_t step)
{
    const struct sk_metric m = {
        .key = key, .value = value, .timestamp_ms = 1000 + step, .step = step
    };
    const struct sk_run_batch b = { .metrics = &m, .metric_count = 1 };

    assert_ok(sk_run_log(f->store, &f->who, run, &b, &f->err), &f->err);
}

void log_param(struct fixture *f, const char *run, const char *key, const char *value)
{
    const struct sk_pair p = { key, value };
    const struct sk_run_batch b = { .params = &p, .param_count = 1 };

    assert_ok(sk_run_log(f->store, &f->who, run, &b, &f->err), &f->err);
}

void set_tag(struct fixture *f, const char *run, const char *key, const char *value)
{
    const struct sk_pair p = { key, value };
    const struct sk_run_batch b = { .tags = &p, .tag_count = 1 };

    assert_ok(sk_run_log(f->store, &f->who, run, &b, &f->err), &f->err);
}

int64_t sql_number(struct fixture *f, const char *sql)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &f->err), &f->err);
    assert_ok(sk_tx_prepare(tx, sql, strlen(sql), &s, &f->err), &f->err);
    assert_int_equal(sk_stmt_next(s, &f->err), 1);
    return sk_stmt_int(s, 0);
}

void put_blob(struct fixture *f, const char *bytes, char digest[SK_DIGEST_TEXT])
{
    struct sk_upload *u = NULL;

    assert_ok(sk_upload_begin(f->store, "artifacts", &u, &f->err), &f->err);
    assert_ok(sk_upload_write(u, bytes, strlen(bytes), &f->err), &f->err);
    assert_ok(sk_upload_finish(&u, NULL, NULL, NULL, digest, &f->err), &f->err);
}

char *long_text(struct fixture *f, char letter, size_t n)
{
    char *text = keep(malloc(n + 1));

    (void)f;
    memset(text, letter, n);
    text[n] = '\0';
    return text;
}
