/*
 * methods.c - direct methods of $edgeAgent (azure-iot-protocol 4.5): ping, RestartModule,
 * GetModuleLogs (method_logs.c), and what `edge restart` and `edge logs` do.
 */
#include "agent/agent_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_MAX INT64_C(253402300800) /* year 10000 */

int sk_agent_method_answer(struct sk_buf *out, int status, const char *text)
{
    sk_buf_clear(out);
    sk_buf_str(out, "{\"message\":");
    sk_buf_json_str(out, text);
    sk_buf_chr(out, '}');
    return status;
}

int sk_agent_restart(struct sk_agent *a, const char *name, struct sk_err *err)
{
    const uint64_t one = 1;
    SK_LOCK(&a->lock);
    struct sk_agent_module *m = sk_agent_find(a, name);
    if (!m || !m->want)
        return sk_fail(err, SK_NOT_FOUND, "the deployment has no module '%s'", name);
    if (!m->want->is_running)
        return sk_fail(err, SK_INVALID, "module '%s' is stopped, as the deployment says", name);
    m->asks_restart++;
    (void)!write(m->wake_fd, &one, sizeof one);
    return 0;
}

static int restart_module(struct sk_agent *a, const struct sk_json *payload, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    const char *id = sk_json_get_text(payload, "id", NULL);
    if (!id)
        return sk_agent_method_answer(out, 400,
                                      "expected {\"schemaVersion\":\"1.0\",\"id\":\"module\"}");
    if (sk_agent_restart(a, id, &err) < 0)
        return sk_agent_method_answer(out, err.code == SK_NOT_FOUND ? 404 : 400, err.text);
    return 200;
}

/* ---- logs ---- */

struct sink {
    struct sk_buf *out;
    bool is_cut; /* its beginning was dropped */
};

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sink *s = ctx;
    (void)err;
    /* Of too much the end is kept. */
    if (len > SK_AGENT_LOGS_MAX) {
        bytes = (const char *)bytes + (len - SK_AGENT_LOGS_MAX);
        len = SK_AGENT_LOGS_MAX;
        s->is_cut = true;
    }
    if (s->out->len + len > SK_AGENT_LOGS_MAX) {
        size_t drop = s->out->len + len - SK_AGENT_LOGS_MAX;
        memmove(s->out->data, s->out->data + drop, s->out->len - drop);
        s->out->len -= drop;
        s->is_cut = true;
    }
    sk_buf_add(s->out, bytes, len);
    return 0;
}

/* What is left of a line whose beginning was dropped says nothing. */
static void begin_with_a_line(struct sink *s)
{
    const char *end = s->is_cut ? memchr(s->out->data, '\n', s->out->len) : NULL;
    if (!end)
        return;
    size_t drop = (size_t)(end - s->out->data) + 1;
    memmove(s->out->data, s->out->data + drop, s->out->len - drop);
    s->out->len -= drop;
}

int sk_agent_logs(struct sk_agent *a, const char *name, const struct sk_agent_log_filter *f,
                  struct sk_buf *out, struct sk_err *err)
{
    struct sk_instance i;

    struct sink s = { .out = out };
    {
        SK_LOCK(&a->lock);
        const struct sk_agent_module *m = sk_agent_find(a, name);
        if (!m)
            return sk_fail(err, SK_NOT_FOUND, "there is no module '%s'", name);
        if (m->told_count == 0) {
            memset(&i, 0, sizeof i);
            (void)snprintf(i.module, sizeof i.module, "%s", name);
        } else {
            i = m->told[0];
        }
    }

    struct sk_err failed = SK_ERR_INIT;
    int rc = sk_runtime_logs(&a->host, &i, f->tail, f->since_s, f->until_s, false, take, &s,
                             &failed);
    begin_with_a_line(&s);
    if (rc == 0 || failed.code == SK_NOT_FOUND) /* it has not said anything yet */
        return 0;
    *err = failed;
    return -1;
}

/* "1d", "3h", "10m", "20s" ago; Unix seconds; ISO. */
int sk_agent_parse_since(const char *text, int64_t *out, struct sk_err *err)
{
    int64_t ms = 0;
    long long n = 0;
    char unit = 0, rest = 0;
    if (!text || !*text)
        return 0;
    int fields = sscanf(text, "%lld%c%c", &n, &unit, &rest);
    const char *units = "smhd";
    static const int64_t seconds[] = { 1, 60, 3600, 86400 };
    const char *at = fields == 2 && unit ? strchr(units, unit) : NULL;
    if (fields == 1 && n >= 0 && n < SECONDS_MAX)
        *out = n;
    else if (at && n >= 0 && n < 1000000)
        *out = (int64_t)time(NULL) - n * seconds[at - units];
    else if (sk_time_parse(sk_view_of(text), &ms))
        *out = ms / 1000;
    else
        return sk_fail(err, SK_INVALID,
                       "'%s' is no time: 1d, 3h, 10m, 20s, Unix seconds or ISO 8601", text);
    return 0;
}

int sk_agent_method(struct sk_agent *a, const char *name, const struct sk_json *payload,
                    struct sk_buf *out)
{
    sk_log(SK_INFO, "method", "name=%s", name);
    if (strcasecmp(name, "ping") == 0)
        return 200;
    if (strcasecmp(name, "RestartModule") == 0)
        return restart_module(a, payload, out);
    if (strcasecmp(name, "GetModuleLogs") == 0)
        return sk_agent_method_logs(a, payload, out);
    return sk_agent_method_answer(out, 501, "there are ping, RestartModule and GetModuleLogs");
}
