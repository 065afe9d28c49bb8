/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

static void pass_on(void *ctx, const struct sk_device_event *e)
{
    struct fixture *f = ctx;
    if (f->g)
        sk_gateway_event(f->g, e);
}

static void pass_gate(void *ctx, uint64_t first, uint64_t last)
{
    struct fixture *f = ctx;
    (void)first;
    (void)last;
    (void)pthread_mutex_lock(&f->gate);
    (void)pthread_mutex_unlock(&f->gate);
}

static void open_journal(struct fixture *f, const char *name, struct sk_telemetry **out)
{
    struct sk_err err = SK_ERR_INIT;
    char dir[600];
    (void)snprintf(dir, sizeof dir, "%s/%s", f->dir, name);
    const struct sk_telemetry_options opts = {
        .dir = dir, .name = name, .db = sk_store_db(f->store), .committed = pass_gate, .ctx = f
    };
    DONE(sk_telemetry_open(&opts, out, &err));
}

int fixture_make(void **state)
{
    static const char *const hosts[] = { HOST, NULL };
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    sk_log_setup(SK_ERROR, SK_LOG_TEXT, 2);
    (void)pthread_mutex_init(&f->gate, NULL);
    f->top = sk_test_dir();
    (void)snprintf(f->dir, sizeof f->dir, "%s/hub", f->top);
    DONE(sk_store_create(f->dir, &err));
    DONE(sk_store_open(f->dir, &f->store, &err));
    DONE(sk_accounts_new(f->store, &f->accounts, &err));
    open_journal(f, "telemetry", &f->telemetry);
    open_journal(f, "events", &f->events);
    const struct sk_devices_options devices = {
        .store = f->store, .accounts = f->accounts, .event = pass_on, .ctx = f
    };
    DONE(sk_devices_new(&devices, &f->devices, &err));
    const struct sk_gateway_options gateway = {
        .accounts = f->accounts,
        .devices = f->devices,
        .telemetry = f->telemetry,
        .events = f->events,
        .hub_names = hosts,
    };
    DONE(sk_gateway_new(&gateway, &f->g, &err));
    f->service = (struct sk_who){ .name = "iothubowner",
                                  .rights = SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE |
                                            SK_RIGHT_SERVICE | SK_RIGHT_TELEMETRY,
                                  .is_policy = true };
    *state = f;
    return 0;
}

int fixture_remove(void **state)
{
    struct fixture *f = *state;
    disk_is_full(false);
    if (f->g)
        sk_gateway_stop(f->g, 1000);
    sk_devices_free(f->devices);
    sk_gateway_free(f->g);
    sk_telemetry_close(f->telemetry);
    sk_telemetry_close(f->events);
    sk_accounts_free(f->accounts);
    sk_store_close(f->store);
    sk_test_dir_free(f->top);
    (void)pthread_mutex_destroy(&f->gate);
    free(f);
    return 0;
}

void disk_is_full(bool is_full)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct sk_identity make(struct fixture *f, const char *device, const char *module)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    const struct sk_identity_spec spec = {
        .device = device,
        .module = module,
        .auth = "sas",
        .primary_key = KEY_1,
        .secondary_key = KEY_2,
        .is_edge = -1,
    };
    DONE(sk_identity_create(f->devices, &f->service, &spec, &i, &err));
    return i;
}

struct sk_identity make_device(struct fixture *f, const char *device)
{
    return make(f, device, NULL);
}

struct sk_identity make_module(struct fixture *f, const char *device, const char *module)
{
    return make(f, device, module);
}

struct sk_identity identity_of(struct fixture *f, const char *device)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    DONE(sk_identity_get(f->devices, device, "", &i, &err));
    return i;
}

void change_twin(struct fixture *f, const char *device, const char *module, const char *json)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *change = NULL;
    DONE(sk_json_parse(json, strlen(json), NULL, &change, &err));
    DONE(sk_twin_change(f->devices, &f->service, device, module, change, false, NULL, NULL, &err));
}

int64_t send_down(struct fixture *f, const char *device, const char *module, const char *input,
                  const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    int64_t id = 0;
    const struct sk_down m = {
        .input = input,
        .message_id = "",
        .properties = "",
        .ack = "full",
        .body = { text, strlen(text) },
    };
    DONE(sk_down_send(f->devices, &f->service, device, module, &m, &id, &err));
    return id;
}

static int do_nothing(struct sk_change *c, void *ctx, struct sk_err *err)
{
    (void)c;
    (void)ctx;
    (void)err;
    return 0;
}

void settle(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_devices_write(f->devices, do_nothing, NULL, &err));
    DONE(sk_devices_write(f->devices, do_nothing, NULL, &err));
}

const char *messages_of(struct sk_telemetry *t)
{
    static char *text;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64 << 20);
    uint64_t seq;
    int got;
    DONE(sk_telemetry_read(t, &(struct sk_telemetry_filter){ 0 }, &r, &err));
    while ((got = sk_telemetry_next(r, &b, &seq, &err)) == 1)
        sk_buf_chr(&b, '\n');
    DONE(got);
    sk_buf_str(&b, "");
    free(text);
    text = b.data ? sk_buf_take(&b) : strdup("");
    return text;
}

void await_message(struct sk_telemetry *t, const char *words)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    while (!strstr(messages_of(t), words)) {
        if (sk_now_ms() > end)
            fail_msg("no '%s' in %s", words, messages_of(t));
        (void)usleep(5000);
    }
}

/* ---- clients ---- */

struct client *client_new(struct fixture *f, const char *address)
{
    static atomic_uint counter; /* an address each, so that bad logins do not add up */
    const unsigned count = atomic_fetch_add(&counter, 1);
    struct sk_err err = SK_ERR_INIT;
    struct sk_stream *stream = NULL;
    struct client *c = calloc(1, sizeof *c);
    char own[32];
    int pair[2];
    assert_non_null(c);
    (void)snprintf(own, sizeof own, "192.0.%u.%u:5000", count / 250 % 250, count % 250);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    DONE(sk_stream_of_fd(pair[0], &stream, &err));
    DONE(sk_gateway_add(f->g, stream, address ? address : own, (struct sk_view){ "", 0 }, false,
                        &err));
    c->fd = pair[1];
    return c;
}

void client_free(struct client *c)
{
    (void)close(c->fd);
    free(c);
}

/* Fixed header, then what follows it; a connection that has ended takes nothing, and says so later.
 */
static void put(struct client *c, unsigned first, const struct sk_buf *body)
{
    unsigned char head[5] = { (unsigned char)first };
    size_t n = 1, left = body->len, at = 0;
    do {
        head[n++] = (unsigned char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        left >>= 7;
    } while (left > 0);
    if (send(c->fd, head, n, MSG_NOSIGNAL) != (ssize_t)n)
        return;
    while (at < body->len) {
        ssize_t sent = send(c->fd, body->data + at, body->len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

static void put_u16(struct sk_buf *b, size_t value)
{
    sk_buf_chr(b, (char)(unsigned char)(value >> 8));
    sk_buf_chr(b, (char)(unsigned char)value);
}

static void put_text(struct sk_buf *b, const char *text, size_t len)
{
    put_u16(b, len);
    sk_buf_add(b, text, len);
}

void client_connect(struct client *c, const struct login *l)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    size_t len = l->password_len ? l->password_len : l->password ? strlen(l->password) : 0;
    unsigned flags = (l->username ? 0x80u : 0) | (l->password ? 0x40u : 0) |
                     (l->is_clean ? 2u : 0) | (l->will_topic ? 0x0cu : 0) |
                     (l->will_retain ? 0x20u : 0);
    put_text(&b, "MQTT", 4);
    sk_buf_chr(&b, 4);
    sk_buf_chr(&b, (char)(unsigned char)flags);
    put_u16(&b, 60);
    put_text(&b, l->client_id, strlen(l->client_id));
    if (l->will_topic) {
        put_text(&b, l->will_topic, strlen(l->will_topic));
        put_text(&b, l->will_text, strlen(l->will_text));
    }
    if (l->username)
        put_text(&b, l->username, strlen(l->username));
    if (l->password)
        put_text(&b, l->password, len);
    put(c, 0x10, &b);
}

static const char *token_until(const char *device, const char *module, const char *key,
                               int64_t end_s)
{
    static char text[1024];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    char resource[600];
    (void)snprintf(resource, sizeof resource, HOST "/devices/%s%s%s", device,
                   *module ? "/modules/" : "", module);
    DONE(sk_iot_sas_make(resource, key, NULL, end_s, &b, &err));
    (void)snprintf(text, sizeof text, "%s", b.data);
    return text;
}

const char *token_of(const char *device, const char *module, const char *key, int64_t life_s)
{
    return token_until(device, module, key, (int64_t)(sk_wall_ms() / 1000) + life_s);
}

/* A login that came behind the token's end holds for the skew: then once more, with a longer one.
 */
struct client *client_for_a_while(struct fixture *f, const char *device, uint64_t *end_ms)
{
    char username[400];
    (void)snprintf(username, sizeof username, HOST "/%s/?api-version=2021-04-12", device);
    for (int64_t life_s = 2; life_s < 200; life_s *= 2) {
        struct client *c = client_new(f, NULL);
        struct packet p;
        const int64_t end_s = (int64_t)(sk_wall_ms() / 1000) + life_s;
        client_connect(c, &(struct login){ .client_id = device,
                                           .username = username,
                                           .password = token_until(device, "", KEY_1, end_s) });
        client_want(c, CONNACK, &p);
        assert_int_equal(p.code, 0);
        *end_ms = (uint64_t)end_s * 1000;
        if (sk_wall_ms() + 500 < *end_ms)
            return c;
        client_free(c);
    }
    fail_msg("no login of '%s' comes before its token's end", device);
    return NULL;
}

struct client *client_in(struct fixture *f, const char *device, const char *module, bool is_clean,
                         bool *session_present)
{
    struct client *c = client_new(f, NULL);
    struct packet p;
    char id[300], username[400];
    (void)snprintf(id, sizeof id, "%s%s%s", device, *module ? "/" : "", module);
    (void)snprintf(username, sizeof username, HOST "/%s/?api-version=2021-04-12", id);
    client_connect(c, &(struct login){ .client_id = id,
                                       .username = username,
                                       .password = token_of(device, module, KEY_1, 3600),
                                       .is_clean = is_clean });
    client_want(c, CONNACK, &p);
    if (p.code != 0)
        fail_msg("CONNACK of %s is %u", id, p.code);
    if (session_present)
        *session_present = p.session_present;
    return c;
}

void client_publish(struct client *c, unsigned qos, bool retain, uint16_t id, const char *topic,
                    const void *payload, size_t len)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    put_text(&b, topic, strlen(topic));
    if (qos > 0)
        put_u16(&b, id);
    sk_buf_add(&b, payload, len);
    put(c, 0x30 | qos << 1 | (retain ? 1 : 0), &b);
}

void client_say(struct client *c, unsigned qos, uint16_t id, const char *topic, const char *text)
{
    client_publish(c, qos, false, id, topic, text, strlen(text));
}

void client_filters(struct client *c, bool is_subscribe, uint16_t id, unsigned qos,
                    const char *const *filters, size_t count)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    put_u16(&b, id);
    for (size_t i = 0; i < count; i++) {
        put_text(&b, filters[i], strlen(filters[i]));
        if (is_subscribe)
            sk_buf_chr(&b, (char)(unsigned char)qos);
    }
    put(c, is_subscribe ? 0x82 : 0xa2, &b);
}

unsigned client_subscribe(struct client *c, unsigned qos, const char *filter)
{
    struct packet p;
    client_filters(c, true, ++c->next_id, qos, &filter, 1);
    client_want(c, SUBACK, &p);
    assert_int_equal(p.id, c->next_id);
    return p.code;
}

void client_ack(struct client *c, uint16_t id)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(16);
    put_u16(&b, id);
    put(c, 0x40, &b);
}

void client_disconnect(struct client *c)
{
    const struct sk_buf none = SK_BUF_INIT(1);
    put(c, 0xe0, &none);
}

/* Length of the packet at the front; 0: it is not whole yet. */
static size_t whole(const struct client *c, size_t *head)
{
    size_t size = 0;
    for (size_t i = 1; i < c->len && i < 5; i++) {
        size |= (size_t)(c->in[i] & 0x7f) << (7 * (i - 1));
        if (c->in[i] & 0x80)
            continue;
        *head = i + 1;
        return c->len >= *head + size ? *head + size : 0;
    }
    return 0;
}

static uint16_t get_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void read_packet(const unsigned char *p, const unsigned char *body, size_t len,
                        struct packet *out)
{
    *out = (struct packet){ .type = p[0] >> 4, .flags = p[0] & 15, .payload = "" };
    if (out->type == CONNACK) {
        out->session_present = body[0] & 1;
        out->code = body[1];
    } else if (out->type == PUBLISH) {
        size_t topic = get_u16(body), at = 2 + topic;
        (void)snprintf(out->topic, sizeof out->topic, "%.*s", (int)topic, body + 2);
        if (out->flags & 2) {
            out->id = get_u16(body + at);
            at += 2;
        }
        out->payload = (const char *)body + at;
        out->len = len - at;
    } else if (len >= 2) {
        out->id = get_u16(body);
        for (size_t i = 2; i < len && i - 2 < sizeof out->codes; i++)
            out->codes[i - 2] = body[i];
        out->code = out->codes[0];
    }
}

bool client_read(struct client *c, struct packet *out, int wait_ms)
{
    size_t head = 0, size;
    memmove(c->in, c->in + c->taken, c->len - c->taken);
    c->len -= c->taken;
    c->taken = 0;
    while ((size = whole(c, &head)) == 0) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (poll(&p, 1, wait_ms) <= 0)
            return false;
        assert_true(c->len < sizeof c->in - 1);
        ssize_t got = recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);
        if (got <= 0) {
            *out = (struct packet){ .payload = "" };
            return true;
        }
        c->len += (size_t)got;
    }
    c->taken = size;
    read_packet(c->in, c->in + head, size - head, out);
    if (out->type == PUBLISH) { /* a C string: what follows moves up by a byte */
        memmove(c->in + size + 1, c->in + size, c->len - size);
        c->in[size] = '\0';
        c->taken++;
        c->len++;
    }
    return true;
}

void client_want(struct client *c, unsigned type, struct packet *out)
{
    if (!client_read(c, out, PATIENCE_MS))
        fail_msg("nothing came instead of a packet of type %u", type);
    if (out->type != type)
        fail_msg("a packet of type %u '%s' %.100s came instead of type %u", out->type, out->topic,
                 out->payload, type);
}

void client_want_publish(struct client *c, const char *topic, const char *payload)
{
    struct packet p;
    client_want(c, PUBLISH, &p);
    if (strcmp(p.topic, topic) != 0 || strcmp(p.payload, payload) != 0)
        fail_msg("'%s' %s came instead of '%s' %s", p.topic, p.payload, topic, payload);
}

void client_quiet(struct client *c)
{
    struct packet p;
    if (client_read(c, &p, QUIET_MS))
        fail_msg("a packet of type %u '%s' %.100s came", p.type, p.topic, p.payload);
}
