/* rig.c - see rig.h. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

/* ---- notes ---- */

void notes_init(struct notes *n)
{
    struct sk_err err = SK_ERR_INIT;
    (void)pthread_mutex_init(&n->lock, NULL);
    n->text = (struct sk_buf)SK_BUF_INIT(16 << 20);
    DONE(sk_cond_init(&n->grown, &err));
}

void notes_done(struct notes *n)
{
    sk_buf_done(&n->text);
    (void)pthread_mutex_destroy(&n->lock);
    (void)pthread_cond_destroy(&n->grown);
}

void notes_add(struct notes *n, const char *fmt, ...)
{
    char line[8192];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    SK_LOCK(&n->lock);
    sk_buf_str(&n->text, line);
    sk_buf_chr(&n->text, '\n');
    (void)pthread_cond_broadcast(&n->grown);
}

void notes_wait(struct notes *n, const char *words, ...)
{
    const uint64_t until = sk_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    SK_LOCK(&n->lock);
    for (;;) {
        const char *at = n->text.data ? n->text.data : "", *missing = NULL;
        va_list args;
        va_start(args, words);
        for (const char *w = words; w && !missing; w = va_arg(args, const char *)) {
            const char *found = strstr(at, w);
            missing = found ? NULL : w;
            at = found ? found + strlen(w) : at;
        }
        va_end(args);
        if (!missing)
            return;
        if (sk_cond_wait_until(&n->grown, &n->lock, until) == ETIMEDOUT)
            fail_msg("'%s' is missing in:\n%s", missing, n->text.data ? n->text.data : "");
    }
}

bool notes_have(struct notes *n, const char *words)
{
    return notes_count(n, words) > 0;
}

unsigned notes_count(struct notes *n, const char *words)
{
    unsigned count = 0;
    SK_LOCK(&n->lock);
    for (const char *at = n->text.data; at && (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

void notes_clear(struct notes *n)
{
    SK_LOCK(&n->lock);
    sk_buf_clear(&n->text);
}

/* ---- the cloud ---- */

static size_t place_of(struct cloud *c, const char *id)
{
    size_t k = 0;
    while (k < COUNT(c->clients) - 1 && *c->clients[k].id && strcmp(c->clients[k].id, id) != 0)
        k++;
    if (!*c->clients[k].id)
        (void)snprintf(c->clients[k].id, sizeof c->clients[k].id, "%s", id);
    return k;
}

static void on_connect(struct sk_mqtt_conn *conn, const struct sk_mqtt_connect *p, void *ctx)
{
    struct rig *r = ctx;
    struct cloud *c = &r->cloud;
    char id[64];
    (void)snprintf(id, sizeof id, "%.*s", (int)p->client_id.len, p->client_id.ptr);
    SK_LOCK(&c->lock);
    if (c->refusal != SK_MQTT_ACCEPTED) {
        sk_mqtt_connack(conn, c->refusal, false);
        return;
    }
    if (c->unknown && strcmp(c->unknown, id) == 0) {
        sk_mqtt_connack(conn, SK_MQTT_NOT_AUTHORIZED, false);
        return;
    }
    const size_t k = place_of(c, id);
    c->clients[k].ref = sk_mqtt_conn_ref(conn);
    c->clients[k].is_there = true;
    sk_mqtt_set_user(conn, c->clients[k].id);
    sk_mqtt_connack(conn, SK_MQTT_ACCEPTED, false);
    notes_add(&c->notes, "up %s as %.*s with %.*s", id, (int)p->username.len, p->username.ptr,
              (int)p->password.len, p->password.ptr);
}

static void give(struct sk_mqtt_conn *conn, int status, struct sk_view rid, const char *body)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(512);
    struct sk_err err = SK_ERR_INIT;
    sk_iot_topic_twin_response(&topic, status, rid, status == 204 ? 7 : -1);
    if (sk_mqtt_publish(conn, (struct sk_view){ topic.data, topic.len }, sk_view_of(body), 0, 0,
                        &err) < 0)
        sk_mqtt_close(conn, "full");
}

static void on_publish(struct sk_mqtt_conn *conn, const struct sk_mqtt_message *m, void *ctx)
{
    struct rig *r = ctx;
    struct cloud *c = &r->cloud;
    const char *id = sk_mqtt_user(conn);
    const struct sk_iot_topic t = sk_iot_topic_parse(m->topic);
    notes_add(&c->notes, "%s %.*s %.*s", id, (int)m->topic.len, m->topic.ptr, (int)m->payload.len,
              m->payload.ptr);
    SK_LOCK(&c->lock);
    if (m->qos > 0 && !c->holds)
        sk_mqtt_puback(conn, m->id);
    if (t.kind == SK_TOPIC_TWIN_GET && !c->is_deaf_to_gets) {
        const char *twin = c->clients[place_of(c, id)].twin;
        give(conn, 200, t.rid,
             *twin ? twin : "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    } else if (t.kind == SK_TOPIC_TWIN_REPORTED) {
        give(conn, c->patch_status ? c->patch_status : 204, t.rid, "");
    }
}

static void on_subscribe(struct sk_mqtt_conn *conn, const struct sk_mqtt_filters *f, void *ctx)
{
    struct rig *r = ctx;
    unsigned char codes[SK_MQTT_FILTERS_MAX];
    for (size_t i = 0; i < f->count; i++) {
        codes[i] = 1;
        notes_add(&r->cloud.notes, "sub %s %.*s", (const char *)sk_mqtt_user(conn),
                  (int)f->topic[i].len, f->topic[i].ptr);
    }
    sk_mqtt_suback(conn, f->id, codes, f->count);
}

static void on_unsubscribe(struct sk_mqtt_conn *conn, const struct sk_mqtt_filters *f, void *ctx)
{
    (void)ctx;
    sk_mqtt_unsuback(conn, f->id);
}

static void on_acked(struct sk_mqtt_conn *conn, uint64_t token, void *ctx)
{
    struct rig *r = ctx;
    notes_add(&r->cloud.notes, "acked %s %llu", (const char *)sk_mqtt_user(conn),
              (unsigned long long)token);
}

static void on_closed(struct sk_mqtt_conn *conn, bool had_disconnect, const char *why, void *ctx)
{
    struct rig *r = ctx;
    (void)had_disconnect;
    if (sk_mqtt_user(conn))
        notes_add(&r->cloud.notes, "down %s %s", (const char *)sk_mqtt_user(conn), why);
}

static const struct sk_mqtt_handler cloud_handler = {
    .connect = on_connect,
    .publish = on_publish,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .acked = on_acked,
    .closed = on_closed,
};

static int take_client(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    struct rig *r = ctx;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_mqtt_peer who = { .address = "lh" };
    (void)peer;
    DONE(sk_mqtt_server_add(r->cloud.mqtt, stream, &who, false, &err));
    return 0;
}

/* A CA, and with its key a certificate of the cloud and the gateway. */
static void make_certificates(struct rig *r)
{
    static const char *const names[] = { HUB, "gateway", "127.0.0.1", NULL };
    SK_OWN(sk_key_free) struct sk_key *ca_key = NULL;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf cert = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;
    const int64_t now = (int64_t)(sk_wall_ms() / 1000);
    DONE(sk_key_make(&ca_key, &err));
    DONE(sk_key_make(&key, &err));
    const struct sk_cert_request root = { .common_name = "test ca",
                                          .is_ca = true,
                                          .not_before = now - 60,
                                          .not_after = now + 3600,
                                          .key = ca_key };
    DONE(sk_cert_make(&root, &ca, &err));
    const struct sk_cert_request leaf = { .common_name = HUB,
                                          .names = names,
                                          .not_before = now - 60,
                                          .not_after = now + 3600,
                                          .key = key,
                                          .issuer_pem = ca.data,
                                          .issuer_key = ca_key };
    DONE(sk_cert_make(&leaf, &cert, &err));
    DONE(sk_key_private_pem(key, &pem, &err));
    DONE(sk_file_write(r->ca, ca.data, ca.len, 0644, &err));
    DONE(sk_file_write(r->cert, cert.data, cert.len, 0644, &err));
    DONE(sk_file_write(r->key, pem.data, pem.len, 0600, &err));
}

void cloud_start(struct rig *r)
{
    struct cloud *c = &r->cloud;
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    DONE(sk_listen("127.0.0.1", c->port, 16, &fd, &err));
    c->port = sk_port_of(fd);
    const struct sk_mqtt_options mqtt = { .loops = 1, .handler = &cloud_handler, .ctx = r };
    DONE(sk_mqtt_server_new(&mqtt, &c->mqtt, &err));
    const struct sk_tls_options tls = {
        .cert_file = r->cert,
        .key_file = r->key,
        .listen_fd = fd,
        .max_connections = 100,
        .handshake_ms = 10000,
        .take_prefix = "",
        .take = take_client,
        .alpn = "\x04mqtt",
        .ctx = r,
    };
    DONE(sk_tls_start(&tls, &c->front, &err));
}

void cloud_stop(struct rig *r)
{
    struct cloud *c = &r->cloud;
    if (!c->front)
        return;
    sk_tls_stop(c->front);
    c->front = NULL;
    sk_mqtt_server_free(c->mqtt);
    c->mqtt = NULL;
}

void cloud_twin(struct rig *r, const char *id, const char *twin)
{
    SK_LOCK(&r->cloud.lock);
    const size_t k = place_of(&r->cloud, id);
    (void)snprintf(r->cloud.clients[k].twin, sizeof r->cloud.clients[k].twin, "%s", twin);
}

struct cloud_post {
    struct sk_mqtt_post post;
    unsigned qos;
    char topic[256], payload[2048];
};

static void send_from_cloud(struct sk_mqtt_conn *conn, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct cloud_post *p = (struct cloud_post *)post;
    struct sk_err err = SK_ERR_INIT;
    if (conn &&
        sk_mqtt_publish(conn, sk_view_of(p->topic), sk_view_of(p->payload), p->qos, 1, &err) < 0)
        sk_mqtt_close(conn, "full");
}

static void cut_from_cloud(struct sk_mqtt_conn *conn, struct sk_mqtt_post *post)
{
    if (conn)
        sk_mqtt_close(conn, "cut by the test");
    free(post);
}

static void post_to(struct rig *r, const char *id, struct sk_mqtt_post *post)
{
    SK_LOCK(&r->cloud.lock);
    post->to = r->cloud.clients[place_of(&r->cloud, id)].ref;
    sk_mqtt_post(r->cloud.mqtt, post);
}

void cloud_send(struct rig *r, const char *id, const char *topic, const char *payload, unsigned qos)
{
    struct cloud_post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->post.run = send_from_cloud;
    p->qos = qos;
    (void)snprintf(p->topic, sizeof p->topic, "%s", topic);
    (void)snprintf(p->payload, sizeof p->payload, "%s", payload);
    post_to(r, id, &p->post);
}

void cloud_cut(struct rig *r, const char *id)
{
    struct sk_mqtt_post *post = calloc(1, sizeof *post);
    assert_non_null(post);
    post->run = cut_from_cloud;
    post_to(r, id, post);
}

static bool is_up(struct rig *r, void *ctx)
{
    struct sk_lh_ident *id = sk_lh_ident_by_key(r->h, sk_view_of(ctx));
    return id && id->is_up && id->twin.is_current;
}

void cloud_wait_up(struct rig *r, const char *id, ...)
{
    va_list args;
    va_start(args, id);
    for (const char *i = id; i; i = va_arg(args, const char *))
        wait_until(r, is_up, (void *)(uintptr_t)i, i);
    va_end(args);
}

static bool has_routes(struct rig *r, void *ctx)
{
    return r->h->routes_version == *(int *)ctx;
}

void cloud_routes(struct rig *r, int version, const char *routes)
{
    char topic[128], payload[2048];
    (void)snprintf(topic, sizeof topic, "$iothub/twin/PATCH/properties/desired/?$version=%d",
                   version);
    (void)snprintf(payload, sizeof payload, "{\"routes\":{%s},\"$version\":%d}", routes, version);
    cloud_send(r, DEVICE "/$edgeHub", topic, payload, 0);
    wait_until(r, has_routes, &version, "the new routes");
}

/* ---- the agent ---- */

const char *key_of(const char *name)
{
    static char text[128];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    sk_base64(&b, name, strlen(name));
    (void)snprintf(text, sizeof text, "%s", b.data);
    return text;
}

static void sign(struct sk_wire *w, int64_t id, const struct sk_json *m)
{
    unsigned char mac[SK_SHA256_BYTES];
    struct sk_err err = SK_ERR_INIT;
    const char *name = sk_json_get_text(m, "module", ""), *data = sk_json_get_text(m, "data", "");
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    DONE(sk_base64_decode(data, strlen(data), &bytes, &err));
    DONE(sk_hmac_sha256(name, strlen(name), bytes.data, bytes.len, mac, &err));
    sk_buf_str(&out, "\"digest\":\"");
    sk_base64(&out, mac, sizeof mac);
    sk_buf_chr(&out, '"');
    DONE(sk_wire_answer(w, id, (struct sk_view){ out.data, out.len }, &err));
}

static void answer_leaf(struct rig *r, struct sk_wire *w, int64_t id)
{
    struct sk_err err = SK_ERR_INIT, why = SK_ERR_INIT;
    char text[600];
    (void)sk_fail(&why, SK_NOT_FOUND, "no such leaf");
    if (!*r->leaf) {
        DONE(sk_wire_refuse(w, id, &why, &err));
        return;
    }
    (void)snprintf(text, sizeof text, "{\"type\":\"leaves\",\"leaves\":%s}", r->leaf);
    DONE(sk_wire_send(w, sk_view_of(text), &err));
    DONE(sk_wire_answer(w, id, SK_VIEW(""), &err));
}

static void on_told(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                    void *ctx)
{
    struct rig *r = ctx;
    struct sk_err err = SK_ERR_INIT, why = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    sk_json_dump(m, &text);
    notes_add(&r->told, "%s", text.data);
    (void)sk_fail(&why, SK_DENIED, "not here");
    if (id == 0)
        return;
    if (strcmp(type, "sign") == 0)
        sign(w, id, m);
    else if (strcmp(type, "leaf") == 0)
        answer_leaf(r, w, id);
    else if (strcmp(type, "method") == 0)
        DONE(sk_wire_answer(w, id, SK_VIEW("\"status\":202,\"payload\":{\"did\":\"it\"}"), &err));
    else if (strcmp(type, "is-peer") == 0)
        DONE(sk_wire_answer(w, id, SK_VIEW("\"is\":true"), &err));
    else if (strcmp(type, "list") == 0)
        DONE(sk_wire_answer(w, id, SK_VIEW("\"modules\":[{\"name\":\"m\"}]"), &err));
    else if (strcmp(type, "encrypt") == 0 || strcmp(type, "decrypt") == 0)
        DONE(sk_wire_answer(w, id, SK_VIEW("\"data\":\"c2VhbGVk\""), &err));
    else if (strcmp(type, "certificate") == 0)
        DONE(sk_wire_answer(w, id, SK_VIEW("\"key\":\"K\",\"chain\":\"C\",\"expiration\":\"E\""),
                            &err));
    else
        DONE(sk_wire_refuse(w, id, &why, &err));
}

void agent_connect(struct rig *r)
{
    const struct sk_wire_handler handler = { .message = on_told, .ctx = r };
    struct sk_err err = SK_ERR_INIT;
    char path[300];
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    (void)snprintf(path, sizeof path, "%s/hub.sock", r->run);
    while (sk_wire_connect(path, &handler, &r->agent, &err) < 0) {
        if (err.code != SK_BUSY || sk_now_ms() > until)
            fail_msg("%s", err.text);
        (void)usleep(5000);
    }
}

void agent_close(struct rig *r)
{
    sk_wire_free(r->agent);
    r->agent = NULL;
}

const char *agent_call(struct rig *r, const char *json)
{
    static char *text;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    if (sk_wire_call(r->agent, sk_view_of(json), PATIENCE_MS, &answer, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    sk_json_dump(answer, &b);
    free(text);
    text = sk_buf_take(&b);
    return text;
}

const char *agent_refused(struct rig *r, const char *json)
{
    static char text[SK_ERR_TEXT];
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    if (sk_wire_call(r->agent, sk_view_of(json), PATIENCE_MS, &answer, &err) == 0)
        fail_msg("%s: it is taken", json);
    (void)snprintf(text, sizeof text, "%s", err.text);
    return text;
}

void agent_instances(struct rig *r, const char *instances)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"modules\",\"modules\":[{\"name\":\"m\",\"generation\":\"1\","
                   "\"instances\":%s},{\"name\":\"n\",\"instances\":[{\"instance\":\"n-1\","
                   "\"role\":\"active\"}]}]}",
                   instances);
    (void)agent_call(r, text);
}

void agent_configure(struct rig *r)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"config\",\"device\":\"" DEVICE "\",\"hub\":{\"name\":\"" HUB
                   "\",\"address\":\"127.0.0.1\",\"mqttPort\":%u,\"caFile\":\"%s\"},"
                   "\"gateway\":\"gateway\",\"listen\":[],\"trustFile\":\"%s\","
                   "\"certFile\":\"%s\",\"keyFile\":\"%s\","
                   "\"spool\":{\"maxBytes\":%u,\"evicts\":false}}",
                   r->has_cloud ? r->cloud.port : 1, r->ca, r->ca, r->cert, r->key, 16u << 20);
    (void)agent_call(r, text);
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"}]");
}

/* ---- the local hub ---- */

static void *run(void *arg)
{
    struct rig *r = arg;
    while (!atomic_load(&r->is_over))
        sk_lh_round(r->h, 20);
    return NULL;
}

void rig_start(struct rig *r)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_localhub_options opts = { .dir = r->dir, .run_dir = r->run };
    DONE(sk_lh_new(&opts, &r->h, &err));
    atomic_store(&r->is_over, false);
    DONE(sk_thread_start(&r->thread, "main", run, r, &err));
    atomic_store(&r->has_thread, true);
}

void rig_stop(struct rig *r)
{
    if (!r->h)
        return;
    atomic_store(&r->is_over, true);
    if (atomic_exchange(&r->has_thread, false))
        (void)pthread_join(r->thread, NULL);
    sk_lh_free(r->h);
    r->h = NULL;
}

void rig_restart(struct rig *r, bool with_agent)
{
    agent_close(r);
    rig_stop(r);
    rig_start(r);
    if (!with_agent)
        return;
    agent_connect(r);
    agent_configure(r);
}

static int make(void **state, bool has_cloud)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    sk_log_setup(getenv("RIG_LOG") ? SK_DEBUG : SK_ERROR + 1, SK_LOG_TEXT, 2);
    (void)signal(SIGPIPE, SIG_IGN);
    r->top = sk_test_dir();
    (void)snprintf(r->dir, sizeof r->dir, "%s/d", r->top);
    (void)snprintf(r->run, sizeof r->run, "%s/r", r->top);
    (void)snprintf(r->ca, sizeof r->ca, "%s/ca.pem", r->top);
    (void)snprintf(r->cert, sizeof r->cert, "%s/cert.pem", r->top);
    (void)snprintf(r->key, sizeof r->key, "%s/key.pem", r->top);
    make_certificates(r);
    notes_init(&r->told);
    notes_init(&r->cloud.notes);
    (void)pthread_mutex_init(&r->cloud.lock, NULL);
    r->has_cloud = has_cloud;
    cloud_twin(r, DEVICE "/$edgeHub",
               "{\"desired\":{\"schemaVersion\":\"1.1\",\"routes\":{" ROUTES_UP
               "},\"$version\":1},\"reported\":{\"$version\":1}}");
    if (has_cloud)
        cloud_start(r);
    rig_start(r);
    agent_connect(r);
    agent_configure(r);
    if (has_cloud)
        cloud_wait_up(r, DEVICE "/$edgeHub", DEVICE "/$edgeAgent", DEVICE "/m", DEVICE "/n", NULL);
    *state = r;
    return 0;
}

int rig_make(void **state)
{
    return make(state, true);
}

int rig_make_lone(void **state)
{
    return make(state, false);
}

int rig_remove(void **state)
{
    struct rig *r = *state;
    agent_close(r);
    rig_stop(r);
    cloud_stop(r);
    notes_done(&r->told);
    notes_done(&r->cloud.notes);
    (void)pthread_mutex_destroy(&r->cloud.lock);
    sk_test_dir_free(r->top);
    free(r);
    return 0;
}

struct sk_lh_ident *ident_of(struct rig *r, const char *key)
{
    SK_LOCK(&r->h->lock);
    struct sk_lh_ident *id = sk_lh_ident_by_key(r->h, sk_view_of(key));
    assert_non_null(id);
    return id;
}

void wait_until(struct rig *r, bool (*is_true)(struct rig *r, void *ctx), void *ctx,
                const char *what)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    for (;;) {
        {
            SK_LOCK(&r->h->lock);
            if (is_true(r, ctx))
                return;
        }
        if (sk_now_ms() > until)
            fail_msg("not in time: %s", what);
        (void)usleep(2000);
    }
}

/* ---- clients ---- */

/* Listeners open only then. */
static bool has_begun(struct rig *r, void *ctx)
{
    (void)ctx;
    return r->h->spool || !r->h->config.is_known;
}

struct client *client_new(struct rig *r)
{
    wait_until(r, has_begun, NULL, "the spool");
    struct sk_err err = SK_ERR_INIT;
    struct sk_stream *stream = NULL;
    const struct sk_tls_peer peer = { 0 };
    struct client *c = calloc(1, sizeof *c);
    int pair[2];
    assert_non_null(c);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    DONE(sk_stream_of_fd(pair[0], &stream, &err));
    assert_int_equal(sk_lh_front_add(r->h, stream, &peer, false), 0);
    c->fd = pair[1];
    c->in = (struct sk_buf)SK_BUF_INIT(1 << 20);
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    (void)close(c->fd);
    sk_buf_done(&c->in);
    free(c);
}

static void put(struct client *c, unsigned first, const struct sk_buf *body)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 21);
    size_t left = body->len, at = 0;
    sk_buf_chr(&b, (char)(unsigned char)first);
    do {
        sk_buf_chr(&b, (char)(unsigned char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
        left >>= 7;
    } while (left > 0);
    sk_buf_add(&b, body->data, body->len);
    while (at < b.len) {
        ssize_t n = send(c->fd, b.data + at, b.len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* it has ended, and says so when it is read */
        at += (size_t)n;
    }
}

static void put_u16(struct sk_buf *b, size_t value)
{
    sk_buf_chr(b, (char)(unsigned char)(value >> 8));
    sk_buf_chr(b, (char)(unsigned char)value);
}

static void put_text(struct sk_buf *b, const char *text)
{
    put_u16(b, strlen(text));
    sk_buf_str(b, text);
}

/* "m" is edge/m, "/leaf" is the device leaf. */
static void write_id(const char *name, char out[300], const char *between)
{
    if (*name == '/')
        (void)snprintf(out, 300, "%s", name + 1);
    else
        (void)snprintf(out, 300, DEVICE "%s%s", between, name);
}

const char *token_of(const char *host, const char *name, const char *key, int64_t life_s)
{
    static char text[1024];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    char id[300], resource[600];
    write_id(name, id, "/modules/");
    (void)snprintf(resource, sizeof resource, "%s/devices/%s", host, id);
    DONE(sk_iot_sas_make(resource, key, NULL, (int64_t)(sk_wall_ms() / 1000) + life_s, &b, &err));
    (void)snprintf(text, sizeof text, "%s", b.data);
    return text;
}

void client_log_in(struct client *c, const char *name, const char *token, bool is_clean)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    char id[300], username[400];
    write_id(name, id, "/");
    (void)snprintf(username, sizeof username, HUB "/%s/?api-version=2021-04-12", id);
    put_text(&b, "MQTT");
    sk_buf_chr(&b, 4);
    sk_buf_chr(&b, (char)(unsigned char)(0xc0 | (is_clean ? 2 : 0)));
    put_u16(&b, 60);
    put_text(&b, id);
    put_text(&b, username);
    put_text(&b, token);
    put(c, 0x10, &b);
}

struct client *client_in(struct rig *r, const char *name)
{
    struct client *c = client_new(r);
    struct packet p;
    client_log_in(c, name, token_of(HUB, name, key_of(*name == '/' ? name + 1 : name), 3600),
                  false);
    client_want(c, CONNACK, &p);
    if (p.code != 0)
        fail_msg("CONNACK of %s is %u", name, p.code);
    return c;
}

void client_subscribe(struct client *c, const char *filter, unsigned qos)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    struct packet p;
    put_u16(&b, 9);
    put_text(&b, filter);
    sk_buf_chr(&b, (char)qos);
    put(c, 0x82, &b);
    client_want(c, SUBACK, &p);
}

void client_publish(struct client *c, unsigned qos, uint16_t id, const char *topic,
                    const char *payload)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    put_text(&b, topic);
    if (qos > 0)
        put_u16(&b, id);
    sk_buf_str(&b, payload);
    put(c, 0x30 | qos << 1, &b);
}

void client_say(struct client *c, const char *module, const char *output, const char *payload)
{
    char topic[300];
    struct packet p;
    (void)snprintf(topic, sizeof topic, "devices/" DEVICE "/modules/%s/messages/events/%s%s",
                   module, *output ? "%24.on=" : "", output);
    client_publish(c, 1, 77, topic, payload);
    client_want(c, PUBACK, &p);
    assert_int_equal(p.id, 77);
}

void client_ack(struct client *c, uint16_t id)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(16);
    put_u16(&b, id);
    put(c, 0x40, &b);
}

/* A whole packet out of what was read: its length, or 0. */
static size_t cut(const struct sk_buf *in, size_t *head)
{
    size_t length = 0, at = 1;
    for (unsigned shift = 0; at < in->len && shift < 28; shift += 7) {
        const unsigned char digit = (unsigned char)in->data[at++];
        length |= (size_t)(digit & 0x7f) << shift;
        if (digit & 0x80)
            continue;
        *head = at;
        return in->len >= at + length ? at + length : 0;
    }
    return 0;
}

static void read_packet(const unsigned char *p, size_t len, size_t head, struct packet *out)
{
    const unsigned char *body = p + head;
    size_t at = 2;
    memset(out, 0, sizeof *out);
    out->kind = p[0] >> 4;
    out->qos = (p[0] >> 1) & 3;
    if (out->kind == CONNACK) {
        out->session_present = body[0];
        out->code = body[1];
        return;
    }
    const size_t first = (size_t)body[0] << 8 | body[1];
    if (out->kind != PUBLISH) {
        out->id = (uint16_t)first;
        for (size_t k = 0; head + 2 + k < len && k < sizeof out->codes; k++)
            out->codes[k] = body[2 + k];
        return;
    }
    (void)snprintf(out->topic, sizeof out->topic, "%.*s", (int)first, (const char *)body + 2);
    at += first;
    if (out->qos > 0) {
        out->id = (uint16_t)(body[at] << 8 | body[at + 1]);
        at += 2;
    }
    (void)snprintf(out->payload, sizeof out->payload, "%.*s", (int)(len - head - at),
                   (const char *)body + at);
}

void client_next(struct client *c, struct packet *out)
{
    char bytes[8192];
    size_t head = 0, len = 0;
    while ((len = cut(&c->in, &head)) == 0) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (poll(&p, 1, PATIENCE_MS) <= 0)
            fail_msg("nothing comes");
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n <= 0) {
            memset(out, 0, sizeof *out);
            out->kind = ENDED;
            return;
        }
        sk_buf_add(&c->in, bytes, (size_t)n);
    }
    read_packet((const unsigned char *)c->in.data, len, head, out);
    memmove(c->in.data, c->in.data + len, c->in.len - len);
    c->in.len -= len;
}

void client_want(struct client *c, unsigned kind, struct packet *out)
{
    client_next(c, out);
    if (out->kind != kind)
        fail_msg("packet %u instead of %u (%s %s)", out->kind, kind, out->topic, out->payload);
}

bool client_is_quiet(struct client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    size_t head;
    return cut(&c->in, &head) == 0 && poll(&p, 1, QUIET_MS) == 0;
}
