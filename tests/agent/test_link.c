/* test_link.c - what agent and local hub say to each other; the local hub is the test, over a real
 * wire. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000,
    HEARD_MAX = 64
};

static struct hub {
    int listen_fd;
    struct sk_wire *wire;
    pthread_mutex_t lock; /* what follows */
    char *heard[HEARD_MAX];
    size_t count;
    bool refuses;
} hub = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    (void)type, (void)ctx;
    sk_json_dump(m, &b);
    SK_LOCK(&hub.lock);
    if (hub.count < HEARD_MAX)
        hub.heard[hub.count++] = sk_buf_take(&b);
    if (id == 0)
        return;
    (void)sk_fail(&err, SK_NOT_FOUND, "no such instance");
    struct sk_err ignored = SK_ERR_INIT;
    (void)!(hub.refuses ? sk_wire_refuse(w, id, &err, &ignored)
                        : sk_wire_answer(w, id, SK_VIEW(""), &ignored));
}

static void listen_at(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%.100s", path);
    hub.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hub.listen_fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(hub.listen_fd, 4), 0);
}

static void connect_both(struct rig *r)
{
    const struct sk_wire_handler handler = { .message = message };
    struct sk_err err = SK_ERR_INIT;
    sk_agent_link_tick(&r->a);
    assert_non_null(r->a.wire);
    DONE(sk_wire_open(accept(hub.listen_fd, NULL, NULL), &handler, &hub.wire, &err));
}

static int set_up(void **state)
{
    rig_set_up(state);
    struct rig *r = *state;
    SK_OWN(free) char *path = sk_agent_hub_socket(&r->a);
    SK_OWN(free) char *folder = strdup(path);
    struct sk_err err = SK_ERR_INIT;
    *strrchr(folder, '/') = '\0';
    DONE(sk_mkdirs(folder, 0700, &err));
    listen_at(path);
    r->a.is_loaded = true;
    r->a.config.listen[0] = strdup("127.0.0.1");
    r->a.config.mqtt_port = 8883;
    r->a.config.spool_bytes = 77;
    struct sk_agent_module *m = rig_module(r, "cats",
                                           spec_of("cats", "{\"settings\":{\"image\":\"i:v1\"}}"));
    m->told_count = 2;
    (void)snprintf(m->told[0].instance, sizeof m->told[0].instance, "cats-1");
    (void)snprintf(m->told[1].instance, sizeof m->told[1].instance, "cats-2");
    m->roles[0] = "active";
    m->roles[1] = "candidate";
    connect_both(r);
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    sk_agent_link_end(&r->a);
    sk_wire_free(hub.wire);
    hub.wire = NULL;
    (void)close(hub.listen_fd);
    for (size_t i = 0; i < hub.count; i++)
        free(hub.heard[i]);
    hub.count = 0;
    hub.refuses = false;
    return rig_tear_down(state);
}

/* The last message that has these words; fails the test when none comes. */
static void expect(const char *words)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    for (;;) {
        {
            SK_LOCK(&hub.lock);
            for (size_t i = hub.count; i-- > 0;)
                if (strstr(hub.heard[i], words))
                    return;
        }
        if (sk_now_ms() > until)
            fail_msg("nobody said %s", words);
        (void)poll(NULL, 0, 5);
    }
}

static void test_begins(void **state)
{
    struct rig *r = *state;
    expect("\"type\":\"config\"");
    expect("\"device\":\"press-4\"");
    expect("\"hub\":{\"name\":\"hub.test\",\"address\":\"hub.test\"");
    expect("\"spool\":{\"maxBytes\":77");
    expect("{\"type\":\"modules\",\"modules\":[{\"name\":\"cats\",\"generation\":\"0\"");
    expect("\"instances\":[{\"instance\":\"cats-1\",\"role\":\"active\"},{\"instance\":\"cats-2\","
           "\"role\":\"candidate\"}]");
    assert_true(r->a.must_report_whole);
    sk_agent_report_tick(&r->a);
    expect("\"type\":\"report\"");
    expect("\"schemaVersion\":\"1.0\"");
    assert_true(sk_is_file(at(r->dir, "state/reported.json")));
}

/* Before the records were read it is not told that there are no modules. */
static void test_not_loaded(void **state)
{
    struct rig *r = *state;
    expect("\"type\":\"modules\"");
    {
        SK_LOCK(&hub.lock);
        for (size_t i = 0; i < hub.count; i++)
            free(hub.heard[i]);
        hub.count = 0;
    }
    r->a.is_loaded = false;
    sk_agent_send_modules(&r->a);
    sk_agent_send_config(&r->a);
    expect("\"type\":\"config\"");
    SK_LOCK(&hub.lock);
    for (size_t i = 0; i < hub.count; i++)
        assert_null(strstr(hub.heard[i], "\"type\":\"modules\""));
}

static void test_asked(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *json, *words;
        enum sk_code code;
    } rows[] = {
        { "{\"type\":\"sign\",\"module\":\"cats\",\"data\":\"dGV4dA==\"}", "\"digest\":\"", SK_OK },
        { "{\"type\":\"sign\",\"module\":\"\",\"data\":\"dGV4dA==\"}", "a certificate, not a key",
          SK_UNSUPPORTED },
        { "{\"type\":\"sign\",\"module\":\"cats\",\"data\":\"?\"}", "'data'", SK_INVALID },
        { "{\"type\":\"encrypt\",\"module\":\"cats\",\"generation\":\"1\",\"iv\":\"aXY=\",\"data\":"
          "\"dGV4dA==\"}",
          "\"data\":\"", SK_OK },
        { "{\"type\":\"decrypt\",\"module\":\"cats\",\"generation\":\"1\",\"iv\":\"aXY=\",\"data\":"
          "\"dGV4dA==\"}",
          "shorter than its tag", SK_DENIED },
        { "{\"type\":\"certificate\",\"kind\":\"server\",\"module\":\"cats\",\"name\":\"c\"}",
          "\"chain\":\"-----BEGIN CERTIFICATE-----", SK_OK },
        { "{\"type\":\"certificate\",\"kind\":\"server\",\"module\":\"cats\",\"name\":\"c\","
          "\"until\":"
          "\"soon\"}",
          "'until' is no time", SK_INVALID },
        { "{\"type\":\"is-peer\",\"instance\":\"cats-1\",\"pid\":1,\"uid\":0}", "\"is\":false",
          SK_OK },
        { "{\"type\":\"is-peer\",\"instance\":\"none\",\"pid\":1,\"uid\":0}", "\"is\":false",
          SK_OK },
        { "{\"type\":\"list\"}", "\"modules\":[{\"name\":\"cats\"", SK_OK },
        { "{\"type\":\"method\",\"name\":\"ping\"}", "\"status\":200,\"payload\":null", SK_OK },
        { "{\"type\":\"method\",\"name\":\"x\"}", "\"status\":501", SK_OK },
        { "{\"type\":\"other\"}", "'other' is not known here", SK_UNSUPPORTED },
    };
    struct sk_err err = SK_ERR_INIT;
    bool is_new;
    DONE(sk_agent_certs(r->dir, &r->a.config, "", 1764000000, &is_new, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_json_free) struct sk_json *out = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        err = (struct sk_err)SK_ERR_INIT;
        int rc = sk_wire_call(hub.wire, sk_view_of(rows[i].json), PATIENCE_MS, &out, &err);
        if (rc == 0)
            sk_json_dump(out, &b);
        if (err.code != rows[i].code || !strstr(rc == 0 ? b.data : err.text, rows[i].words))
            fail_msg("%s: %d %s %s", rows[i].json, rc, err.text, rc == 0 ? b.data : "");
    }
}

static void test_uplink(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    for (int is = 1; is >= 0; is--) {
        char text[100];
        const uint64_t until = sk_now_ms() + PATIENCE_MS;
        bool now = !is;
        (void)snprintf(text, sizeof text, "{\"type\":\"uplink\",\"isConnected\":%s,\"why\":\"x\"}",
                       is ? "true" : "false");
        DONE(sk_wire_send(hub.wire, sk_view_of(text), &err));
        while (now != (bool)is && sk_now_ms() < until) {
            SK_LOCK(&r->a.lock);
            now = r->a.is_uplink;
        }
        assert_int_equal(now, is);
    }
}

/* The local hub has two seconds for its answer, which a slow machine may need more than once. */
static int promote(struct rig *r, const char *type, const char *instance, struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    int rc;
    do {
        *err = (struct sk_err)SK_ERR_INIT;
        rc = sk_agent_promote(&r->a, type, "cats", instance, err);
    } while (rc < 0 && err->code == SK_TIMEOUT && sk_now_ms() < until);
    return rc;
}

static void test_promotes(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    DONE(promote(r, "promote", "cats-2", &err));
    expect("\"type\":\"promote\"");
    expect("\"instance\":\"cats-2\"");
    {
        SK_LOCK(&hub.lock);
        hub.refuses = true;
    }
    FAILS(promote(r, "demote", "cats-1", &err), SK_NOT_FOUND, "no such instance");
    sk_agent_link_end(&r->a);
    FAILS(sk_agent_promote(&r->a, "demote", "cats", "cats-1", &err), SK_BUSY, "not there");
    sk_agent_send_modules(&r->a); /* nobody to tell */
}

/* A local hub that ends and comes again is told all again. */
static void test_again(void **state)
{
    struct rig *r = *state;
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    bool is_closed = false;
    expect("\"type\":\"config\"");
    {
        SK_LOCK(&r->a.lock);
        r->a.is_uplink = true;
    }
    sk_wire_free(hub.wire);
    hub.wire = NULL;
    while (!is_closed && sk_now_ms() < until) {
        SK_LOCK(&r->a.lock);
        is_closed = r->a.wire_is_closed;
    }
    assert_true(is_closed);
    {
        SK_LOCK(&r->a.lock);
        assert_false(r->a.is_uplink);
        r->a.must_report_whole = false;
    }
    connect_both(r);
    assert_true(r->a.must_report_whole);
    (void)poll(NULL, 0, 20);
    size_t configs = 0;
    const uint64_t later = sk_now_ms() + PATIENCE_MS;
    while (configs < 2 && sk_now_ms() < later) {
        configs = 0;
        SK_LOCK(&hub.lock);
        for (size_t i = 0; i < hub.count; i++)
            configs += strstr(hub.heard[i], "\"type\":\"config\"") != NULL;
    }
    assert_int_equal(configs, 2);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = { ROW(test_begins), ROW(test_not_loaded), ROW(test_asked),
                                        ROW(test_uplink), ROW(test_promotes),   ROW(test_again) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
