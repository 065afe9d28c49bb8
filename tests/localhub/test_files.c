/* test_files.c - what is on the disk, and what becomes of damage. */
#include "rig.h"

#include <signal.h>
#include <sys/resource.h>

static char *read_named(struct rig *r, const char *name)
{
    char path[300], *text = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    DONE(sk_file_read(path, 1 << 20, &text, &len, &err));
    return text;
}

static void write_named(struct rig *r, const char *name, const char *text)
{
    char path[300];
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    DONE(sk_file_write(path, text, strlen(text), 0600, &err));
}

static void a_restart_needs_no_agent(void **state)
{
    struct rig *r = *state;
    SK_OWN(free) char *hub = read_named(r, "hub.json");
    assert_non_null(strstr(hub, "\"gateway\":\"gateway\""));
    assert_non_null(strstr(hub, "\"instance\":\"m-1\""));
    rig_restart(r, false);
    SK_LOCK(&r->h->lock);
    assert_true(r->h->config.is_known);
    assert_string_equal(r->h->config.hub_name, HUB);
    assert_non_null(r->h->routes);
    assert_true(sk_lh_ident_find(r->h, DEVICE, "m")->is_listed);
    assert_true(sk_lh_ident_find(r->h, DEVICE, "m")->twin.is_seen);
}

static void damage_is_put_aside(void **state)
{
    static const char *const names[] = { "hub.json", "sessions.json", "twins/" DEVICE "%2Fm.json" };
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char aside[100];
        agent_close(r);
        rig_stop(r);
        write_named(r, names[i], "{\"half\":");
        rig_start(r);
        agent_connect(r);
        agent_configure(r);
        (void)snprintf(aside, sizeof aside, "%s.damaged", names[i]);
        SK_OWN(free) char *kept = read_named(r, aside);
        assert_string_equal(kept, "{\"half\":");
        cloud_wait_up(r, DEVICE "/m", NULL);
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        client_say(c, "m", "", names[i]);
    }
}

struct waiter {
    struct sk_lh_later later;
    atomic_int result; /* 1: kept, -1: failed */
};

static void on_kept(struct sk_lh_later *later, const struct sk_err *failed)
{
    atomic_store(&((struct waiter *)later)->result, failed ? -1 : 1);
}

static int wait_for_result(struct waiter *w)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    while (atomic_load(&w->result) == 0 && sk_now_ms() < until)
        (void)usleep(1000);
    return atomic_load(&w->result);
}

static void set_full(bool is_full)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void who_waits_is_told_of_a_full_disk(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    struct waiter a = { .later.run = on_kept }, b = a, again = a;
    set_full(true);
    {
        SK_LOCK(&r->h->lock);
        sk_lh_files_sessions(r->h, &a.later);
        sk_lh_files_twin(r->h, id, &b.later);
    }
    assert_int_equal(wait_for_result(&a), -1);
    assert_int_equal(wait_for_result(&b), -1);
    set_full(false);
    {
        SK_LOCK(&r->h->lock);
        sk_lh_files_twin(r->h, id, &again.later);
    }
    assert_int_equal(wait_for_result(&again), 1);
}

static void long_names_have_files_too(void **state)
{
    struct rig *r = *state;
    char name[SK_IOT_ID_MAX + 1];
    struct waiter w = { .later.run = on_kept };
    memset(name, '*', SK_IOT_ID_MAX);
    name[SK_IOT_ID_MAX] = '\0';
    {
        SK_LOCK(&r->h->lock);
        struct sk_lh_ident *id = sk_lh_ident_get(r->h, name, name);
        assert_non_null(id);
        id->twin.desired_version = 77;
        sk_lh_files_twin(r->h, id, &w.later);
    }
    assert_int_equal(wait_for_result(&w), 1);
    rig_restart(r, false);
    SK_LOCK(&r->h->lock);
    assert_int_equal(sk_lh_ident_find(r->h, name, name)->twin.desired_version, 77);
}

static void one_at_a_time_works_in_a_folder(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh *second = NULL;
    char run[300];
    (void)snprintf(run, sizeof run, "%s/second", r->top);
    const struct sk_localhub_options opts = { .dir = r->dir, .run_dir = run };
    assert_int_equal(sk_lh_new(&opts, &second, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_restart_needs_no_agent),
        ROW(damage_is_put_aside),
        ROW(who_waits_is_told_of_a_full_disk),
        LONE_ROW(long_names_have_files_too),
        LONE_ROW(one_at_a_time_works_in_a_folder),
    };
    return cmocka_run_group_tests_name("localhub/files", tests, NULL, NULL);
}
