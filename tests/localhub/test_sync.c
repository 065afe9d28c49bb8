/* test_sync.c - twins and the cloud. */
#include "rig.h"

#define M       DEVICE "/m"
#define DESIRED "$iothub/twin/PATCH/properties/desired/?$version="
#define PATCH   M " $iothub/twin/PATCH/properties/reported/?$rid="

struct expected {
    const char *id, *desired, *reported;
    int64_t version;
};

static bool is_as_expected(struct rig *r, void *ctx)
{
    const struct expected *e = ctx;
    const struct sk_lh_ident *id = sk_lh_ident_by_key(r->h, sk_view_of(e->id));
    return (!e->desired || strcmp(id->twin.desired, e->desired) == 0) &&
           (!e->reported || strcmp(id->twin.reported, e->reported) == 0) &&
           (e->version == 0 || id->twin.desired_version == e->version);
}

static void expect(struct rig *r, const char *desired, int64_t version, const char *reported)
{
    struct expected e = { M, desired, reported, version };
    wait_until(r, is_as_expected, &e, desired ? desired : reported);
}

static void report(struct rig *r, const char *patch)
{
    struct sk_lh_ident *id = ident_of(r, M);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    DONE(sk_json_parse(patch, strlen(patch), NULL, &doc, &err));
    SK_LOCK(&r->h->lock);
    DONE(sk_lh_twin_patch(id, doc, false, NULL, &err));
}

static void patches_are_merged_in_sequence(void **state)
{
    struct rig *r = *state;
    cloud_send(r, M, DESIRED "2", "{\"a\":{\"b\":1},\"$version\":2}", 0);
    expect(r, "{\"a\":{\"b\":1}}", 2, NULL);
    cloud_send(r, M, DESIRED "3", "{\"a\":{\"b\":null,\"c\":2},\"$version\":3}", 0);
    expect(r, "{\"a\":{\"c\":2}}", 3, NULL);
    cloud_send(r, M, DESIRED "3", "{\"old\":1,\"$version\":3}", 0);
    cloud_send(r, M, DESIRED "4", "{\"new\":1,\"$version\":4}", 0);
    expect(r, "{\"a\":{\"c\":2},\"new\":1}", 4, NULL);
    assert_int_equal(notes_count(&r->cloud.notes, M " $iothub/twin/GET/"), 1);
}

static void a_gap_fetches_the_whole(void **state)
{
    struct rig *r = *state;
    cloud_twin(r, M, "{\"desired\":{\"whole\":1,\"$version\":9},\"reported\":{\"$version\":1}}");
    cloud_send(r, M, DESIRED "8", "{\"part\":1,\"$version\":8}", 0);
    expect(r, "{\"whole\":1}", 9, NULL);
}

static void a_restored_cloud_counts(void **state)
{
    struct rig *r = *state;
    cloud_send(r, M, DESIRED "2", "{\"a\":1,\"$version\":2}", 0);
    expect(r, "{\"a\":1}", 2, NULL);
    cloud_twin(r, M, "{\"desired\":{\"b\":1,\"$version\":1},\"reported\":{\"$version\":1}}");
    cloud_cut(r, M);
    expect(r, "{\"b\":1}", 1, NULL);
}

static void reports_go_up_together(void **state)
{
    struct rig *r = *state;
    notes_clear(&r->cloud.notes);
    report(r, "{\"a\":1}");
    for (int i = 0; i < 50; i++)
        report(r, i % 2 ? "{\"b\":1}" : "{\"b\":null}");
    report(r, "{\"b\":2,\"last\":true}");
    notes_wait(&r->cloud.notes, "{\"a\":1}", "\"last\":true", NULL);
    assert_true(notes_count(&r->cloud.notes, PATCH) < 52);
    (void)usleep(100000);
    notes_clear(&r->cloud.notes);
    report(r, "{\"a\":1}"); /* nothing new */
    (void)usleep(QUIET_MS * 1000);
    assert_int_equal(notes_count(&r->cloud.notes, PATCH), 0);
}

static void what_was_not_sent_survives_both_sides(void **state)
{
    struct rig *r = *state;
    report(r, "{\"ours\":1,\"gone\":1}");
    notes_wait(&r->cloud.notes, PATCH, "{\"ours\":1,\"gone\":1}", NULL);
    cloud_twin(r, M,
               "{\"desired\":{\"$version\":1},\"reported\":{\"ours\":1,\"gone\":1,\"theirs\":1,"
               "\"$version\":5}}");
    cloud_stop(r);
    report(r, "{\"ours\":2,\"gone\":null}");
    rig_restart(r, true);
    cloud_start(r);
    notes_wait(&r->cloud.notes, PATCH, "{\"ours\":2,\"gone\":null}", NULL);
    expect(r, NULL, 0, "{\"ours\":2,\"theirs\":1}");
}

static bool is_put_off(struct rig *r, void *ctx)
{
    const struct sk_lh_ident *id = ctx;
    (void)r;
    return id->twin.retry_at_ms > sk_now_ms() && strcmp(id->twin.base, "{}") == 0;
}

static void a_refused_patch_is_tried_again_later(void **state)
{
    struct rig *r = *state;

    struct sk_lh_ident *id = ident_of(r, M);
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.patch_status = 429;
    }

    report(r, "{\"a\":1}");
    notes_wait(&r->cloud.notes, PATCH, "{\"a\":1}", NULL);
    wait_until(r, is_put_off, id, "it is put off");
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.patch_status = 0;
    }
    {
        SK_LOCK(&r->h->lock);
        id->twin.retry_at_ms = 0;
    }
    notes_wait(&r->cloud.notes, "{\"a\":1}", "{\"a\":1}", NULL);
}

static void who_does_not_answer_is_asked_again(void **state)
{
    struct rig *r = *state;
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.is_deaf_to_gets = true;
    }

    cloud_send(r, M, DESIRED "7", "{\"a\":1,\"$version\":7}", 0);
    notes_wait(&r->cloud.notes, M " $iothub/twin/GET/", M " $iothub/twin/GET/", NULL);
    struct sk_lh_ident *id = ident_of(r, M);
    sk_lh_sync_tick(r->h, sk_now_ms() + 100000);
    {
        SK_LOCK(&r->h->lock);
        assert_int_equal(id->twin.failures, 1);
    }
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.is_deaf_to_gets = false;
    }

    sk_lh_sync_tick(r->h, sk_now_ms() + 100000); /* it may have asked the deaf one once more */
    {
        SK_LOCK(&r->h->lock);
        id->twin.retry_at_ms = 0;
    }
    expect(r, "{}", 1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(patches_are_merged_in_sequence),
        ROW(a_gap_fetches_the_whole),
        ROW(a_restored_cloud_counts),
        ROW(reports_go_up_together),
        ROW(what_was_not_sent_survives_both_sides),
        ROW(a_refused_patch_is_tried_again_later),
        ROW(who_does_not_answer_is_asked_again),
    };
    return cmocka_run_group_tests_name("localhub/sync", tests, NULL, NULL);
}
