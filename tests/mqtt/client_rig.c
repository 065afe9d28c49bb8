/* client_rig.c - see client_rig.h. */
#include "client_rig.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "base/thread.h"
#include "crypto/crypto.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    HOUR_S = 3600,
    DAY_S = 86400
};

/* ---- certificates ---- */

static void write_text(char *path, size_t cap, const char *folder, const char *name,
                       const struct sk_buf *text)
{
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(path, cap, "%s/%s", folder, name);
    if (sk_file_write(path, text->data, text->len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_ca(struct client_pki *p, const char *name, char *path, size_t cap,
                    struct sk_key *key, struct sk_buf *pem)
{
    const int64_t now = (int64_t)(sk_wall_ms() / 1000);
    const struct sk_cert_request r = { .common_name = name,
                                       .is_ca = true,
                                       .not_before = now - 10 * DAY_S,
                                       .not_after = now + 10 * DAY_S,
                                       .key = key };
    struct sk_err err = SK_ERR_INIT;

    if (sk_cert_make(&r, pem, &err) < 0)
        fail_msg("%s", err.text);
    write_text(path, cap, p->folder, name, pem);
}

static void make_cert(struct client_pki *p, const char *file, char *path, size_t cap,
                      const char *const *names, int64_t from_s, int64_t to_s, struct sk_key *key,
                      const struct sk_buf *ca, struct sk_key *ca_key)
{
    const int64_t now = (int64_t)(sk_wall_ms() / 1000);
    const struct sk_cert_request r = { .common_name = "localhost",
                                       .names = names,
                                       .not_before = now + from_s,
                                       .not_after = now + to_s,
                                       .key = key,
                                       .issuer_pem = ca->data,
                                       .issuer_key = ca_key };
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;

    if (sk_cert_make(&r, &pem, &err) < 0)
        fail_msg("%s", err.text);
    write_text(path, cap, p->folder, file, &pem);
}

void client_pki_make(struct client_pki *p)
{
    static const char *const here[] = { "localhost", "127.0.0.1", "::1", NULL };
    static const char *const elsewhere[] = { "hub.example", "192.0.2.7", NULL };
    SK_OWN(sk_key_free) struct sk_key *ca_key = NULL, *key = NULL, *other = NULL;
    SK_AUTO(sk_buf_done)
    struct sk_buf ca = SK_BUF_INIT(1 << 20), other_ca = SK_BUF_INIT(1 << 20),
                  pem = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;

    p->folder = sk_test_dir();
    if (sk_key_make(&ca_key, &err) < 0 || sk_key_make(&key, &err) < 0 ||
        sk_key_make(&other, &err) < 0 || sk_key_private_pem(key, &pem, &err) < 0)
        fail_msg("%s", err.text);
    make_ca(p, "CA", p->ca, sizeof p->ca, ca_key, &ca);
    make_ca(p, "Other", p->other_ca, sizeof p->other_ca, other, &other_ca);
    write_text(p->key, sizeof p->key, p->folder, "key", &pem);
    write_text(p->client_key, sizeof p->client_key, p->folder, "client-key", &pem);
    make_cert(p, "cert", p->cert, sizeof p->cert, here, -HOUR_S, HOUR_S, key, &ca, ca_key);
    make_cert(p, "old", p->old_cert, sizeof p->old_cert, here, -DAY_S, -HOUR_S, key, &ca, ca_key);
    make_cert(p, "young", p->young_cert, sizeof p->young_cert, here, HOUR_S, DAY_S, key, &ca,
              ca_key);
    make_cert(p, "strange", p->strange_cert, sizeof p->strange_cert, elsewhere, -HOUR_S, HOUR_S,
              key, &ca, ca_key);
    make_cert(p, "client", p->client_cert, sizeof p->client_cert, NULL, -HOUR_S, HOUR_S, key, &ca,
              ca_key);
}

void client_pki_remove(struct client_pki *p)
{
    sk_test_dir_free(p->folder);
}

/* ---- the server ---- */

static void note_text(pthread_mutex_t *lock, char *text, size_t cap, const char *fmt, ...)
    SK_PRINTF(4, 5);

static void note_text(pthread_mutex_t *lock, char *text, size_t cap, const char *fmt, ...)
{
    SK_LOCK(lock);
    size_t len = strlen(text);
    va_list args;

    if (len + 2 >= cap)
        return;
    if (len > 0)
        text[len++] = ' ';
    va_start(args, fmt);
    (void)vsnprintf(text + len, cap - len, fmt, args);
    va_end(args);
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct client_server *s = ctx;

    note_text(&s->lock, s->texts, sizeof s->texts, "%.*s:%.*s/%.*s%s", (int)p->client_id.len,
              p->client_id.ptr, (int)p->username.len, p->username.ptr, (int)p->password.len,
              p->password.ptr, p->is_clean ? "" : "+");
    (void)atomic_fetch_add(&s->certs, sk_mqtt_peer_cert(c).len > 0);
    (void)atomic_fetch_add(&s->connects, 1);
    sk_mqtt_connack(c, (enum sk_mqtt_connack)atomic_load(&s->connack), false);
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct client_server *s = ctx;
    struct sk_err err = SK_ERR_INIT;

    note_text(&s->lock, s->texts, sizeof s->texts, "%.*s=%.*s", (int)m->topic.len, m->topic.ptr,
              (int)(m->payload.len < 30 ? m->payload.len : 30), m->payload.ptr);
    (void)atomic_fetch_add(&s->publishes, 1);
    if (m->qos > 0 && !atomic_load(&s->keeps_puback))
        sk_mqtt_puback(c, m->id);
    if (atomic_load(&s->echoes) && sk_view_eq(m->topic, "t") &&
        sk_mqtt_publish(c, SK_VIEW("echo"), m->payload, 1, 7, &err) < 0)
        sk_mqtt_close(c, "no echo");
    if (atomic_load(&s->throws_out) && sk_view_eq(m->topic, "bye"))
        sk_mqtt_close(c, "thrown out");
}

static void on_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    struct client_server *s = ctx;
    unsigned char codes[SK_MQTT_FILTERS_MAX];

    for (size_t i = 0; i < f->count; i++) {
        const bool is_no = f->topic[i].len >= 2 && memcmp(f->topic[i].ptr, "no", 2) == 0;
        codes[i] = atomic_load(&s->refuses_subs) && is_no ? SK_MQTT_SUB_FAILED : f->qos[i];
        note_text(&s->lock, s->texts, sizeof s->texts, "sub:%.*s", (int)f->topic[i].len,
                  f->topic[i].ptr);
    }
    (void)atomic_fetch_add(&s->subs, (unsigned)f->count);
    sk_mqtt_suback(c, f->id, codes, f->count);
}

static void on_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    struct client_server *s = ctx;

    (void)c;
    (void)token;
    (void)atomic_fetch_add(&s->acked, 1);
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    struct client_server *s = ctx;

    (void)c;
    (void)why;
    (void)atomic_fetch_add(&s->disconnects, had_disconnect);
    (void)atomic_fetch_add(&s->closes, 1);
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
    struct client_server *s = ctx;
    const struct sk_mqtt_peer who = { "x", peer->cert, peer->cert_len };
    struct sk_err err = SK_ERR_INIT;

    if (sk_mqtt_server_add(s->server, stream, &who, false, &err) < 0)
        (void)atomic_fetch_add(&s->closes, 1);
    return 0; /* it is taken anyway */
}

void client_server_start(struct client_server *s, const struct client_pki *p, const char *cert,
                         uint16_t port)
{
    const struct sk_mqtt_options o = { .loops = 1, .handler = &handler, .ctx = s };
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    if (s->port == 0)
        (void)pthread_mutex_init(&s->lock, NULL);
    if (sk_listen("127.0.0.1", port, 64, &fd, &err) < 0)
        fail_msg("%s", err.text);
    s->port = sk_port_of(fd);
    const struct sk_tls_options tls = { .cert_file = cert,
                                        .key_file = p->key,
                                        .listen_fd = fd,
                                        .max_connections = 1000,
                                        .handshake_ms = CLIENT_WAIT_MS,
                                        .asks_cert = true,
                                        .take_prefix = "",
                                        .take = take,
                                        .alpn = "\x04mqtt",
                                        .ctx = s };
    if (sk_mqtt_server_new(&o, &s->server, &err) < 0 || sk_tls_start(&tls, &s->front, &err) < 0)
        fail_msg("%s", err.text);
}

void client_server_stop(struct client_server *s)
{
    sk_tls_stop(s->front);
    sk_mqtt_server_stop(s->server, 0);
    sk_mqtt_server_free(s->server);
    s->server = NULL;
    s->front = NULL;
}

static bool has_text(pthread_mutex_t *lock, const char *texts, const char *text)
{
    SK_LOCK(lock);
    return strstr(texts, text) != NULL;
}

void client_server_expect(struct client_server *s, const char *text)
{
    uint64_t by_ms = sk_now_ms() + CLIENT_WAIT_MS;

    while (!has_text(&s->lock, s->texts, text)) {
        if (sk_now_ms() > by_ms)
            fail_msg("the server has '%s', not '%s'", s->texts, text);
        (void)usleep(1000);
    }
}

/* ---- the line ---- */

static void log_login(struct sk_mqtt_line *l, void *ctx)
{
    struct client_log *log = ctx;

    (void)atomic_fetch_add(&log->logins, 1);
    if (atomic_load(&log->keeps_login))
        return;
    if (log->no_login)
        sk_mqtt_line_no_login(l, log->no_login);
    else
        sk_mqtt_line_login(l, log->password);
}

static void log_up(struct sk_mqtt_line *l, bool session_present, void *ctx)
{
    struct client_log *log = ctx;

    assert_true(sk_mqtt_line_is_up(l));
    note_text(&log->lock, log->text, sizeof log->text, "up%s", session_present ? "+" : "");
    (void)atomic_fetch_add(&log->ups, 1);
}

static void log_down(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why,
                     unsigned retry_ms, void *ctx)
{
    struct client_log *log = ctx;

    assert_false(sk_mqtt_line_is_up(l));
    note_text(&log->lock, log->text, sizeof log->text, "down:%d:%s", (int)refusal, why);
    atomic_store(&log->refusal, (int)refusal);
    atomic_store(&log->retry_ms, retry_ms);
    (void)atomic_fetch_add(&log->downs, 1);
}

static void log_message(struct sk_mqtt_line *l, const struct sk_mqtt_message *m, void *ctx)
{
    struct client_log *log = ctx;

    note_text(&log->lock, log->text, sizeof log->text, "message:%.*s=%.*s", (int)m->topic.len,
              m->topic.ptr, (int)(m->payload.len < 30 ? m->payload.len : 30), m->payload.ptr);
    (void)atomic_fetch_add(&log->messages, 1);
    if (m->qos > 0 && !atomic_load(&log->keeps_puback))
        sk_mqtt_line_puback(l, m->id);
}

static void log_acked(struct sk_mqtt_line *l, uint64_t token, bool is_acked, void *ctx)
{
    struct client_log *log = ctx;

    (void)l;
    note_text(&log->lock, log->text, sizeof log->text, "%s:%llu", is_acked ? "acked" : "lost",
              (unsigned long long)token);
    (void)atomic_fetch_add(is_acked ? &log->acked : &log->lost, 1);
}

static void log_writable(struct sk_mqtt_line *l, void *ctx)
{
    struct client_log *log = ctx;

    (void)l;
    (void)atomic_fetch_add(&log->writables, 1);
}

const struct sk_mqtt_line_handler client_handler = {
    .login = log_login,
    .up = log_up,
    .down = log_down,
    .message = log_message,
    .acked = log_acked,
    .writable = log_writable,
};

void client_log_init(struct client_log *log)
{
    memset(log, 0, sizeof *log);
    (void)pthread_mutex_init(&log->lock, NULL);
    log->password = "secret";
}

void client_wait_at(int line, const struct client_log *log, atomic_uint *counter, unsigned n)
{
    uint64_t by_ms = sk_now_ms() + CLIENT_WAIT_MS;

    while (atomic_load(counter) < n) {
        if (sk_now_ms() > by_ms)
            fail_msg("line %d: %u of %u; log: %s", line, atomic_load(counter), n,
                     log ? log->text : "");
        (void)usleep(1000);
    }
}

void client_expect_at(int line, struct client_log *log, const char *text)
{
    if (!has_text(&log->lock, log->text, text))
        fail_msg("line %d: no '%s' in '%s'", line, text, log->text);
}

void client_await_at(int line, struct client_log *log, const char *text)
{
    uint64_t by_ms = sk_now_ms() + CLIENT_WAIT_MS;

    while (!has_text(&log->lock, log->text, text) && sk_now_ms() < by_ms)
        (void)usleep(1000);
    client_expect_at(line, log, text);
}

struct sk_mqtt_line_options client_options(const struct client_server *s,
                                           const struct client_pki *p, struct client_log *log)
{
    return (struct sk_mqtt_line_options){ .host = "127.0.0.1",
                                          .port = s->port,
                                          .ca_file = p->ca,
                                          .client_id = "c",
                                          .username = "user",
                                          .retry_min_ms = 10,
                                          .retry_max_ms = 50,
                                          .handler = &client_handler,
                                          .ctx = log };
}
