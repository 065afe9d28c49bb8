/* config.c - hub.json: what init was told and run has to know. */
#include "hub/hub_priv.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONFIG_BYTES = 64 << 10,
    HOSTNAMES_MAX = 100
};

static const char file_name[] = "hub.json";

int sk_hub_config_write(const char *dir, const char *const *hostnames, size_t count, uint16_t port,
                        struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(dir, file_name);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(CONFIG_BYTES);
    if (!path)
        return sk_nomem(err);
    sk_buf_str(&b, "{\n  \"hostnames\": [");
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(&b, i > 0 ? ", " : "");
        sk_buf_json_str(&b, hostnames[i]);
    }
    sk_buf_fmt(&b, "],\n  \"port\": %u\n}\n", port);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_file_write(path, b.data, b.len, 0644, err);
}

static int read_names(const struct sk_json *list, struct sk_hub_config *c, struct sk_err *err)
{
    size_t count = sk_json_count(list);
    if (count == 0 || count > HOSTNAMES_MAX)
        return sk_fail(err, SK_INVALID, "'hostnames' must have 1 to %d names", HOSTNAMES_MAX);
    c->hostnames = calloc(count + 1, sizeof *c->hostnames);
    if (!c->hostnames)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const char *name = sk_json_text(sk_json_at(list, i), NULL);
        if (!name)
            return sk_fail(err, SK_INVALID, "'hostnames' must be texts");
        c->hostnames[i] = strdup(name);
        if (!c->hostnames[i])
            return sk_nomem(err);
        c->hostname_count++;
    }
    return 0;
}

SK_DEFINE_OWN(struct sk_hub_config, sk_hub_config_free);

int sk_hub_config_read(const char *dir, struct sk_hub_config **out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(dir, file_name);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_hub_config_free) struct sk_hub_config *c = calloc(1, sizeof *c);
    const struct sk_json *names = NULL;
    int64_t port = 8443;
    if (!path || !c)
        return sk_nomem(err);
    if (sk_json_file(path, &doc, err) < 0)
        return -1;
    if (sk_json_want_array(doc, "hostnames", &names, err) < 0 || read_names(names, c, err) < 0 ||
        sk_json_want_int(doc, "port", 0, 65535, &port, err) < 0)
        return sk_wrap(err, "%s", path);
    c->port = (uint16_t)port;
    *out = SK_TAKE(c);
    return 0;
}

void sk_hub_config_free(struct sk_hub_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->hostname_count; i++)
        free(c->hostnames[i]);
    free(c->hostnames);
    free(c);
}
