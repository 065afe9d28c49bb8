/* hub_util.c - see hub_util.h. */
#include "hub_util.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "iot/iot.h"

#include <time.h>
#include <unistd.h>

int hub_folder(void **state)
{
    struct hub_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/skerry-hub-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->dir, sizeof f->dir, "%s/hub", f->folder);
    sk_log_setup(SK_ERROR, SK_LOG_TEXT, 2);
    *state = f;
    return 0;
}

void hub_start(struct hub_fixture *f, unsigned workers)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_hub_options opts = {
        .dir = f->dir, .host = "127.0.0.1", .listen_fd = -1, .workers = workers, .plain_http = true
    };
    if (sk_hub_start(&opts, &f->hub, &err) < 0)
        fail_msg("%s", err.text);
    f->port = sk_hub_port(f->hub);
}

void hub_stop(struct hub_fixture *f)
{
    if (f->hub)
        assert_int_equal(sk_hub_drain(f->hub, HUB_PATIENCE_MS), 0);
    sk_hub_stop(f->hub);
    f->hub = NULL;
}

int hub_running(void **state)
{
    static const char *const names[] = { "hub.example" };
    struct sk_err err = SK_ERR_INIT;
    (void)hub_folder(state);
    struct hub_fixture *f = *state;
    const struct sk_hub_init init = {
        .dir = f->dir, .hostnames = names, .hostname_count = 1, .port = 8443
    };
    if (sk_hub_init(&init, &f->made, &err) < 0)
        fail_msg("%s", err.text);
    hub_start(f, 2);
    return 0;
}

int hub_gone(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct hub_fixture *f = *state;
    hub_stop(f);
    int rc = sk_remove_tree(f->folder, &err);
    free(f);
    return rc;
}

void hub_ask(struct hub_fixture *f, const char *method, const char *path, const char *token,
             const char *body, struct answer *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    sk_buf_fmt(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", method, path);
    if (token)
        sk_buf_fmt(&b, "Authorization: Bearer %s\r\n", token);
    if (body)
        sk_buf_fmt(&b, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    sk_buf_fmt(&b, "\r\n%s", body ? body : "");
    client_ask(f->port, b.data, out);
}

void hub_ask_with(struct hub_fixture *f, const char *method, const char *path, const char *headers,
                  const char *body, size_t len, struct answer *out)
{
    struct client c;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    sk_buf_fmt(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, path, headers);
    if (body)
        sk_buf_fmt(&b, "Content-Length: %zu\r\n", len);
    sk_buf_str(&b, "\r\n");
    sk_buf_add(&b, body ? body : "", body ? len : 0);
    assert_true(sk_buf_ok(&b));
    client_open(&c, f->port);
    (void)client_send_bytes(&c, b.data, b.len);
    client_read(&c, false, out);
    client_close(&c);
}

void hub_do(struct hub_fixture *f, const char *method, const char *path, const char *body,
            int status, const char *words)
{
    struct answer a;
    hub_ask(f, method, path, f->made.owner_token, body, &a);
    if (a.status != status || !strstr(a.body, words))
        fail_msg("%s %s: expected %d with '%s', got %d %s", method, path, status, words, a.status,
                 a.body);
}

void hub_sas(const char *resource, const char *key, const char *policy, char out[512])
{
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1024);
    struct sk_err err = SK_ERR_INIT;
    char full[300];
    (void)snprintf(full, sizeof full, "hub.example%s%s", *resource ? "/" : "", resource);
    if (sk_iot_sas_make(full, key, policy, time(NULL) + 3600, &token, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(out, 512, "Authorization: %s\r\n", token.data);
}

struct policy_key {
    const char *name;
    char key[64];
};

static int take_policy(void *ctx, const struct sk_policy *p, struct sk_err *err)
{
    struct policy_key *k = ctx;
    (void)err;
    if (strcmp(p->name, k->name) == 0)
        (void)snprintf(k->key, sizeof k->key, "%s", p->primary_key);
    return 0;
}

void hub_sas_policy(struct hub_fixture *f, const char *policy, char out[512])
{
    struct policy_key k = { .name = policy };
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who;
    sk_who_local(&who);
    assert_int_equal(sk_policy_list(sk_hub_accounts(f->hub), &who, take_policy, &k, &err), 0);
    assert_true(k.key[0] != '\0');
    hub_sas("", k.key, policy, out);
}

static void path_of(const char *name, char out[280])
{
    const char *slash = strchr(name, '/');
    (void)snprintf(out, 280, "devices/%.*s%s%s", (int)strcspn(name, "/"), name,
                   slash ? "/modules" : "", slash ? slash : "");
}

void hub_sas_device(const char *name, char out[512])
{
    char path[280];
    path_of(name, path);
    hub_sas(path, HUB_KEY, NULL, out);
}

void hub_identity(struct hub_fixture *f, const char *name, const char *more)
{
    char path[280], target[300], body[1024];
    path_of(name, path);
    (void)snprintf(target, sizeof target, "/%s", path);
    (void)snprintf(body, sizeof body,
                   "{\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"%s\","
                   "\"secondaryKey\":\"%s\"}}%s}",
                   HUB_KEY, HUB_KEY, more);
    hub_do(f, "PUT", target, body, 200, "\"generationId\"");
}

void hub_token(struct hub_fixture *f, enum sk_role role, char secret[SK_TOKEN_TEXT])
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who;
    sk_who_local(&who);
    if (sk_token_create(sk_hub_accounts(f->hub), &who, sk_role_name(role), role, NULL, 0, secret,
                        NULL, &err) < 0)
        fail_msg("%s", err.text);
}

static unsigned readers(struct hub_fixture *f)
{
    struct sk_live_readers *r = &f->hub->iot->readers;
    SK_LOCK(&r->lock);
    return r->count;
}

void hub_await_readers(struct hub_fixture *f, unsigned count)
{
    const uint64_t end = sk_now_ms() + HUB_PATIENCE_MS;
    while (readers(f) != count && sk_now_ms() < end)
        (void)usleep(2000);
    assert_int_equal(readers(f), count);
}

void hub_expect(const struct answer *a, int status, const char *words)
{
    if (a->status != status || !strstr(a->body, words))
        fail_msg("expected %d with '%s', got %d %s", status, words, a->status, a->body);
}

struct waiting {
    pthread_mutex_t lock; /* guards is_over */
    bool is_over;
};

static void on_stored(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct waiting *w = ctx;
    (void)seq;
    SK_LOCK(&w->lock);
    w->is_over = !failed;
}

static bool is_over(struct waiting *w)
{
    SK_LOCK(&w->lock);
    return w->is_over;
}

void hub_message(struct hub_fixture *f, const char *device, const char *module, const char *bag,
                 struct sk_view body)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag parsed = { 0 };
    struct waiting w = { .lock = PTHREAD_MUTEX_INITIALIZER };
    if (bag && sk_iot_bag_parse(sk_view_of(bag), &parsed, &err) < 0)
        fail_msg("%s", err.text);
    const struct sk_message m = { .device = device,
                                  .module = module,
                                  .source = "Telemetry",
                                  .generation = "",
                                  .auth_method = "",
                                  .bag = bag ? &parsed : NULL,
                                  .body = body };
    if (sk_telemetry_add(f->hub->iot->telemetry, &m, on_stored, &w, &err) < 0)
        fail_msg("%s", err.text);
    while (!is_over(&w))
        (void)usleep(200);
}
