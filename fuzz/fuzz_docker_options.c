/*
 * fuzz_docker_options.c - createOptions: what is accepted makes a JSON text that has our members,
 * no TCP bindings, and all other members byte for byte as they were.
 */
#include "docker/docker_priv.h"

#include <string.h>
#include <strings.h>

static bool is_handled(const struct sk_docker_member *m, const char *const *names)
{
    for (; *names; names++)
        if (sk_docker_raw_is(m, *names))
            return true;
    return false;
}

static bool same(struct sk_view a, struct sk_view b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static struct sk_view member_of(struct sk_view object, const char *name)
{
    struct sk_docker_raw r = sk_docker_raw_of(object);
    struct sk_docker_member m;

    while (sk_docker_raw_next(&r, &m))
        if (sk_docker_raw_is(&m, name))
            return m.value;
    return (struct sk_view){ "", 0 };
}

/* The members that are not handled, in the same order in both. */
static void expect_same_others(struct sk_view in, struct sk_view out, const char *const *handled)
{
    struct sk_docker_raw a = sk_docker_raw_of(in), b = sk_docker_raw_of(out);
    struct sk_docker_member x, y;

    for (;;) {
        bool has_x, has_y;
        do
            has_x = sk_docker_raw_next(&a, &x);
        while (has_x && is_handled(&x, handled));
        do
            has_y = sk_docker_raw_next(&b, &y);
        while (has_y && is_handled(&y, handled));
        if (has_x != has_y || (has_x && (!same(x.key, y.key) || !same(x.value, y.value))))
            abort();
        if (!has_x)
            return;
    }
}

static void expect_no_tcp(struct sk_view host_config)
{
    struct sk_docker_raw r = sk_docker_raw_of(member_of(host_config, "PortBindings"));
    struct sk_docker_member m;
    char port[64];

    while (sk_docker_raw_next(&r, &m)) {
        sk_docker_raw_text(m.key, port, sizeof port);
        const char *slash = strchr(port, '/');
        if (!slash || strcasecmp(slash, "/tcp") == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const top[] = { "Image", "Env", "Labels", "HostConfig", "NetworkingConfig",
                                       NULL };
    static const char *const host[] = { "Binds",       "ExtraHosts", "PortBindings",
                                        "NetworkMode", "LogConfig",  NULL };
    static const char *const env[] = { "IOTEDGE_MODULEID=m", "A=1", NULL };
    static const char *const binds[] = { "/a:/b", NULL };
    static const char *const hosts[] = { "gate:10.0.0.1", NULL };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *text = strndup((const char *)data, size);
    struct sk_err err = SK_ERR_INIT;

    if (!text)
        return 0;
    const struct sk_docker_create c = { .name = "m-1",
                                        .module = "m",
                                        .image = "i:v1",
                                        .create_options = text,
                                        .env = env,
                                        .binds = binds,
                                        .hosts = hosts,
                                        .network = "net",
                                        .drop_port_bindings = true,
                                        .labels = "{\"skerry.agent\":\"/d\"}",
                                        .log_bytes = 4096 };
    if (sk_docker_merge(&c, &out, &err) < 0) {
        if (err.text[0] == 0)
            abort();
        return 0;
    }
    if (sk_json_parse(out.data, out.len, NULL, &doc, &err) < 0) {
        if (err.code != SK_LIMIT) /* ours may be the members too many */
            abort();
        return 0;
    }
    if (strcmp(sk_json_get_text(doc, "Image", ""), "i:v1") != 0 ||
        strcmp(sk_json_get_text(sk_json_get(doc, "Labels"), "skerry.module", ""), "m") != 0)
        abort();
    struct sk_view in = sk_view_of(text + (sk_starts_with(text, "\xef\xbb\xbf") ? 3 : 0)),
                   merged = { out.data, out.len };
    struct sk_view host_config = member_of(merged, "HostConfig");
    expect_same_others(in, merged, top);
    expect_same_others(member_of(in, "HostConfig"), host_config, host);
    expect_no_tcp(host_config);
    return 0;
}
