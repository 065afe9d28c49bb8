/*
 * test_identity.c - identities of modules at the hub: what is asked in which order, what is kept.
 *
 * The program that the agent calls is a script here: it writes down each order, and answers as the
 * test says. The real hub answers in tests/it.
 */
#include "agent/agent_util.h"

#include "base/file.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000,
    WAKE_MS = 500
};

/* Answers: the content of answer.json below the folder. */
static void install(struct rig *r, const char *answer)
{
    char script[600];
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\n[ \"$1\" = edge-call ] || exit 9\n"
                   "cat >> '%s/orders'; echo >> '%s/orders'; cat '%s/answer.json'\n",
                   r->dir, r->dir, r->dir);
    write_text(at(r->dir, "program"), script);
    assert_int_equal(chmod(at(r->dir, "program"), 0700), 0);
    write_text(at(r->dir, "answer.json"), answer);
    free(r->a.program);
    r->a.program = strdup(at(r->dir, "program"));
    (void)snprintf(r->a.secrets.device_key, sizeof r->a.secrets.device_key, "a2V5");
    r->a.config.hub_https_port = 8443;
}

static bool is_known(struct rig *r, const char *module, char generation[64])
{
    bool is;
    sk_agent_generation(&r->a, module, generation, &is);
    return is;
}

/* A try that a slow machine had no time for would be repeated a minute later: it is woken. */
static void pause_and_wake(struct rig *r, uint64_t *woken_ms)
{
    (void)poll(NULL, 0, 10);
    if (sk_now_ms() - *woken_ms < WAKE_MS)
        return;
    *woken_ms = sk_now_ms();
    sk_agent_identity_wake(&r->a);
}

static void wait_known(struct rig *r, const char *module, bool wanted)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    uint64_t woken_ms = sk_now_ms();
    char generation[64];
    while (is_known(r, module, generation) != wanted) {
        if (sk_now_ms() > until)
            fail_msg("'%s' is %sregistered", module, wanted ? "not " : "");
        pause_and_wake(r, &woken_ms);
    }
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->a.stops, true);
    sk_agent_identity_stop(&r->a);
    free(r->a.program);
    r->a.program = NULL;
    return rig_tear_down(state);
}

#define GOOD                                                                                       \
    "{\"answers\":[{\"status\":200,\"generation\":\"g1\",\"managedBy\":\"IotEdge\"},"              \
    "{\"status\":200,\"generation\":\"g2\",\"managedBy\":\"IotEdge\"}]}"

/* It is known a moment before it is written down. */
static void wait_kept(struct rig *r, const char *words)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    for (;;) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *kept = NULL;
        size_t len;
        if (sk_file_read(at(r->dir, "state/identities.json"), 8 << 20, &kept, &len, &err) == 0 &&
            strstr(kept, words))
            return;
        if (sk_now_ms() > end)
            fail_msg("%s: not in %s", words, kept ? kept : err.text);
        (void)usleep(5000);
    }
}

static void test_registers(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char generation[64];
    install(r, GOOD);
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    (void)rig_module(r, "gone", NULL); /* not wanted: not registered */
    assert_false(is_known(r, "cats", generation));
    assert_string_equal(generation, "0");
    DONE(sk_agent_identity_start(&r->a, &err));
    wait_known(r, "cats", true);
    assert_true(is_known(r, "$edgeAgent", generation));
    assert_string_equal(generation, "g1");
    assert_true(is_known(r, "$edgeHub", generation));
    assert_true(is_known(r, "cats", generation));
    assert_string_equal(generation, "g2"); /* of the second call, which sets the keys */
    assert_false(is_known(r, "gone", generation));
    /* What was asked, and that it is kept. */
    SK_OWN(free) char *orders = text_of(at(r->dir, "orders"));
    char key[64];
    DONE(sk_agent_module_key(&r->a.secrets, "cats", "primary", key, &err));
    static const char *const words[] = { "\"base\":\"https://hub.test:8443\"",
                                         "\"token\":\"SharedAccessSignature ",
                                         "/devices/press-4/modules/%24edgeAgent?api-version=",
                                         "/devices/press-4/modules/cats?api-version=",
                                         "\"managedBy\":\"IotEdge\"",
                                         "\"force\":true" };
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(orders, words[i]))
            fail_msg("%s: not in %s", words[i], orders);
    assert_non_null(strstr(orders, key));
    assert_null(strstr(orders, "gone"));
    wait_kept(r, "{\"name\":\"cats\",\"generation\":\"g2\",\"isRegistered\":true}");
}

static void test_kept(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char generation[64];
    install(r, "{\"answers\":[{\"status\":0,\"error\":\"no network\"}]}");
    write_text(at(r->dir, "state/identities.json"),
               "{\"modules\":[{\"name\":\"$edgeAgent\",\"generation\":\"a\",\"isRegistered\":true},"
               "{\"name\":\"$edgeHub\",\"generation\":\"b\",\"isRegistered\":true},"
               "{\"name\":\"cats\",\"generation\":\"c\",\"isRegistered\":true},{\"name\":3}]}");
    DONE(sk_agent_identity_start(&r->a, &err));
    assert_true(is_known(r, "cats", generation));
    assert_string_equal(generation, "c");
    (void)poll(NULL, 0, 50); /* without a deployment nothing is removed */
    assert_true(is_known(r, "cats", generation));
}

static void test_damaged(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    install(r, GOOD);
    write_text(at(r->dir, "state/identities.json"), "{");
    DONE(sk_agent_identity_start(&r->a, &err));
    wait_known(r, "$edgeHub", true); /* asked for again */
}

/* Again until it works. */
static void test_retries(void **state)
{
    static const char *const bad[] = {
        "{\"answers\":[{\"status\":0,\"error\":\"no network\"},{\"status\":0}]}",
        "{\"answers\":[]}",
        "{",
        "{\"answers\":[{\"status\":401,\"error\":\"no\"},{\"status\":401,\"error\":\"no\"}]}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rig *r = *state;
        struct sk_err err = SK_ERR_INIT;
        char generation[64];
        if (i > 0) {
            tear_down(state);
            rig_set_up(state);
            r = *state;
        }
        install(r, bad[i]);
        DONE(sk_agent_identity_start(&r->a, &err));
        while (!sk_is_file(at(r->dir, "orders")))
            (void)poll(NULL, 0, 10);
        (void)poll(NULL, 0, 100);
        assert_false(is_known(r, "$edgeAgent", generation));
        write_text(at(r->dir, "answer.json"), GOOD);
        sk_agent_identity_wake(&r->a); /* a deployment, or the uplink, does so */
        wait_known(r, "$edgeAgent", true);
    }
}

/* One that the hub refuses keeps no other waiting; nor does one for which there is no place. */
static void test_passes(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char script[800], generation[64];
    install(r, GOOD);
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\nread -r order\ncase \"$order\" in */bad*) "
                   "echo '{\"answers\":[{\"status\":400,\"error\":\"no\"},{\"status\":400}]}';; "
                   "*) cat '%s/answer.json';; esac\n",
                   r->dir);
    write_text(at(r->dir, "program"), script);
    assert_int_equal(chmod(at(r->dir, "program"), 0700), 0);
    (void)rig_module(r, "bad", spec_of("bad", "{\"settings\":{\"image\":\"i\"}}"));
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    DONE(sk_agent_identity_start(&r->a, &err));
    wait_known(r, "cats", true);
    assert_false(is_known(r, "bad", generation));
}

static void test_full(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char generation[64];
    install(r, GOOD);
    DONE(sk_agent_identity_start(&r->a, &err));
    wait_known(r, "$edgeHub", true);
    {
        SK_LOCK(&r->a.lock);
        r->a.desired_version = 1;
        (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
        while (r->a.identity_count < COUNT(r->a.identities)) {
            struct sk_agent_identity *i = &r->a.identities[r->a.identity_count++];
            (void)snprintf(i->name, sizeof i->name, "old-%zu", r->a.identity_count);
        }
    }
    sk_agent_identity_wake(&r->a);
    wait_known(r, "cats", true);
    assert_false(is_known(r, "old-3", generation));
}

/* Removed only what nobody wants and what is still ours. */
static void test_removes(void **state)
{
    static const struct {
        const char *answer;
        unsigned deletes;
    } rows[] = {
        { "{\"answers\":[{\"status\":200,\"managedBy\":\"IotEdge\"}]}", 1 },
        { "{\"answers\":[{\"status\":200,\"managedBy\":\"somebody\"}]}", 0 },
        { "{\"answers\":[{\"status\":404,\"error\":\"gone\"}]}", 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *r = *state;
        struct sk_err err = SK_ERR_INIT;
        if (i > 0) {
            tear_down(state);
            rig_set_up(state);
            r = *state;
        }
        install(r, rows[i].answer);
        r->a.desired_version = 3;
        write_text(at(r->dir, "state/identities.json"),
                   "{\"modules\":[{\"name\":\"$edgeAgent\",\"isRegistered\":true},"
                   "{\"name\":\"$edgeHub\",\"isRegistered\":true},"
                   "{\"name\":\"dogs\",\"generation\":\"c\",\"isRegistered\":true}]}");
        DONE(sk_agent_identity_start(&r->a, &err));
        wait_known(r, "dogs", false);
        atomic_store(&r->a.stops, true);
        sk_agent_identity_stop(&r->a);
        SK_OWN(free) char *orders = text_of(at(r->dir, "orders"));
        assert_int_equal(strstr(orders, "\"DELETE\"") != NULL, rows[i].deletes);
        SK_OWN(free) char *kept = text_of(at(r->dir, "state/identities.json"));
        assert_null(strstr(kept, "dogs"));
    }
}

/* ---- after what it has sent ---- */

struct range {
    unsigned first, next;
};

static struct {
    pthread_mutex_t lock; /* guards the others */
    bool is_open;
    struct range queues[2]; /* of the local hub's answer; the other eight are empty */
    unsigned asked;
} hub = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void answer_status(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                          void *ctx)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    struct sk_err err = SK_ERR_INIT;
    (void)m, (void)ctx;
    if (strcmp(type, "status") != 0)
        return;
    SK_LOCK(&hub.lock);
    sk_buf_str(&b, "\"spool\":{\"upstream\":[");
    for (size_t p = 0; hub.is_open && p < SK_AGENT_PRIORITIES; p++)
        sk_buf_fmt(&b, "%s{\"first\":%u,\"next\":%u}", p > 0 ? "," : "",
                   p < 2 ? hub.queues[p].first : 0, p < 2 ? hub.queues[p].next : 0);
    sk_buf_str(&b, "]}");
    (void)!sk_wire_answer(w, id, (struct sk_view){ b.data, b.len }, &err);
    hub.asked++;
}

static void hear_nothing(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                         void *ctx)
{
    (void)w, (void)type, (void)id, (void)m, (void)ctx;
}

/* The local hub answers so from now on. */
static void set_queues(bool is_open, struct range one, struct range two)
{
    SK_LOCK(&hub.lock);
    hub.is_open = is_open;
    hub.queues[0] = one;
    hub.queues[1] = two;
    hub.asked = 0;
}

/* And waits until it was asked. */
static void say_queues(struct rig *r, bool is_open, struct range one, struct range two)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    set_queues(is_open, one, two);
    sk_agent_identity_wake(&r->a);
    for (unsigned asked = 0; asked == 0;) {
        assert_true(sk_now_ms() < until);
        (void)poll(NULL, 0, 10);
        SK_LOCK(&hub.lock);
        asked = hub.asked;
    }
}

static bool is_leaving(struct rig *r, const char *module)
{
    SK_LOCK(&r->a.lock);
    for (size_t i = 0; i < r->a.identity_count; i++)
        if (strcmp(r->a.identities[i].name, module) == 0)
            return r->a.identities[i].is_leaving;
    return false;
}

/* It is known what it has to wait for. */
static void wait_leaving(struct rig *r, const char *module)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    for (uint64_t woken_ms = sk_now_ms(); !is_leaving(r, module);) {
        assert_true(sk_now_ms() < until);
        pause_and_wake(r, &woken_ms);
    }
}

#define SAY(...) say_queues(r, true, __VA_ARGS__)
#define R(...)   ((struct range){ __VA_ARGS__ })

static size_t deletes(struct rig *r)
{
    size_t count = 0;
    if (!sk_is_file(at(r->dir, "orders")))
        return 0;
    SK_OWN(free) char *orders = text_of(at(r->dir, "orders"));
    for (const char *p = orders; (p = strstr(p, "\"DELETE\"")); p++)
        count++;
    return count;
}

/* Not before all that waited when it left was sent, whatever others have stored since; one that
 * came back meanwhile leaves anew, and so does the next one in its place.
 */
static void test_waits_for_messages(void **state)
{
    const struct sk_wire_handler deaf = { .message = hear_nothing },
                                 handler = { .message = answer_status };
    struct rig *r = *state;
    SK_OWN(sk_wire_free) struct sk_wire *w = NULL;
    struct sk_err err = SK_ERR_INIT;
    char generation[64];
    int pair[2];
    install(r, GOOD);
    r->a.desired_version = 3;
    write_text(at(r->dir, "state/identities.json"),
               "{\"modules\":[{\"name\":\"$edgeAgent\",\"isRegistered\":true},"
               "{\"name\":\"$edgeHub\",\"isRegistered\":true},"
               "{\"name\":\"dogs\",\"generation\":\"c\",\"isRegistered\":true}]}");
    DONE(sk_mkdirs(at(r->dir, "hub/spool"), 0700, &err));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    DONE(sk_wire_open(pair[1], &handler, &w, &err));
    DONE(sk_wire_open(pair[0], &deaf, &r->a.wire, &err));
    DONE(sk_agent_identity_start(&r->a, &err));
    say_queues(r, false, R(0, 0), R(0, 0)); /* the spool is not open */
    SAY(R(3, 8), R(0, 0));
    wait_leaving(r, "dogs");
    SAY(R(3, 9), R(0, 0));
    say_queues(r, false, R(0, 0), R(0, 0));
    SAY(R(7, 20), R(1, 5));
    assert_true(is_known(r, "dogs", generation));
    {
        SK_LOCK(&r->a.lock);
        sk_agent_identity_stays_locked(&r->a, "dogs");
    }
    SAY(R(9, 20), R(1, 5));
    wait_leaving(r, "dogs");
    SAY(R(20, 30), R(4, 9));
    assert_true(is_known(r, "dogs", generation));
    assert_int_equal(deletes(r), 0);
    SAY(R(20, 30), R(1, 2)); /* the second began anew */
    wait_known(r, "dogs", false);
    assert_int_equal(deletes(r), 1);
    struct sk_agent_module *m = rig_module(r, "cats",
                                           spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    sk_agent_identity_wake(&r->a);
    wait_known(r, "cats", true);
    set_queues(true, R(30, 40), R(1, 2));
    {
        SK_LOCK(&r->a.lock);
        r->a.module_count--;
    }
    SAY(R(30, 40), R(1, 2));
    wait_leaving(r, "cats");
    SAY(R(39, 50), R(2, 2));
    assert_true(is_known(r, "cats", generation));
    SAY(R(40, 50), R(2, 2));
    wait_known(r, "cats", false);
    assert_int_equal(deletes(r), 2);
    atomic_store(&r->a.stops, true);
    sk_agent_identity_stop(&r->a);
    r->a.modules[r->a.module_count++] = m; /* whose end is the rig's */
    sk_wire_free(SK_TAKE(r->a.wire));
}

static void ask_for_leaf(struct rig *r)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    size_t left = 1;
    {
        SK_LOCK(&r->a.lock);
        r->a.leaf_calls[r->a.leaf_call_count++] = 1;
    }
    sk_agent_identity_wake(&r->a);
    while (left > 0) {
        assert_true(sk_now_ms() < until);
        (void)poll(NULL, 0, 10);
        SK_LOCK(&r->a.lock);
        left = r->a.leaf_call_count;
    }
}

/* Anybody may ask about a device that nobody knows: the hub is not asked each time. */
static void test_leaf_pause(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    install(r, GOOD);
    DONE(sk_agent_identity_start(&r->a, &err));
    wait_known(r, "$edgeHub", true);
    {
        SK_LOCK(&r->a.lock);
        r->a.is_uplink = true;
        r->a.leaves_due_ms = UINT64_MAX;
    }
    const uint64_t began = sk_now_ms(); /* and the first reading not before */
    ask_for_leaf(r);
    ask_for_leaf(r);
    assert_true(sk_now_ms() - began >= 2000);
}

static void test_order(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    install(r, GOOD);
    r->a.config.is_x509 = r->a.config.has_hub_ca = true;
    *r->a.secrets.device_key = '\0';
    (void)snprintf(r->a.config.device, sizeof r->a.config.device, "a b/c");
    DONE(sk_agent_order_modules(&r->a, &b, &err));
    sk_buf_chr(&b, '\0');
    SK_OWN(sk_json_free) struct sk_json *doc = json_of(b.data);
    const struct sk_json *call = sk_json_at(sk_json_get(doc, "calls"), 0);
    assert_string_equal(sk_json_get_text(doc, "token", "none"), "");
    assert_non_null(strstr(sk_json_get_text(doc, "certFile", ""), "secrets/device.pem"));
    assert_non_null(strstr(sk_json_get_text(doc, "caFile", ""), "tls/hub-ca.pem"));
    assert_string_equal(sk_json_get_text(call, "method", ""), "GET");
    assert_true(sk_starts_with(sk_json_get_text(call, "path", ""), "/devices/a%20b%2Fc/modules?"));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, tear_down)
    const struct CMUnitTest tests[] = { ROW(test_registers), ROW(test_kept),
                                        ROW(test_damaged),   ROW(test_retries),
                                        ROW(test_passes),    ROW(test_full),
                                        ROW(test_removes),   ROW(test_waits_for_messages),
                                        ROW(test_order),     ROW(test_leaf_pause) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
