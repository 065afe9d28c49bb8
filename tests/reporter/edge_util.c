/* edge_util.c - see edge_util.h. */
#include "edge_util.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "crypto/crypto.h"
#include "iot/iot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char module_key[] = "the module's key";
static const char resource[] = "hub.example/devices/dev-1/modules/cam";

/* ---- certificates ---- */

static void write_file(const char *path, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_certs(struct edge *e)
{
    static const char *const names[] = { "127.0.0.1", NULL };
    const int64_t now = (int64_t)(sk_wall_ms() / 1000);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf key_pem = SK_BUF_INIT(1 << 20);
    assert_int_equal(sk_key_make(&key, &err), 0);
    assert_int_equal(sk_key_private_pem(key, &key_pem, &err), 0);
    (void)snprintf(e->key, sizeof e->key, "%s/key", e->dir);
    (void)snprintf(e->bundle, sizeof e->bundle, "%s/trust.pem", e->dir);
    write_file(e->key, key_pem.data);
    for (int i = 0; i < 2; i++) {
        SK_OWN(sk_key_free) struct sk_key *ca_key = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 20), cert = SK_BUF_INIT(1 << 20);
        assert_int_equal(sk_key_make(&ca_key, &err), 0);
        const struct sk_cert_request ca_request = { .common_name = "edge CA",
                                                    .is_ca = true,
                                                    .not_before = now - 3600,
                                                    .not_after = now + 3600,
                                                    .key = ca_key };
        assert_int_equal(sk_cert_make(&ca_request, &ca, &err), 0);
        const struct sk_cert_request request = { .common_name = "edge",
                                                 .names = names,
                                                 .not_before = now - 3600,
                                                 .not_after = now + 3600,
                                                 .key = key,
                                                 .issuer_pem = ca.data,
                                                 .issuer_key = ca_key };
        assert_int_equal(sk_cert_make(&request, &cert, &err), 0);
        (void)snprintf(e->cert[i], sizeof e->cert[i], "%s/cert-%d", e->dir, i);
        write_file(e->cert[i], cert.data);
        e->ca[i] = sk_buf_take(&ca);
    }
}

void edge_trust(struct edge *e, int ca)
{
    write_file(e->bundle, e->ca[ca]);
}

/* ---- the workload API ---- */

static void on_ask(void *ctx, const struct sk_workload_ask *a, struct sk_workload_call *call)
{
    struct edge *e = ctx;
    struct sk_err err = SK_ERR_INIT;
    unsigned char digest[SK_SHA256_BYTES];
    (void)atomic_fetch_add(&e->asks, 1);
    if (a->kind != SK_WORKLOAD_SIGN || strcmp(a->module, "cam") != 0 ||
        strcmp(a->generation, "gen 1") != 0 ||
        sk_hmac_sha256(module_key, sizeof module_key - 1, a->data.ptr, a->data.len, digest, &err) <
            0)
        abort();
    sk_workload_give(call, (struct sk_view){ (const char *)digest, sizeof digest });
}

static bool on_peer(void *ctx, const char *instance, pid_t pid, uid_t uid)
{
    (void)ctx;
    (void)instance;
    return pid == getpid() && uid == getuid();
}

static void on_list(void *ctx, struct sk_buf *out)
{
    (void)ctx;
    sk_buf_str(out, "{\"modules\":[]}");
}

void edge_workload_start(struct edge *e)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_workload_options o = { .dir = e->dir,
                                           .trust_bundle_file = e->bundle,
                                           .ask = on_ask,
                                           .is_peer = on_peer,
                                           .list = on_list,
                                           .ctx = e };
    if (sk_workload_new(&o, &e->workload, &err) < 0 ||
        sk_workload_open(e->workload, "cam", "cam", &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- the MQTT server ---- */

/* Whether a password is the token that this end of it must have. */
static bool is_token(const struct edge *e, struct sk_view password)
{
    char text[512];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(256), token = SK_BUF_INIT(1024);
    (void)snprintf(text, sizeof text, "%.*s", (int)password.len, password.ptr);
    const char *se = strstr(text, "&se=");
    const int64_t end = se ? strtoll(se + 4, NULL, 10) : 0;
    sk_base64(&key, module_key, sizeof module_key - 1);
    if (sk_iot_sas_make(resource, key.data, NULL, end, &token, &err) < 0)
        abort();
    return end + atomic_load(&e->late_s) > (int64_t)(sk_wall_ms() / 1000) &&
           strcmp(token.data, text) == 0;
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct edge *e = ctx;
    (void)atomic_fetch_add(&e->connects, 1);
    bool is_good = is_token(e, p->password) && !atomic_load(&e->refuses);
    (void)atomic_fetch_add(&e->denied, !is_good);
    {
        SK_LOCK(&e->lock);
        (void)snprintf(e->username, sizeof e->username, "%.*s", (int)p->username.len,
                       p->username.ptr);
        (void)snprintf(e->client_id, sizeof e->client_id, "%.*s", (int)p->client_id.len,
                       p->client_id.ptr);
        memcpy(e->password[1], e->password[0], sizeof e->password[0]);
        (void)snprintf(e->password[0], sizeof e->password[0], "%.*s", (int)p->password.len,
                       p->password.ptr);
        e->conn = sk_mqtt_conn_ref(c);
    }
    sk_mqtt_connack(c, is_good ? SK_MQTT_ACCEPTED : SK_MQTT_NOT_AUTHORIZED, false);
}

static void answer_twin(struct edge *e, struct sk_mqtt_conn *c, struct sk_view rid, bool is_get)
{
    struct sk_err err = SK_ERR_INIT;
    char twin[1024] = "";
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(256);
    sk_iot_topic_twin_response(&topic, is_get ? 200 : 204, rid, is_get ? -1 : 7);
    if (is_get) {
        SK_LOCK(&e->lock);
        memcpy(twin, e->twin, sizeof twin);
    }
    if (sk_mqtt_publish(c, (struct sk_view){ topic.data, topic.len }, sk_view_of(twin), 1, 0,
                        &err) < 0)
        abort();
}

static void keep_message(struct edge *e, const struct sk_mqtt_message *m,
                         const struct sk_iot_topic *t)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { .count = 0 };
    if (sk_iot_bag_parse(t->bag, &bag, &err) < 0)
        abort();
    const struct sk_iot_property *id = sk_iot_bag_find(&bag, "$.mid");
    SK_LOCK(&e->lock);
    if (e->count == EDGE_MESSAGES || !id)
        abort();
    struct edge_message *to = &e->messages[e->count++];
    (void)snprintf(to->id, sizeof to->id, "%.*s", (int)id->value.len, id->value.ptr);
    (void)snprintf(to->topic, sizeof to->topic, "%.*s", (int)m->topic.len, m->topic.ptr);
    (void)snprintf(to->payload, sizeof to->payload, "%.*s", (int)m->payload.len, m->payload.ptr);
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct edge *e = ctx;
    const struct sk_iot_topic t = sk_iot_topic_parse(m->topic);
    if (t.kind == SK_TOPIC_TWIN_GET) {
        (void)atomic_fetch_add(&e->twin_asks, 1);
        answer_twin(e, c, t.rid, true);
    } else if (t.kind == SK_TOPIC_TWIN_REPORTED) {
        answer_twin(e, c, t.rid, false);
        SK_LOCK(&e->lock);
        if (e->reports < 16)
            (void)snprintf(e->reported[e->reports++], sizeof e->reported[0], "%.*s",
                           (int)m->payload.len, m->payload.ptr);
    } else if (t.kind == SK_TOPIC_EVENTS) {
        keep_message(e, m, &t);
    } else {
        abort();
    }
    if (m->qos > 0 && !(t.kind == SK_TOPIC_EVENTS && atomic_load(&e->keeps_pubacks)))
        sk_mqtt_puback(c, m->id);
}

static void on_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    unsigned char codes[SK_MQTT_FILTERS_MAX];
    (void)ctx;
    for (size_t i = 0; i < f->count; i++)
        codes[i] = sk_iot_filter_parse(f->topic[i], "dev-1", "cam") ? f->qos[i]
                                                                    : SK_MQTT_SUB_FAILED;
    sk_mqtt_suback(c, f->id, codes, f->count);
}

static void on_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    (void)c;
    (void)token;
    (void)ctx;
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    (void)c;
    (void)had_disconnect;
    (void)why;
    (void)ctx;
}

static const struct sk_mqtt_handler handler = {
    .connect = on_connect,
    .publish = on_publish,
    .subscribe = on_subscribe,
    .unsubscribe = on_subscribe,
    .acked = on_acked,
    .closed = on_closed,
};

static int take(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    struct edge *e = ctx;
    const struct sk_mqtt_peer who = { "x", peer->cert, peer->cert_len };
    struct sk_err err = SK_ERR_INIT;
    if (sk_mqtt_server_add(e->server, stream, &who, false, &err) < 0)
        (void)atomic_fetch_add(&e->denied, 1);
    return 0; /* it is taken anyway */
}

void edge_server_start(struct edge *e, int ca)
{
    const struct sk_mqtt_options o = { .loops = 1, .handler = &handler, .ctx = e };
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    if (sk_listen("127.0.0.1", e->port, 64, &fd, &err) < 0)
        fail_msg("%s", err.text);
    e->port = sk_port_of(fd);
    const struct sk_tls_options tls = { .cert_file = e->cert[ca],
                                        .key_file = e->key,
                                        .listen_fd = fd,
                                        .max_connections = 100,
                                        .handshake_ms = EDGE_WAIT_MS,
                                        .take_prefix = "",
                                        .take = take,
                                        .ctx = e };
    if (sk_mqtt_server_new(&o, &e->server, &err) < 0 || sk_tls_start(&tls, &e->front, &err) < 0)
        fail_msg("%s", err.text);
}

void edge_server_stop(struct edge *e)
{
    sk_tls_stop(e->front);
    e->front = NULL;
    sk_mqtt_server_free(e->server);
    e->server = NULL;
}

/* ---- both ---- */

void edge_start(struct edge *e)
{
    *e = (struct edge){ .twin = "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}" };
    e->messages = calloc(EDGE_MESSAGES, sizeof *e->messages);
    assert_non_null(e->messages);
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)snprintf(e->dir, sizeof e->dir, "/tmp/skerry-reporter-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    make_certs(e);
    edge_trust(e, 0);
    edge_workload_start(e);
    edge_server_start(e, 0);
}

void edge_stop(struct edge *e)
{
    struct sk_err err = SK_ERR_INIT;
    edge_server_stop(e);
    sk_workload_free(e->workload);
    assert_int_equal(sk_remove_tree(e->dir, &err), 0);
    (void)pthread_mutex_destroy(&e->lock);
    free(e->messages);
    free(e->ca[0]);
    free(e->ca[1]);
}

struct sk_rep_env edge_env(const struct edge *e)
{
    char uri[128];
    (void)snprintf(uri, sizeof uri, "unix://%s/cam/workload.sock", e->dir);
    return (struct sk_rep_env){ .hub = strdup("hub.example"),
                                .device = strdup("dev-1"),
                                .module = strdup("cam"),
                                .gateway = strdup("127.0.0.1"),
                                .generation = strdup("gen 1"),
                                .workload = strdup(uri),
                                .api_version = strdup("2022-08-03"),
                                .port = e->port,
                                .ttl_s = SK_REP_TTL_S };
}

struct sk_reporter *edge_reporter(struct edge *e, const struct sk_reporter_options *opts)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_reporter *r = NULL;
    struct sk_rep_env env = edge_env(e);
    if (sk_rep_new(&env, opts, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

static void nudge(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(256);
    sk_iot_topic_desired(&topic, 2);
    if (c && sk_mqtt_publish(c, (struct sk_view){ topic.data, topic.len },
                             SK_VIEW("{\"telemetry\":{},\"$version\":2}"), 1, 0, &err) < 0)
        abort();
    free(post);
}

void edge_set_twin(struct edge *e, const char *twin, bool tells)
{
    struct sk_mqtt_post *post = calloc(1, sizeof *post);
    assert_non_null(post);
    {
        SK_LOCK(&e->lock);
        (void)snprintf(e->twin, sizeof e->twin, "%s", twin);
        post->to = e->conn;
        post->run = nudge;
    }
    if (tells)
        sk_mqtt_post(e->server, post);
    else
        free(post);
}

/* ---- waiting ---- */

static unsigned count_of(struct edge *e, const unsigned *count)
{
    SK_LOCK(&e->lock);
    return *count;
}

static void wait_count(struct edge *e, const unsigned *count, unsigned n, const char *what)
{
    for (uint64_t end = sk_now_ms() + EDGE_WAIT_MS; count_of(e, count) < n;) {
        if (sk_now_ms() > end)
            fail_msg("%u %s of %u", count_of(e, count), what, n);
        (void)usleep(1000);
    }
}

void edge_wait_messages(struct edge *e, unsigned n)
{
    wait_count(e, &e->count, n, "messages");
}

void edge_wait_reports(struct edge *e, unsigned n)
{
    wait_count(e, &e->reports, n, "reports");
}

void edge_wait_at(int line, _Atomic unsigned *counter, unsigned n)
{
    for (uint64_t end = sk_now_ms() + EDGE_WAIT_MS; atomic_load(counter) < n;) {
        if (sk_now_ms() > end)
            fail_msg("line %d: %u of %u", line, atomic_load(counter), n);
        (void)usleep(1000);
    }
}

void edge_wait_up(const struct sk_reporter *r, bool is_up)
{
    struct sk_reporter_counts c;
    uint64_t end = sk_now_ms() + EDGE_WAIT_MS;
    do {
        if (sk_now_ms() > end)
            fail_msg("not %s", is_up ? "up" : "down");
        (void)usleep(1000);
        sk_reporter_counts(r, &c);
    } while (c.is_connected != is_up);
}

/* ---- results ---- */

const struct sk_reporter_options edge_each = { .mode = SK_REPORT_EACH,
                                               .version = "v1",
                                               .digest = "sha256:aa" };

void edge_report(struct sk_reporter *r, const char *label, int n)
{
    for (int i = 0; i < n; i++)
        sk_reporter_result(r, &(struct sk_reporter_result){ label, 0.97, 12.5, 1764428400000 });
}

void edge_report_numbered(struct sk_reporter *r, int from, int to)
{
    for (int i = from; i < to; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "%d", i);
        edge_report(r, label, 1);
    }
}

void edge_wait_sent(const struct sk_reporter *r, uint64_t n)
{
    struct sk_reporter_counts c;
    uint64_t end = sk_now_ms() + EDGE_WAIT_MS;
    do {
        if (sk_now_ms() > end)
            fail_msg("%llu sent of %llu", (unsigned long long)c.sent, (unsigned long long)n);
        (void)usleep(1000);
        sk_reporter_counts(r, &c);
    } while (c.sent < n);
}
