/* test_track_calls.c - each call against a real hub, and each of them twice. */
#include "cli_test.h"
#include "hub_test.h"
#include "track_test.h"

#include <stdlib.h>

/* A tracking without its thread, so that the test does what that would. */
static void open_track(struct sk_track *t, struct shown *shown, const char *out)
{
    struct sk_err err = SK_ERR_INIT;

    *t = (struct sk_track){ .o = track_options(NULL, "calls", out, shown),
                            .start_ms = 1700000000000 };
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)memcpy(t->tracking_id, "0123456789abcdef0123456789abcdef", SK_TRACK_ID_TEXT);
    t->points = calloc(SK_TRACK_QUEUE, sizeof(*t->points));
    assert_non_null(t->points);
    if (sk_context_load(NULL, &t->context, &err) < 0 ||
        sk_remote_new(&t->context, &t->remote, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_track(struct sk_track *t)
{
    sk_remote_free(t->remote);
    sk_context_done(&t->context);
    free(t->points);
    (void)pthread_mutex_destroy(&t->lock);
}

static void must(int rc, const struct sk_err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static void everything_twice(void **state)
{
    struct hub_test h;
    struct sk_track t;
    struct shown shown;
    struct sk_err err = SK_ERR_INIT;
    char id[64];
    (void)state;

    hub_test_start(&h);
    write_text(h.dir, "model.onnx", "a model");
    write_text(h.dir, "report.html", "a page");
    write_text(h.dir, "private.txt", "not ours");
    open_track(&t, &shown, h.dir);
    must(sk_track_make_run(&t, &err), &err);
    (void)snprintf(id, sizeof(id), "%s", t.run_id);
    t.run_id[0] = '\0'; /* as if the answer had been lost */
    must(sk_track_make_run(&t, &err), &err);
    assert_string_equal(t.run_id, id);
    for (int i = 0; i < 2; i++) {
        must(sk_track_send_settings(&t, &err), &err);
        t.points[0] = (struct sk_track_point){ .epoch = { .epoch = 1, .loss = 0.5 }, .at_ms = 5 };
        t.points[1] = (struct sk_track_point){ .epoch = { .epoch = 2, .loss = 0.25 }, .at_ms = 6 };
        t.first = 0;
        t.count = 2;
        must(sk_track_send_points(&t, &err), &err);
        assert_int_equal(t.count, 0);
        t.result = (struct sk_train_result){ .has_figures = true, .accuracy = 1 };
        t.end_ms = 1700000001000;
        must(sk_track_send_result(&t, &err), &err);
        t.files_sent = 0;
        must(sk_track_send_files(&t, &err), &err);
        must(sk_track_send_status(&t, &err), &err);
    }
    close_track(&t);

    SK_OWN(sk_json_free) struct sk_json *found = runs_of("calls");
    const struct sk_json *runs = sk_json_get(found, "runs"), *run = sk_json_at(runs, 0);
    assert_int_equal(sk_json_count(runs), 1);
    assert_string_equal(sk_json_get_text(sk_json_get(run, "info"), "status", ""), "FINISHED");
    char path[128];
    (void)snprintf(path, sizeof(path),
                   "/api/2.0/mlflow/metrics/get-history?run_id=%s&metric_key=loss", id);
    SK_OWN(sk_json_free) struct sk_json *history = ask_hub(path, NULL);
    assert_int_equal(sk_json_count(sk_json_get(history, "metrics")), 2);
    (void)snprintf(path, sizeof(path), "/api/2.0/mlflow/artifacts/list?run_id=%s", id);
    SK_OWN(sk_json_free) struct sk_json *files = ask_hub(path, NULL);
    assert_int_equal(sk_json_count(sk_json_get(files, "files")), 2);
    hub_test_stop(&h);
}

static void refused(void **state)
{
    struct hub_test h;
    struct sk_track t;
    struct shown shown;
    struct sk_err err = SK_ERR_INIT;
    (void)state;

    hub_test_start(&h);
    open_track(&t, &shown, h.dir);
    (void)snprintf(t.run_id, sizeof(t.run_id), "00000000000000000000000000000000");
    (void)snprintf(t.artifacts, sizeof(t.artifacts), "mlflow-artifacts:/models/x/1");
    write_text(h.dir, "model.onnx", "a model");
    assert_true(sk_track_send_files(&t, &err) < 0);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "'model.onnx'"));
    assert_true(sk_track_send_status(&t, &err) < 0);
    assert_int_equal(err.code, SK_NOT_FOUND);
    close_track(&t);
    hub_test_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_twice),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
