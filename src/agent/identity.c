/*
 * identity.c - the identities of modules at the hub: made when a deployment names a module, given
 * keys that are derived here, removed when nothing needs them any more.
 *
 * A thread of its own does it, in the background and again until it works: modules start without
 * it, and their messages wait in the spool. Removed is only what this agent made (managedBy
 * IotEdge), after the change that dropped it is committed, and never what last-good still names: a
 * module's record is there as long as an instance of it may come back.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

enum {
    CALL_MS = 60000,
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 60000,
    LOOK_MS = 3600 * 1000, /* a look at the hub's list, in case somebody deleted one */
    TOKEN_S = 300,
    LEAF_PAUSE_MS = 2000, /* between two readings that unknown devices ask for: anybody may ask */
    REFUSED_MS = 30000,
    PAGES_MAX = 100
};

#define VERSION    "?api-version=2017-11-08-preview"
#define MANAGED_BY "IotEdge"

/* ---- what is known, under the agent's lock ---- */

static struct sk_agent_identity *find(struct sk_agent *a, const char *name)
{
    for (size_t i = 0; i < a->identity_count; i++)
        if (strcmp(a->identities[i].name, name) == 0)
            return &a->identities[i];
    return NULL;
}

void sk_agent_generation_locked(struct sk_agent *a, const char *module, char out[64],
                                bool *is_registered)
{
    const struct sk_agent_identity *i = find(a, module);
    (void)snprintf(out, 64, "%s", i && *i->generation ? i->generation : "0");
    *is_registered = i && i->is_registered;
}

void sk_agent_generation(struct sk_agent *a, const char *module, char out[64], bool *is_registered)
{
    SK_LOCK(&a->lock);
    sk_agent_generation_locked(a, module, out, is_registered);
}

void sk_agent_identity_stays_locked(struct sk_agent *a, const char *module)
{
    struct sk_agent_identity *i = find(a, module);
    if (i)
        i->is_leaving = false;
}

void sk_agent_identity_refused(struct sk_agent *a, const char *module)
{
    const uint64_t now = sk_now_ms();
    {
        SK_LOCK(&a->lock);
        struct sk_agent_identity *i = find(a, module);
        if (!i || !i->is_registered || (i->refused_ms > 0 && now - i->refused_ms < REFUSED_MS))
            return;
        i->refused_ms = now;
        i->is_registered = false;
    }
    sk_log(SK_WARN, "login_refused",
           "module=%s reason=\"the hub does not know it, or by another key\" "
           "what_next=\"it is registered again\"",
           module);
    sk_agent_identity_wake(a);
}

static int save(struct sk_agent *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "identities.json");
    if (!path)
        return sk_nomem(err);
    sk_buf_str(&b, "{\"modules\":[");
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->identity_count; i++) {
            sk_buf_str(&b, i > 0 ? ",\n{\"name\":" : "\n{\"name\":");
            sk_buf_json_str(&b, a->identities[i].name);
            sk_buf_str(&b, ",\"generation\":");
            sk_buf_json_str(&b, a->identities[i].generation);
            sk_buf_str(&b, a->identities[i].is_registered ? ",\"isRegistered\":true}" : "}");
        }
    }
    sk_buf_str(&b, "]}\n");
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_file_write(path, b.data, b.len, 0600, err);
}

static void load(struct sk_agent *a)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "identities.json");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (!path || !sk_is_file(path))
        return;
    if (sk_json_file(path, &doc, &err) < 0) {
        sk_log(SK_WARN, "state_damaged",
               "error=\"%s\" what_next=\"identities are asked for again\"", err.text);
        return;
    }
    const struct sk_json *list = sk_json_get(doc, "modules");
    for (size_t i = 0; i < sk_json_count(list) && i < SK_AGENT_MODULES_MAX + 2; i++) {
        const struct sk_json *v = sk_json_at(list, i);
        struct sk_agent_identity *to = &a->identities[a->identity_count++];
        (void)snprintf(to->name, sizeof to->name, "%s", sk_json_get_text(v, "name", ""));
        (void)snprintf(to->generation, sizeof to->generation, "%s",
                       sk_json_get_text(v, "generation", ""));
        to->is_registered = sk_json_bool(sk_json_get(v, "isRegistered"), false);
    }
}

/* False: there is no place for it until others are removed. */
static bool set(struct sk_agent *a, const char *name, const char *generation, bool is_registered)
{
    SK_LOCK(&a->lock);
    struct sk_agent_identity *i = find(a, name);
    if (!i && a->identity_count < sizeof a->identities / sizeof *a->identities) {
        i = &a->identities[a->identity_count++];
        *i = (struct sk_agent_identity){ 0 }; /* of one that was removed */
    }
    if (!i)
        return false;
    (void)snprintf(i->name, sizeof i->name, "%s", name);
    (void)snprintf(i->generation, sizeof i->generation, "%s", generation);
    i->is_registered = is_registered;
    return true;
}

static void drop(struct sk_agent *a, const char *name)
{
    SK_LOCK(&a->lock);
    struct sk_agent_identity *i = find(a, name);
    if (i)
        *i = a->identities[--a->identity_count];
}

/* ---- calls ---- */

static void put_order(struct sk_agent *a, struct sk_buf *b, const char *token)
{
    const struct sk_agent_config *c = &a->config;
    SK_OWN(free) char *ca = sk_agent_path(a->dir, "tls", "hub-ca.pem");
    SK_OWN(free) char *cert = sk_agent_path(a->dir, "secrets", "device.pem");
    SK_OWN(free) char *key = sk_agent_path(a->dir, "secrets", "device-key.pem");
    sk_buf_fmt(b, "{\"base\":\"https://%s:%u\"", c->hub_address, c->hub_https_port);
    if (c->has_hub_ca && ca) {
        sk_buf_str(b, ",\"caFile\":");
        sk_buf_json_str(b, ca);
    }
    if (c->is_x509 && cert && key) {
        sk_buf_str(b, ",\"certFile\":");
        sk_buf_json_str(b, cert);
        sk_buf_str(b, ",\"keyFile\":");
        sk_buf_json_str(b, key);
    }
    sk_buf_str(b, ",\"token\":");
    sk_buf_json_str(b, token);
    sk_buf_str(b, ",\"calls\":[");
}

static void put_path(struct sk_agent *a, struct sk_buf *b, const char *method, const char *module)
{
    sk_buf_fmt(b, "{\"method\":\"%s\",\"path\":\"/devices/", method);
    sk_buf_percent(b, a->config.device, strlen(a->config.device), "");
    sk_buf_str(b, "/modules");
    if (module) {
        sk_buf_chr(b, '/');
        sk_buf_percent(b, module, strlen(module), "");
    }
    sk_buf_str(b, VERSION "\"");
}

/* keys: with authentication; else only that it is there. */
static int put_module(struct sk_agent *a, struct sk_buf *b, const char *module, bool keys,
                      struct sk_err *err)
{
    char primary[64], secondary[64];
    if (sk_agent_module_key(&a->secrets, module, "primary", primary, err) < 0 ||
        sk_agent_module_key(&a->secrets, module, "secondary", secondary, err) < 0)
        return -1;
    put_path(a, b, "PUT", module);
    sk_buf_fmt(b, "%s,\"body\":{\"moduleId\":", keys ? ",\"force\":true" : "");
    sk_buf_json_str(b, module);
    sk_buf_str(b, ",\"managedBy\":\"" MANAGED_BY "\",\"deviceId\":");
    sk_buf_json_str(b, a->config.device);
    if (keys)
        sk_buf_fmt(b,
                   ",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"%s\","
                   "\"secondaryKey\":\"%s\"}}",
                   primary, secondary);
    sk_buf_str(b, "}}");
    explicit_bzero(primary, sizeof primary);
    explicit_bzero(secondary, sizeof secondary);
    return 0;
}

/* calls: the members of "calls", already in b behind put_order. */
static int make_calls(struct sk_agent *a, struct sk_buf *b, struct sk_json **out,
                      struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(4 * SK_AGENT_FILE_MAX);
    sk_buf_str(b, "]}");
    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    int rc = sk_agent_child_call(a, "edge-call", (struct sk_view){ b->data, b->len }, CALL_MS,
                                 &answer, err);
    explicit_bzero(b->data, b->len);
    if (rc < 0)
        return -1;
    return sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, out, err);
}

/* As the device, or as one of its modules. */
static int begin_order_as(struct sk_agent *a, const char *module, struct sk_buf *b,
                          struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(2048);
    if ((!a->config.is_x509 || *module) &&
        sk_agent_token(&a->secrets, &a->config, module, TOKEN_S, &token, err) < 0)
        return -1;
    sk_buf_chr(&token, '\0');
    if (!sk_buf_ok(&token))
        return sk_buf_fail(&token, err);
    put_order(a, b, token.data);
    return 0;
}

static int begin_order(struct sk_agent *a, struct sk_buf *b, struct sk_err *err)
{
    return begin_order_as(a, "", b, err);
}

int sk_agent_order_modules(struct sk_agent *a, struct sk_buf *out, struct sk_err *err)
{
    if (begin_order(a, out, err) < 0)
        return -1;
    put_path(a, out, "GET", NULL);
    sk_buf_str(out, "}]}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static const struct sk_json *answer_at(const struct sk_json *doc, size_t i)
{
    return sk_json_at(sk_json_get(doc, "answers"), i);
}

static int refuse(const struct sk_json *answer, struct sk_err *err)
{
    int64_t status = sk_json_int(sk_json_get(answer, "status"), 0);
    if (status >= 200 && status < 300)
        return 0;
    return sk_fail(err, status == 0 ? SK_IO : SK_REMOTE, "%s",
                   sk_json_get_text(answer, "error", "no answer"));
}

static int register_one(struct sk_agent *a, const char *module, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (begin_order(a, &b, err) < 0)
        return -1;
    if (*module != '$') { /* those two are there since the device was made */
        if (put_module(a, &b, module, false, err) < 0)
            return -1;
        sk_buf_chr(&b, ',');
    }
    if (put_module(a, &b, module, true, err) < 0 || make_calls(a, &b, &doc, err) < 0)
        return -1;
    const struct sk_json *last = answer_at(doc, *module == '$' ? 0 : 1);
    if (refuse(last, err) < 0) {
        const struct sk_json *first = answer_at(doc, 0);
        int64_t status = sk_json_int(sk_json_get(first, "status"), 0);
        if (last != first && status != 409 && status != 412)
            (void)refuse(first, err);
        return -1;
    }
    if (!set(a, module, sk_json_get_text(last, "generation", ""), true))
        return sk_fail(err, SK_LIMIT, "too many identities, until others are removed");
    if (save(a, err) < 0)
        return -1;
    sk_log(SK_INFO, "module_registered", "module=%s", module);
    sk_agent_send_modules(a);
    return 0;
}

/* Whether all that it had stored for the cloud was sent: that goes over its own identity. A number
 * below an earlier one: the queue was empty and began anew.
 */
static int check_sent(struct sk_agent *a, const char *module, struct sk_err *err)
{
    struct sk_agent_range queues[SK_AGENT_PRIORITIES];
    uint64_t left = 0;
    if (sk_agent_upstream(a, queues, err) < 0)
        return -1;
    SK_LOCK(&a->lock);
    struct sk_agent_identity *i = find(a, module);
    for (size_t p = 0; i && p < SK_AGENT_PRIORITIES; p++) {
        if (!i->is_leaving)
            i->behind[p] = queues[p].next;
        if (queues[p].next >= i->behind[p] && queues[p].first < i->behind[p])
            left += i->behind[p] - queues[p].first;
    }
    if (i)
        i->is_leaving = true;
    if (left > 0)
        return sk_fail(err, SK_BUSY, "up to %llu stored messages are still to be sent",
                       (unsigned long long)left);
    return 0;
}

static int unregister_one(struct sk_agent *a, const char *module, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (check_sent(a, module, err) < 0 || begin_order(a, &b, err) < 0)
        return -1;
    put_path(a, &b, "GET", module);
    sk_buf_chr(&b, '}');
    if (make_calls(a, &b, &doc, err) < 0)
        return -1;
    const struct sk_json *got = answer_at(doc, 0);
    int64_t status = sk_json_int(sk_json_get(got, "status"), 0);
    bool is_ours = strcasecmp(sk_json_get_text(got, "managedBy", ""), MANAGED_BY) == 0;
    if (status != 404 && refuse(got, err) < 0)
        return -1;
    if (status != 404 && is_ours) {
        SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(SK_AGENT_FILE_MAX);
        SK_OWN(sk_json_free) struct sk_json *gone = NULL;
        if (begin_order(a, &again, err) < 0)
            return -1;
        put_path(a, &again, "DELETE", module);
        sk_buf_str(&again, ",\"force\":true}");
        if (make_calls(a, &again, &gone, err) < 0)
            return -1;
        const struct sk_json *deleted = answer_at(gone, 0);
        if (sk_json_int(sk_json_get(deleted, "status"), 0) != 404 && refuse(deleted, err) < 0)
            return -1;
        sk_log(SK_INFO, "module_unregistered", "module=%s", module);
    }
    drop(a, module);
    return save(a, err);
}

/* ---- leaf devices ---- */

static int put_page(struct sk_agent *a, struct sk_buf *b, const char *next)
{
    if (*next) {
        sk_buf_str(b, "{\"method\":\"GET\",\"path\":");
        sk_buf_json_str(b, next);
        sk_buf_chr(b, '}');
        return 0;
    }
    sk_buf_str(b, "{\"method\":\"GET\",\"path\":\"/devices/");
    sk_buf_percent(b, a->config.device, strlen(a->config.device), "");
    sk_buf_str(b, "/modules/$edgeHub/devicesAndModulesInDeviceScope?deviceCount=100"
                  "&api-version=2018-08-30-preview\"}");
    return 0;
}

/* The device scope, page by page, as $edgeHub; appends the entries of `leaves`. */
static int fetch_leaves(struct sk_agent *a, struct sk_buf *out, struct sk_err *err)
{
    char next[1024] = "";
    bool is_first = true;
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        if (begin_order_as(a, "$edgeHub", &b, err) < 0 || put_page(a, &b, next) < 0 ||
            make_calls(a, &b, &doc, err) < 0)
            return -1;
        const struct sk_json *got = answer_at(doc, 0);
        const struct sk_json *leaves = sk_json_get(got, "leaves");
        if (refuse(got, err) < 0)
            return -1;
        for (size_t i = 0; i < sk_json_count(leaves); i++) {
            sk_buf_str(out, is_first ? "" : ",");
            is_first = false;
            sk_json_dump(sk_json_at(leaves, i), out);
        }
        (void)snprintf(next, sizeof next, "%s", sk_json_get_text(got, "next", ""));
        if (*next != '/')
            return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
    }
    return sk_fail(err, SK_LIMIT, "more than %d pages of leaf devices", PAGES_MAX);
}

/* Those who asked about an unknown device get their answer when the scope was read. */
static void answer_leaves(struct sk_agent *a, const struct sk_err *failed)
{
    int64_t ids[SK_AGENT_LEAF_CALLS];
    struct sk_err err = SK_ERR_INIT;
    size_t count;
    {
        SK_LOCK(&a->lock);
        count = a->leaf_call_count;
        memcpy(ids, a->leaf_calls, sizeof ids);
        a->leaf_call_count = 0;
    }
    SK_LOCK(&a->wire_lock);
    for (size_t i = 0; i < count && a->wire; i++) {
        int rc = failed ? sk_wire_refuse(a->wire, ids[i], failed, &err)
                        : sk_wire_answer(a->wire, ids[i], SK_VIEW(""), &err);
        if (rc < 0)
            sk_log(SK_DEBUG, "wire_answer_lost", "error=\"%s\"", err.text);
    }
}

static int refresh_leaves(struct sk_agent *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_WIRE_MAX);
    sk_buf_str(&text, "{\"type\":\"leaves\",\"leaves\":[");
    if (fetch_leaves(a, &text, err) < 0)
        return -1;
    sk_buf_str(&text, "]}");
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    int rc = 0;
    {
        SK_LOCK(&a->wire_lock);
        if (a->wire)
            rc = sk_wire_send(a->wire, (struct sk_view){ text.data, text.len }, err);
    }
    explicit_bzero(text.data, text.len);
    return rc;
}

/* At each contact with the hub, every hour, and when the local hub asks about a device. read_ms: of
 * the last time. */
static void care_for_leaves(struct sk_agent *a, uint64_t *read_ms)
{
    struct sk_err err = SK_ERR_INIT;
    bool is_due, is_uplink;
    {
        SK_LOCK(&a->lock);
        is_uplink = a->is_uplink && find(a, "$edgeHub");
        is_due = (a->leaf_call_count > 0 && sk_now_ms() >= *read_ms + LEAF_PAUSE_MS) ||
                 (is_uplink && sk_now_ms() >= a->leaves_due_ms);
        if (is_due)
            a->leaves_due_ms = sk_now_ms() + LOOK_MS;
    }
    if (!is_due)
        return;
    *read_ms = sk_now_ms();
    if (!is_uplink)
        (void)sk_fail(&err, SK_BUSY, "the hub is out of reach, and this device is not known yet");
    else if (refresh_leaves(a, &err) < 0)
        sk_log(SK_WARN, "leaves_not_read", "error=\"%s\"", err.text);
    answer_leaves(a, err.code == SK_OK ? NULL : &err);
}

/* ---- the thread ---- */

/* The n-th name to register, or to remove; false: there are not so many. */
static bool task_at(struct sk_agent *a, unsigned n, char name[SK_AGENT_NAME], bool *is_removal)
{
    static const char *const system[] = { "$edgeAgent", "$edgeHub" };
    SK_LOCK(&a->lock);
    *is_removal = false;
    for (size_t i = 0; i < 2; i++) {
        const struct sk_agent_identity *known = find(a, system[i]);
        if ((!known || !known->is_registered) && n-- == 0) {
            (void)snprintf(name, SK_AGENT_NAME, "%s", system[i]);
            return true;
        }
    }
    for (size_t i = 0; i < a->module_count; i++) {
        const struct sk_agent_identity *known = find(a, a->modules[i]->name);
        if (a->modules[i]->want && (!known || !known->is_registered) && n-- == 0) {
            (void)snprintf(name, SK_AGENT_NAME, "%s", a->modules[i]->name);
            return true;
        }
    }
    for (size_t i = 0; i < a->identity_count && a->desired_version >= 0; i++) {
        const struct sk_agent_identity *known = &a->identities[i];
        if (*known->name != '$' && !sk_agent_find(a, known->name) && n-- == 0) {
            (void)snprintf(name, SK_AGENT_NAME, "%s", known->name);
            *is_removal = true;
            return true;
        }
    }
    return false;
}

/* What the hub refuses is passed over, so that it keeps nobody else waiting. */
static bool next_task(struct sk_agent *a, unsigned *passed, char name[SK_AGENT_NAME],
                      bool *is_removal)
{
    if (task_at(a, *passed, name, is_removal))
        return true;
    *passed = 0;
    return task_at(a, 0, name, is_removal);
}

static bool has_leaf_calls(struct sk_agent *a)
{
    SK_LOCK(&a->lock);
    return a->leaf_call_count > 0;
}

static void rest(struct sk_agent *a, uint64_t ms)
{
    struct pollfd p = { .fd = a->registrar_fd, .events = POLLIN };
    uint64_t count;
    if (ms > LEAF_PAUSE_MS / 4 && has_leaf_calls(a))
        ms = LEAF_PAUSE_MS / 4;
    if (poll(&p, 1, (int)ms) > 0)
        (void)!read(a->registrar_fd, &count, sizeof count);
}

static void *registrar(void *arg)
{
    struct sk_agent *a = arg;
    uint64_t retry_ms = RETRY_MIN_MS, leaves_read_ms = 0;
    unsigned passed = 0;
    while (!atomic_load(&a->stops)) {
        char name[SK_AGENT_NAME];
        struct sk_err err = SK_ERR_INIT;
        bool is_removal;
        care_for_leaves(a, &leaves_read_ms);
        if (!next_task(a, &passed, name, &is_removal)) {
            retry_ms = RETRY_MIN_MS;
            rest(a, LOOK_MS);
            continue;
        }
        if ((is_removal ? unregister_one(a, name, &err) : register_one(a, name, &err)) == 0) {
            retry_ms = RETRY_MIN_MS;
            continue;
        }
        passed++;
        sk_log(retry_ms == RETRY_MIN_MS ? SK_WARN : SK_DEBUG, "identity_waits",
               "module=%s error=\"%s\" retry_s=%llu", name, err.text,
               (unsigned long long)retry_ms / 1000);
        rest(a, retry_ms);
        retry_ms = retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
    }
    return NULL;
}

int sk_agent_identity_start(struct sk_agent *a, struct sk_err *err)
{
    load(a);
    a->registrar_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->registrar_fd < 0)
        return sk_fail_errno(err, "eventfd");
    if (sk_thread_start(&a->registrar, "sk-identity", registrar, a, err) < 0)
        return -1;
    a->has_registrar = true;
    return 0;
}

void sk_agent_identity_stop(struct sk_agent *a)
{
    if (a->has_registrar) {
        sk_agent_identity_wake(a);
        (void)pthread_join(a->registrar, NULL);
    }
    a->has_registrar = false;
    sk_close(&a->registrar_fd);
}

void sk_agent_identity_wake(struct sk_agent *a)
{
    const uint64_t one = 1;
    if (a->registrar_fd >= 0)
        (void)!write(a->registrar_fd, &one, sizeof one);
}
