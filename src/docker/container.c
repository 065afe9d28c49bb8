/* container.c - containers: made, started, looked at, renamed, ended. */
#include "docker/docker_priv.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    CREATE_MS = 120000, /* a slow disk under many layers */
    STOP_EXTRA_MS = 30000,
    REMOVE_MS = 120000,
    REMOVE_WAIT_MS = 20000,
    CGROUP_BYTES = 16 << 10
};

/* "/containers/<id><rest>" */
static int call(const struct sk_docker *d, const char *method, const char *id, const char *rest,
                uint64_t timeout_ms, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };

    sk_buf_str(&path, "/containers/");
    sk_buf_percent(&path, id, strlen(id), "");
    sk_buf_str(&path, rest);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return sk_docker_ask(
        d,
        &(struct sk_docker_call){ .method = method, .path = path.data, .timeout_ms = timeout_ms },
        &a, err);
}

static int look(const struct sk_docker *d, const char *id, const char *rest, struct sk_json **out,
                struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);

    sk_buf_str(&path, "/containers/");
    sk_buf_percent(&path, id, strlen(id), "");
    sk_buf_str(&path, rest);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return sk_docker_ask_json(d, &(struct sk_docker_call){ .path = path.data }, out, err);
}

int sk_docker_create(const struct sk_docker *d, const struct sk_docker_create *c, char *id,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    sk_buf_str(&path, "/containers/create?name=");
    sk_buf_percent(&path, c->name, strlen(c->name), "");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_docker_merge(c, &body, err) < 0)
        return -1;
    const struct sk_docker_call call = {
        .method = "POST", .path = path.data, .body = &body, .timeout_ms = CREATE_MS
    };
    if (sk_docker_ask_json(d, &call, &doc, err) < 0)
        return -1;
    const char *made = sk_json_get_text(doc, "Id", "");
    if (!made[0] || strlen(made) >= SK_DOCKER_ID)
        return sk_fail(err, SK_REMOTE, "the Docker Engine gave no id for '%s'", c->name);
    (void)snprintf(id, SK_DOCKER_ID, "%s", made);
    return 0;
}

int sk_docker_start(const struct sk_docker *d, const char *id, struct sk_err *err)
{
    return call(d, "POST", id, "/start", CREATE_MS, err);
}

int sk_docker_stop(const struct sk_docker *d, const char *id, unsigned grace_s, struct sk_err *err)
{
    char rest[32];

    (void)snprintf(rest, sizeof rest, "/stop?t=%u", grace_s);
    return call(d, "POST", id, rest, (uint64_t)grace_s * 1000 + STOP_EXTRA_MS, err);
}

/* A removal that is under way already (status 409) is waited for. */
int sk_docker_remove(const struct sk_docker *d, const char *id, struct sk_err *err)
{
    uint64_t until = sk_now_ms() + REMOVE_WAIT_MS;

    for (;;) {
        if (call(d, "DELETE", id, "?force=1&v=1", REMOVE_MS, err) == 0 || err->code == SK_NOT_FOUND)
            return 0;
        if (err->code != SK_EXISTS || sk_now_ms() > until)
            return -1;
        (void)usleep(100000);
    }
}

int sk_docker_rename(const struct sk_docker *d, const char *id, const char *name,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf rest = SK_BUF_INIT(1024);

    sk_buf_str(&rest, "/rename?name=");
    sk_buf_percent(&rest, name, strlen(name), "");
    return sk_buf_ok(&rest) ? call(d, "POST", id, rest.data, 0, err) : sk_buf_fail(&rest, err);
}

/* ---- looking ---- */

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

/* Go's zero time is "never". */
static void copy_time(char *out, size_t size, const char *text)
{
    copy(out, size, sk_starts_with(text, "0001-") ? "" : text);
}

static enum sk_docker_state state_of(const char *status)
{
    if (strcmp(status, "running") == 0)
        return SK_DOCKER_RUNNING;
    if (strcmp(status, "created") == 0)
        return SK_DOCKER_CREATED;
    return strcmp(status, "dead") == 0 ? SK_DOCKER_DEAD : SK_DOCKER_STOPPED;
}

static bool copy_address(const struct sk_json *endpoint, char *out, size_t size)
{
    const char *v4 = sk_json_get_text(endpoint, "IPAddress", "");
    const char *v6 = sk_json_get_text(endpoint, "GlobalIPv6Address", "");

    if (v4[0])
        copy(out, size, v4);
    else if (v6[0])
        (void)snprintf(out, size, "[%s]", v6);
    return out[0] != '\0';
}

static void read_address(const struct sk_json *doc, const char *network, char *out, size_t size)
{
    const struct sk_json *all = sk_json_get(sk_json_get(doc, "NetworkSettings"), "Networks");

    out[0] = '\0';
    if (network && copy_address(sk_json_get(all, network), out, size))
        return;
    for (void *it = sk_json_first(all); it; it = sk_json_next(all, it))
        if (copy_address(sk_json_value(it), out, size))
            return;
}

void sk_docker_read_container(const struct sk_json *doc, const char *network,
                              struct sk_docker_container *out)
{
    const struct sk_json *state = sk_json_get(doc, "State");
    const char *name = sk_json_get_text(doc, "Name", "");
    const char *health = sk_json_get_text(sk_json_get(state, "Health"), "Status", "");

    *out = (struct sk_docker_container){
        .state = state_of(sk_json_get_text(state, "Status", "")),
        .exit_code = (int)sk_json_int(sk_json_get(state, "ExitCode"), 0),
        .pid = (int)sk_json_int(sk_json_get(state, "Pid"), 0),
        .oom_killed = sk_json_bool(sk_json_get(state, "OOMKilled"), false),
        .is_tty = sk_json_bool(sk_json_get(sk_json_get(doc, "Config"), "Tty"), false),
    };
    copy(out->id, sizeof out->id, sk_json_get_text(doc, "Id", ""));
    copy(out->name, sizeof out->name, name + (name[0] == '/'));
    copy(out->image_id, sizeof out->image_id, sk_json_get_text(doc, "Image", ""));
    copy(out->health, sizeof out->health, strcmp(health, "none") == 0 ? "" : health);
    copy(out->error, sizeof out->error, sk_json_get_text(state, "Error", ""));
    copy_time(out->started, sizeof out->started, sk_json_get_text(state, "StartedAt", ""));
    copy_time(out->finished, sizeof out->finished, sk_json_get_text(state, "FinishedAt", ""));
    read_address(doc, network, out->address, sizeof out->address);
}

int sk_docker_inspect(const struct sk_docker *d, const char *id, const char *network,
                      struct sk_docker_container *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (look(d, id, "/json", &doc, err) < 0)
        return -1;
    sk_docker_read_container(doc, network, out);
    return 0;
}

int sk_docker_list(const struct sk_docker *d,
                   int (*each)(void *ctx, const struct sk_docker_item *c, struct sk_err *err),
                   void *ctx, struct sk_err *err)
{
    static const char filter[] = "{\"label\":[\"" SK_DOCKER_OWNER_LABEL "=" SK_DOCKER_OWNER "\"]}";
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    sk_buf_str(&path, "/containers/json?all=1&filters=");
    sk_buf_percent(&path, filter, sizeof filter - 1, "");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_docker_ask_json(d, &(struct sk_docker_call){ .path = path.data }, &doc, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_json_count(doc); i++) {
        const struct sk_json *c = sk_json_at(doc, i), *labels = sk_json_get(c, "Labels");
        const char *name = sk_json_text(sk_json_at(sk_json_get(c, "Names"), 0), "");
        const struct sk_docker_item item = {
            .id = sk_json_get_text(c, "Id", ""),
            .name = name + (name[0] == '/'),
            .module = sk_json_get_text(labels, "skerry.module", ""),
            .instance = sk_json_get_text(labels, "skerry.instance", ""),
            .agent = sk_json_get_text(labels, "skerry.agent", ""),
        };
        if (each(ctx, &item, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- processes ---- */

static size_t hex_run(const char *p)
{
    size_t n = 0;

    while (isdigit((unsigned char)p[n]) || (p[n] >= 'a' && p[n] <= 'f'))
        n++;
    return n;
}

int sk_docker_cgroup_says(const char *text, const char *id)
{
    const size_t id_len = SK_DOCKER_ID - 1;
    bool is_another = false;

    for (const char *p = text; *p;) {
        size_t n = hex_run(p);
        if (n == id_len && strlen(id) == id_len && strncmp(p, id, n) == 0)
            return 1;
        is_another = is_another || n == id_len;
        p += n ? n : 1;
    }
    return is_another ? 0 : -1;
}

/* Where cgroups say nothing (an Engine without them) it is asked; it runs ps for that. */
static int ask_top(const struct sk_docker *d, const char *id, int pid, bool *has,
                   struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    char wanted[16];
    size_t column = SIZE_MAX;

    if (look(d, id, "/top?ps_args=-eo%20pid", &doc, err) < 0)
        return -1;
    const struct sk_json *titles = sk_json_get(doc, "Titles");
    const struct sk_json *rows = sk_json_get(doc, "Processes");
    for (size_t i = 0; i < sk_json_count(titles); i++)
        if (strcmp(sk_json_text(sk_json_at(titles, i), ""), "PID") == 0)
            column = i;
    (void)snprintf(wanted, sizeof wanted, "%d", pid);
    *has = false;
    for (size_t i = 0; i < sk_json_count(rows) && column != SIZE_MAX; i++)
        if (strcmp(sk_json_text(sk_json_at(sk_json_at(rows, i), column), ""), wanted) == 0)
            *has = true;
    return 0;
}

int sk_docker_has_pid(const struct sk_docker *d, const char *id, int pid, bool *has,
                      struct sk_err *err)
{
    char path[48], text[CGROUP_BYTES];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    SK_AUTO(fclose_cleanup) FILE *f = fopen(path, "re");
    if (f)
        len = fread(text, 1, sizeof text - 1, f);
    text[len] = '\0';
    int says = sk_docker_cgroup_says(text, id);
    if (says < 0)
        return ask_top(d, id, pid, has, err);
    *has = says == 1;
    return 0;
}
