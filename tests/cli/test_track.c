/* test_track.c - the thread that tells a hub about a training. */
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "cli_test.h"
#include "hub_test.h"
#include "track_test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sk_track *start(const struct sk_track_options *o, struct sk_train_watch *watch)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_track *t = NULL;

    if (sk_track_start(o, &t, &err) < 0)
        fail_msg("%s", err.text);
    *watch = sk_track_watch(t);
    return t;
}

static void epochs(const struct sk_train_watch *watch, unsigned first, unsigned count)
{
    const struct sk_train_batch b = { .epoch = 1 };

    for (unsigned i = 0; i < count; i++) {
        const struct sk_train_epoch e = { .epoch = first + i, .loss = 1.0 / (first + i) };
        watch->batch(watch->ctx, &b);
        watch->epoch(watch->ctx, &e);
    }
}

static void must_say(const struct shown *s, const char *part)
{
    if (!strstr(s->notes, part))
        fail_msg("'%s' in: %s", part, s->notes);
}

static size_t points(const struct sk_json *found)
{
    const struct sk_json *run = sk_json_at(sk_json_get(found, "runs"), 0);
    char path[160];

    (void)snprintf(path, sizeof(path),
                   "/api/2.0/mlflow/metrics/get-history?metric_key=loss&run_id=%s",
                   sk_json_get_text(sk_json_get(run, "info"), "run_id", ""));
    SK_OWN(sk_json_free) struct sk_json *history = ask_hub(path, NULL);
    return sk_json_count(sk_json_get(history, "metrics"));
}

/* More than one message, more than a thread can hold: all of them arrive. */
static void all_arrive(void **state)
{
    const struct sk_train_result result = { .is_first = true, .has_figures = true };
    struct hub_test h;
    struct shown shown;
    struct sk_train_watch watch;
    (void)state;

    hub_test_start(&h);
    const struct sk_track_options o = track_options(NULL, "all", h.dir, &shown);
    struct sk_track *t = start(&o, &watch);
    epochs(&watch, 1, 1234);
    sk_track_end(t, &result, NULL);
    assert_int_equal(shown.epochs, 1234);
    assert_int_equal(shown.batches, 1234);
    must_say(&shown, "tracked: run ");
    SK_OWN(sk_json_free) struct sk_json *found = runs_of("all");
    assert_int_equal(points(found), 1234);
    hub_test_stop(&h);
}

/* The queue has a bound; what it let go is said. */
static void bounded_queue(void **state)
{
    const struct sk_train_result result = { .is_first = true };
    char dir[] = "/nonexistent";
    struct shown shown;
    struct sk_train_watch watch;
    (void)state;

    assert_int_equal(setenv("SKERRY_CONFIG_DIR", "/nonexistent", 1), 0);
    assert_int_equal(unsetenv("SKERRY_HUB"), 0);
    assert_int_equal(setenv("SKERRY_TOKEN", "skt_x", 1), 0);
    struct sk_track_options o = track_options("http://127.0.0.1:9", NULL, dir, &shown);
    o.last_ms = 200;
    uint64_t begin = sk_now_ms();
    struct sk_track *t = start(&o, &watch);
    epochs(&watch, 1, SK_TRACK_QUEUE + 10);
    uint64_t trained = sk_now_ms() - begin;
    sk_track_end(t, &result, NULL);
    uint64_t ended = sk_now_ms() - begin;

    must_say(&shown, "not tracked: http://127.0.0.1:9 got nothing of this run (4106 epochs");
    must_say(&shown, "nothing is sent later: ");
    if (trained > 20000 || ended > 40000)
        fail_msg("%llu and %llu ms", (unsigned long long)trained, (unsigned long long)ended);
}

static bool has_note(struct sk_track *t)
{
    SK_LOCK(&t->lock);
    return t->note_count > 0;
}

/* The last try is ended by --track-wait while it hangs: the reason that was known is told. */
static void keeps_the_reason(void **state)
{
    const struct sk_train_result result = { .is_first = true };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    struct shown shown;
    struct sk_train_watch watch;
    char url[64];
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0); /* refuses, until it listens */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", "/nonexistent", 1), 0);
    assert_int_equal(unsetenv("SKERRY_HUB"), 0);
    assert_int_equal(setenv("SKERRY_TOKEN", "skt_x", 1), 0);
    struct sk_track_options o = track_options(url, NULL, "/nonexistent", &shown);
    o.last_ms = 3000;
    struct sk_track *t = start(&o, &watch);
    epochs(&watch, 1, 1);
    uint64_t until = sk_now_ms() + 30000;
    while (!has_note(t) && sk_now_ms() < until)
        (void)usleep(10000);
    assert_int_equal(listen(fd, 8), 0);
    sk_track_end(t, &result, NULL);
    must_say(&shown, "nothing is sent later: ");
    if (!strstr(strstr(shown.notes, "nothing is sent later: "), "connect"))
        fail_msg("%s", shown.notes);
}

/* What the hub refused: the rest arrives, and the run says that it is not whole. */
static void refused_file(void **state)
{
    const struct sk_train_result result = { .is_first = true, .has_figures = true };
    struct hub_test h;
    struct shown shown;
    struct sk_train_watch watch;
    (void)state;

    hub_test_start(&h);
    struct sk_track_options o = track_options(NULL, "part", h.dir, &shown);
    struct sk_train_options train = *o.train;
    train.onnx_name = "report.html/../model.onnx"; /* not a name for an artifact */
    o.train = &train;
    write_text(h.dir, "model.onnx", "a model");
    SK_OWN(free) char *folder = sk_path_join(h.dir, "report.html");
    assert_int_equal(mkdir(folder, 0700), 0);
    struct sk_track *t = start(&o, &watch);
    epochs(&watch, 1, 2);
    sk_track_end(t, &result, NULL);
    must_say(&shown, "that is left out");
    must_say(&shown, "lacks files of the bundle, and says so (tag skerry.incomplete)");
    SK_OWN(sk_json_free) struct sk_json *found = runs_of("part");
    const struct sk_json *run = sk_json_at(sk_json_get(found, "runs"), 0);
    assert_string_equal(sk_json_get_text(sk_json_get(run, "info"), "status", ""), "FAILED");
    assert_int_equal(points(found), 2);
    hub_test_stop(&h);
}

static void nothing_trained(void **state)
{
    const struct sk_train_result first = { .is_first = true }, other = { .is_first = false };
    struct sk_err why = SK_ERR_INIT;
    struct hub_test h;
    struct shown shown;
    struct sk_train_watch watch;
    (void)state;

    hub_test_start(&h);
    const struct sk_track_options o = track_options(NULL, "none", h.dir, &shown);
    sk_track_end(start(&o, &watch), &first, NULL);
    must_say(&shown, "not tracked: nothing was trained");
    shown.notes[0] = '\0';
    sk_track_end(start(&o, &watch), &other, NULL); /* of a group of processes */
    assert_string_equal(shown.notes, "");
    (void)sk_fail(&why, SK_INVALID, "no pictures");
    sk_track_end(start(&o, &watch), NULL, &why);
    assert_string_equal(shown.notes, "");
    sk_track_end(NULL, &first, NULL);
    hub_test_stop(&h);
}

static void failed_one(void **state)
{
    struct sk_err why = SK_ERR_INIT;
    struct hub_test h;
    struct shown shown;
    struct sk_train_watch watch;
    (void)state;

    hub_test_start(&h);
    const struct sk_track_options o = track_options(NULL, "failed", h.dir, &shown);
    struct sk_track *t = start(&o, &watch);
    epochs(&watch, 1, 2);
    (void)sk_fail(&why, SK_INVALID, "the loss is not finite");
    sk_track_end(t, NULL, &why);
    SK_OWN(sk_json_free) struct sk_json *found = runs_of("failed");
    const struct sk_json *run = sk_json_at(sk_json_get(found, "runs"), 0);
    assert_string_equal(sk_json_get_text(sk_json_get(run, "info"), "status", ""), "FAILED");
    assert_int_equal(points(found), 2);
    hub_test_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrive),      cmocka_unit_test(refused_file),
        cmocka_unit_test(nothing_trained), cmocka_unit_test(failed_one),
        cmocka_unit_test(bounded_queue),   cmocka_unit_test(keeps_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
