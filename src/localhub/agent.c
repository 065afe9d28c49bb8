/*
 * agent.c - the wire to the agent: who connects, what it says, what it is asked
 * (docs/spec/edge-wire.md).
 *
 * One agent at a time; a newer connection takes the older one's place. Messages are handled on the
 * wire's thread, one after the other. The wire is used with agent.lock held, and freed after it was
 * taken out under it, so that nobody uses one that is gone.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* ---- to the agent ---- */

int sk_lh_ask(struct sk_lh *h, struct sk_view json, uint64_t timeout_ms,
              void (*done)(void *ctx, const struct sk_json *answer, const struct sk_err *failed),
              void *ctx, struct sk_err *err)
{
    SK_LOCK(&h->agent.lock);
    if (h->agent.wire && sk_wire_ask(h->agent.wire, json, timeout_ms, done, ctx, err) == 0)
        return 0;
    if (h->agent.wire && err->code != SK_IO)
        return -1;
    return sk_fail(err, SK_BUSY, "the agent is away");
}

void sk_lh_tell(struct sk_lh *h, struct sk_view json)
{
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&h->agent.lock);
    if (h->agent.wire && sk_wire_send(h->agent.wire, json, &err) < 0)
        sk_log(SK_WARN, "agent_not_told", "error=\"%s\"", err.text);
}

void sk_lh_tell_desired(struct sk_lh *h)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4 * SK_TWIN_SECTION_MAX);
    if (!h->agent_id || !h->agent_id->twin.is_seen)
        return;
    sk_buf_str(&text, "{\"type\":\"desired\",\"desired\":");
    sk_lh_twin_desired(h->agent_id, &text);
    sk_buf_chr(&text, '}');
    if (sk_buf_ok(&text))
        sk_lh_tell(h, (struct sk_view){ text.data, text.len });
}

static void tell_uplink(struct sk_lh *h)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    sk_buf_fmt(&text,
               "{\"type\":\"uplink\",\"isConnected\":%s,\"why\":", h->is_uplink ? "true" : "false");
    sk_buf_json_str(&text, h->uplink_why);
    sk_buf_chr(&text, '}');
    if (sk_buf_ok(&text))
        sk_lh_tell(h, (struct sk_view){ text.data, text.len });
}

void sk_lh_tell_uplink(struct sk_lh *h, bool is_connected, const char *why)
{
    if (h->is_uplink == is_connected && strcmp(h->uplink_why, why) == 0)
        return;
    if (h->is_uplink != is_connected) {
        h->uplink_since_ms = (int64_t)sk_wall_ms();
        sk_log(SK_INFO, is_connected ? "uplink_there" : "uplink_lost", "why=\"%s\"", why);
    }
    h->is_uplink = is_connected;
    (void)snprintf(h->uplink_why, sizeof h->uplink_why, "%s", why);
    tell_uplink(h);
}

void sk_lh_agent_answer(struct sk_lh *h, uint64_t serial, int64_t id, struct sk_view members,
                        const struct sk_err *failed)
{
    struct sk_err err = SK_ERR_INIT;
    SK_LOCK(&h->agent.lock);
    if (id == 0 || !h->agent.wire || h->agent.serial != serial)
        return;
    if ((failed ? sk_wire_refuse(h->agent.wire, id, failed, &err)
                : sk_wire_answer(h->agent.wire, id, members, &err)) < 0)
        sk_log(SK_WARN, "agent_not_told", "error=\"%s\"", err.text);
}

/* ---- promote and demote ---- */

struct decided {
    struct sk_lh_later later;
    struct sk_lh *hub;
    uint64_t serial;
    int64_t id;
};

static void on_decided(struct sk_lh_later *later, const struct sk_err *failed)
{
    SK_OWN(free) struct decided *d = (struct decided *)later;
    sk_lh_agent_answer(d->hub, d->serial, d->id, SK_VIEW(""), failed);
}

static void drop_candidates(struct sk_lh *h, struct sk_lh_ident *id)
{
    for (struct sk_lh_instance *i; (i = sk_lh_instance_by_role(id, SK_LH_CANDIDATE)) != NULL;) {
        sk_lh_drop_aside(h, id, i->name);
        i->role = SK_LH_OLD;
    }
    sk_lh_twin_drop(id);
}

/* The other one may be back before what it was given was all released. */
static void stop_release(struct sk_lh *h, struct sk_lh_ident *id, const char *instance)
{
    if (*id->releasing && strcmp(id->releasing, instance) != 0) {
        char failed[SK_LH_INSTANCE];
        memcpy(failed, id->releasing, sizeof failed);
        sk_lh_drop_aside(h, id, failed);
    }
}

static int decide(struct sk_lh *h, const struct sk_json *m, uint64_t serial, int64_t call,
                  bool is_promote, struct sk_err *err)
{
    const char *module = sk_json_get_text(m, "module", "");
    const char *instance = sk_json_get_text(m, "instance", "");
    SK_OWN(free) struct decided *d = calloc(1, sizeof *d);
    if (!d)
        return sk_nomem(err);
    *d = (struct decided){ .later.run = on_decided, .hub = h, .serial = serial, .id = call };
    SK_LOCK(&h->lock);
    struct sk_lh_ident *id = sk_lh_ident_find(h, h->config.device, module);
    struct sk_lh_instance *i = id ? sk_lh_instance_find(id, instance) : NULL;
    if (!i || id->kind != SK_LH_MODULE)
        return sk_fail(err, SK_NOT_FOUND, "module '%s' has no instance '%s'", module, instance);
    sk_log(SK_INFO, is_promote ? "promoted" : "demoted", "module=\"%s\" instance=\"%s\"", module,
           instance);
    if (!is_promote) {
        stop_release(h, id, instance);
        drop_candidates(h, id);
    }
    sk_lh_ident_activate(id, i);
    sk_lh_files_sessions(h, &d->later);
    (void)SK_TAKE(d);
    return 0;
}

/* ---- what the agent says ---- */

static int take_report(struct sk_lh *h, const struct sk_json *m, struct sk_err *err)
{
    const struct sk_json *reported = NULL;
    if (sk_json_want_object(m, "reported", &reported, err) < 0)
        return -1;
    if (!reported || sk_twin_check(SK_TWIN_REPORTED, reported, err) < 0)
        return reported ? -1 : sk_fail(err, SK_INVALID, "'reported' is missing");
    SK_LOCK(&h->lock);
    if (!h->agent_id)
        return sk_fail(err, SK_BUSY, "no configuration came before");
    return sk_lh_twin_patch(h->agent_id, reported, false, NULL, err) < 0 ? -1 : 0;
}

static void write_clients(struct sk_lh *h, struct sk_buf *out)
{
    bool is_first = true;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        if ((id->kind != SK_LH_MODULE && id->kind != SK_LH_LEAF) || !id->is_listed)
            continue;
        sk_buf_str(out, is_first ? "{\"id\":" : ",{\"id\":");
        sk_buf_json_str(out, id->kind == SK_LH_MODULE ? id->module : id->key);
        sk_buf_fmt(out, ",\"isConnected\":%s,\"isUp\":%s}",
                   sk_lh_instance_live(id) ? "true" : "false", id->is_up ? "true" : "false");
        is_first = false;
    }
}

static uint64_t messages_in(struct sk_lh *h)
{
    uint64_t count = 0;
    for (unsigned p = 0; h->spool && p < SK_SPOOL_PRIORITIES; p++)
        count += sk_spool_length(h->spool, "$upstream", p);
    return count;
}

/* The numbers of what waits for the cloud, by priority; none while the spool is not open. */
static void write_upstream(struct sk_lh *h, struct sk_buf *b)
{
    for (unsigned p = 0; h->spool && p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_spool_range range = { 0 };
        sk_spool_range(h->spool, "$upstream", p, &range);
        sk_buf_fmt(b, "%s{\"first\":%llu,\"next\":%llu}", p > 0 ? "," : "",
                   (unsigned long long)range.first, (unsigned long long)range.next);
    }
}

static void answer_status(struct sk_lh *h, uint64_t serial, int64_t call)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    struct sk_spool_state spool = { 0 };
    char since[SK_TIME_TEXT];
    {
        SK_LOCK(&h->lock);
        if (h->spool)
            sk_spool_state(h->spool, &spool);
        sk_time_text((uint64_t)h->uplink_since_ms, since);
        sk_buf_fmt(&b,
                   "\"isConnected\":%s,\"since\":\"%s\",\"why\":", h->is_uplink ? "true" : "false",
                   since);
        sk_buf_json_str(&b, h->uplink_why);
        sk_buf_fmt(&b,
                   ",\"spool\":{\"bytes\":%llu,\"maxBytes\":%llu,\"messages\":%llu,"
                   "\"isFailing\":%s,\"upstream\":[",
                   (unsigned long long)spool.bytes, (unsigned long long)spool.max_bytes,
                   (unsigned long long)messages_in(h), spool.is_failing ? "true" : "false");
        write_upstream(h, &b);
        sk_buf_str(&b, "]},\"clients\":[");
        write_clients(h, &b);
        sk_buf_chr(&b, ']');
    }
    sk_lh_agent_answer(h, serial, call, (struct sk_view){ b.data, b.len }, NULL);
}

static int save(struct sk_lh *h, struct sk_err *err)
{
    {
        SK_LOCK(&h->lock);
        sk_lh_lines_poke(h);
    }
    atomic_store(&h->lines_are_due, true);
    sk_lh_wake(h);
    sk_lh_pump_wake(h); /* what is left of a module that went may be dropped now */
    return sk_lh_files_save(h, err);
}

static int take(struct sk_lh *h, const char *type, uint64_t serial, int64_t call,
                const struct sk_json *m, bool *is_answered, struct sk_err *err)
{
    if (strcmp(type, "config") == 0)
        return sk_lh_take_config(h, m, err) < 0 ? -1 : save(h, err);
    if (strcmp(type, "modules") == 0)
        return sk_lh_take_modules(h, m, err) < 0 ? -1 : save(h, err);
    if (strcmp(type, "leaves") == 0)
        return sk_lh_take_leaves(h, m, err) < 0 ? -1 : save(h, err);
    if (strcmp(type, "report") == 0)
        return take_report(h, m, err);
    if (strcmp(type, "promote") == 0 || strcmp(type, "demote") == 0) {
        *is_answered = true; /* when it is on the disk */
        return decide(h, m, serial, call, *type == 'p', err);
    }
    if (strcmp(type, "status") == 0) {
        *is_answered = true;
        answer_status(h, serial, call);
        return 0;
    }
    return sk_fail(err, SK_UNSUPPORTED, "the local hub does not know '%s'", type);
}

/* Of the wire that is heard now. Waits until the main thread has put it in its place. */
static uint64_t serial_now(struct sk_lh *h)
{
    SK_LOCK(&h->agent.lock);
    return h->agent.serial;
}

static void on_message(struct sk_wire *w, const char *type, int64_t id, const struct sk_json *m,
                       void *ctx)
{
    struct sk_lh *h = ctx;
    struct sk_err err = SK_ERR_INIT;
    bool is_answered = false;
    const uint64_t serial = serial_now(h);
    const int rc = take(h, type, serial, id, m, &is_answered, &err);
    (void)w;
    if (rc < 0) {
        sk_log(SK_WARN, "agent_refused", "type=\"%s\" error=\"%s\"", type, err.text);
        sk_lh_agent_answer(h, serial, id, SK_VIEW(""), &err);
    } else if (!is_answered) {
        sk_lh_agent_answer(h, serial, id, SK_VIEW(""), NULL);
    }
}

static void on_closed(struct sk_wire *w, void *ctx)
{
    (void)w;
    (void)ctx;
    sk_log(SK_INFO, "agent_gone", "next=\"serving from what it said last\"");
}

/* ---- listening ---- */

int sk_lh_agent_listen(struct sk_lh *h, const char *path, struct sk_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path)
        return sk_fail(err, SK_INVALID, "'%s': the path of a socket has at most %zu bytes", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sk_fail_errno(err, "a socket");
    (void)unlink(path);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(path, 0600) < 0 || listen(fd, 4) < 0)
        return sk_fail_errno(err, "'%s'", path);
    h->agent.listen_fd = sk_take_fd(&fd);
    return 0;
}

static void end_wire(struct sk_lh *h)
{
    struct sk_wire *old = NULL;
    {
        SK_LOCK(&h->agent.lock);
        old = SK_TAKE(h->agent.wire);
        h->agent.serial++;
    }

    sk_wire_free(old);
}

static int begin_wire(struct sk_lh *h, int fd, struct sk_err *err)
{
    const struct sk_wire_handler handler = { .message = on_message, .closed = on_closed, .ctx = h };
    SK_LOCK(&h->agent.lock); /* its first message waits for this */
    return sk_wire_open(fd, &handler, &h->agent.wire, err);
}

void sk_lh_agent_accept(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = accept4(h->agent.listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    /* The old one ends before the new one is heard, so that their words do not mix. */
    end_wire(h);
    if (begin_wire(h, fd, &err) < 0) {
        sk_log(SK_WARN, "agent_refused", "error=\"%s\"", err.text);
        return;
    }
    sk_log(SK_INFO, "agent_there", "next=\"it says what there is\"");
    SK_LOCK(&h->lock);
    tell_uplink(h);
    sk_lh_tell_desired(h);
    sk_lh_lines_poke(h);
}

void sk_lh_agent_close(struct sk_lh *h)
{
    end_wire(h);
    sk_close(&h->agent.listen_fd);
}
