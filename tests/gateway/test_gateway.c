/* test_gateway.c - the gateway's beginning and end, and everything at once. */
#include "fixture.h"

#include "base/thread.h"

enum {
    DEVICES = 6,
    ROUNDS = 25
};

static void counts_and_stop(void **state)
{
    struct fixture *f = *state;
    struct client *c[DEVICES];
    struct sk_gateway_counts counts;
    struct packet p;
    for (size_t i = 0; i < COUNT(c); i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "d%zu", i);
        (void)make_device(f, name);
        c[i] = client_in(f, name, "", true, NULL);
    }
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.connections, DEVICES);
    assert_int_equal(counts.connects, DEVICES);
    sk_gateway_stop(f->g, 2000);
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.connections, 0);
    for (size_t i = 0; i < COUNT(c); i++) {
        client_want(c[i], 0, &p);
        client_free(c[i]);
    }
    settle(f);
    assert_false(identity_of(f, "d0").is_connected);
    /* Events that come later find nobody. */
    change_twin(f, "d0", "", "{\"properties\":{\"desired\":{\"a\":1}}}");
    (void)send_down(f, "d0", "", "", "x");
}

struct wanted {
    const char *name;
    char key[64];
};

static int take_key(void *ctx, const struct sk_policy *p, struct sk_err *err)
{
    struct wanted *w = ctx;
    (void)err;
    if (strcmp(p->name, w->name) == 0)
        (void)snprintf(w->key, sizeof w->key, "%s", p->primary_key);
    return 0;
}

static struct client *by_policy(struct fixture *f, const char *device, const char *policy)
{
    struct wanted w = { .name = policy };
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who;
    struct packet p;
    char user[64];
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1024);
    sk_who_local(&who);
    DONE(sk_policy_init(f->accounts, &err));
    DONE(sk_policy_list(f->accounts, &who, take_key, &w, &err));
    DONE(sk_iot_sas_make(HOST, w.key, policy, (int64_t)(sk_wall_ms() / 1000) + 3600, &token, &err));
    (void)snprintf(user, sizeof user, HOST "/%s/?api-version=2021-04-12", device);
    const struct login l = {
        .client_id = device, .username = user, .password = token.data, .is_clean = true
    };
    struct client *c = client_new(f, "127.0.0.1:1");
    client_connect(c, &l);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 0);
    return c;
}

/* [hub-api-10] A new key of a policy ends who came in by a policy, and nobody else. */
static void policies_renewed(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "a");
    (void)make_device(f, "b");
    (void)make_device(f, "c");
    struct client *own = client_in(f, "a", "", true, NULL);
    struct client *other[] = { by_policy(f, "b", "device"), by_policy(f, "c", "iothubowner") };
    sk_gateway_logins_changed(f->g, SK_GATEWAY_BY_CERT);
    client_quiet(other[0]);
    sk_gateway_logins_changed(f->g, SK_GATEWAY_BY_POLICY);
    for (size_t i = 0; i < COUNT(other); i++) {
        client_want(other[i], 0, &p);
        client_free(other[i]);
    }
    client_quiet(own);
    client_free(own);
    client_free(by_policy(f, "b", "device"));
}

static int make_one(void *ctx, struct sk_err *err)
{
    static const char *const hosts[] = { HOST, NULL };
    struct fixture *f = ctx;
    SK_OWN(sk_gateway_free) struct sk_gateway *g = NULL;
    const struct sk_gateway_options opts = { .accounts = f->accounts,
                                             .devices = f->devices,
                                             .telemetry = f->telemetry,
                                             .hub_names = hosts };
    return sk_gateway_new(&opts, &g, err);
}

static void memory_runs_out(void **state)
{
    assert_true(sk_alloc_sweep("gateway", make_one, *state, 0) >= 3);
}

/* ---- everything at once ---- */

struct storm {
    struct fixture *f;
    unsigned number;
    unsigned acked; /* messages of it that were acknowledged */
};

static void *client_thread(void *arg)
{
    struct storm *s = arg;
    char device[8], topic[64];
    (void)snprintf(device, sizeof device, "d%u", s->number % DEVICES);
    (void)snprintf(topic, sizeof topic, "devices/%s/messages/events/", device);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct client *c = client_new(s->f, NULL);
        char username[64], token[1024] = "";
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof token - 1);
        static const char *const filters[] = { "$iothub/methods/POST/#", "$iothub/twin/res/#" };
        struct packet p;
        (void)snprintf(username, sizeof username, HOST "/%s/?api-version=1", device);
        (void)snprintf(token, sizeof token, HOST "/devices/%s", device);
        if (sk_iot_sas_make(token, KEY_1, NULL, (int64_t)(sk_wall_ms() / 1000) + 600, &b, &err) < 0)
            return NULL;
        client_connect(c, &(struct login){ .client_id = device,
                                           .username = username,
                                           .password = b.data,
                                           .is_clean = round % 5 == 0 });
        client_filters(c, true, 1, 0, filters, COUNT(filters));
        client_say(c, 0, 0, "$iothub/twin/GET/?$rid=1", "");
        for (uint16_t id = 10; id < 20; id++)
            client_say(c, 1, id, topic, "{}");
        while (client_read(c, &p, 2000) && p.type != 0 && !(p.type == PUBACK && p.id == 19)) {
            s->acked += p.type == PUBACK;
            if (p.type == PUBLISH && strncmp(p.topic, "$iothub/methods/POST/x/?$rid=", 29) == 0) {
                char reply[64];
                (void)snprintf(reply, sizeof reply, "$iothub/methods/res/200/?$rid=%.30s",
                               p.topic + 29);
                client_say(c, 0, 0, reply, "1");
            }
        }
        client_free(c);
    }
    return NULL;
}

struct tally {
    atomic_uint asked, ended;
};

static void count_end(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    struct tally *t = ctx;
    (void)status;
    (void)payload;
    (void)failed;
    (void)atomic_fetch_add(&t->ended, 1);
}

/* Clients that push each other out, changes of their identities, twins, methods, messages down:
 * every call ends once, and what was acknowledged is there. */
static void a_storm(void **state)
{
    struct fixture *f = *state;
    struct storm storms[2 * DEVICES];
    pthread_t threads[COUNT(storms)];
    struct tally tally = { 0 };
    struct sk_err err = SK_ERR_INIT;
    unsigned acked = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "d%u", i);
        (void)make_device(f, name);
    }
    for (unsigned i = 0; i < COUNT(storms); i++) {
        storms[i] = (struct storm){ .f = f, .number = i };
        DONE(sk_thread_start(&threads[i], "client", client_thread, &storms[i], &err));
    }
    for (unsigned i = 0; i < 120; i++) {
        char name[8], change[64];
        struct sk_identity out;
        (void)snprintf(name, sizeof name, "d%u", i % DEVICES);
        const struct sk_method_call m = { .device = name,
                                          .module = "",
                                          .name = "x",
                                          .response_ms = 5000,
                                          .connect_ms = i % 3 * 200,
                                          .done = count_end,
                                          .ctx = &tally };
        if (sk_gateway_invoke(f->g, &m, &err) == 0)
            (void)atomic_fetch_add(&tally.asked, 1);
        (void)snprintf(change, sizeof change, "{\"properties\":{\"desired\":{\"a\":%u}}}", i);
        change_twin(f, name, "", change);
        if (i % 10 == 0)
            DONE(sk_identity_update(
                f->devices, &f->service,
                &(struct sk_identity_spec){ .device = name,
                                            .primary_key = KEY_1,
                                            .secondary_key = i % 20 ? KEY_2 : KEY_1,
                                            .is_edge = -1 },
                "*", &out, &err));
        (void)usleep(3000);
    }
    for (unsigned i = 0; i < COUNT(storms); i++) {
        (void)pthread_join(threads[i], NULL);
        acked += storms[i].acked;
    }
    sk_gateway_stop(f->g, 2000);
    assert_int_equal(atomic_load(&tally.ended), atomic_load(&tally.asked));
    settle(f);
    for (unsigned i = 0; i < DEVICES; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "d%u", i);
        assert_false(identity_of(f, name).is_connected);
    }
    struct sk_journal_state journal;
    sk_telemetry_state(f->telemetry, &journal);
    assert_true(acked > 0);
    assert_true(journal.next - 1 >= acked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(counts_and_stop),
        ROW(policies_renewed),
        ROW(memory_runs_out),
        ROW(a_storm),
    };
    return cmocka_run_group_tests_name("gateway/gateway", tests, NULL, NULL);
}
