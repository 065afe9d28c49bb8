/*
 * env.c - the environment of a module, from nothing: a list in which a later entry of a name
 * replaces an earlier one.
 */
#include "runtime/runtime_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    ENTRY_MAX = 128 << 10 /* what the kernel takes of one (MAX_ARG_STRLEN) */
};

static size_t find(const struct sk_rt_env *e, const char *name, size_t len)
{
    size_t at = 0;

    while (at < e->count && (strncmp(e->items[at], name, len) != 0 || e->items[at][len] != '='))
        at++;
    return at;
}

int sk_rt_env_put(struct sk_rt_env *e, const char *entry, struct sk_err *err)
{
    const char *equals = strchr(entry, '=');
    size_t at;
    char *copy;

    if (!equals || equals == entry)
        return sk_fail(err, SK_INVALID, "environment: '%.60s': NAME=value is expected", entry);
    if (strlen(entry) >= ENTRY_MAX)
        return sk_fail(err, SK_LIMIT, "environment: '%.*s' is longer than %d bytes",
                       (int)(equals - entry < 60 ? equals - entry : 60), entry, ENTRY_MAX - 1);
    at = find(e, entry, (size_t)(equals - entry));
    if (at == SK_RT_ENV_MAX)
        return sk_fail(err, SK_LIMIT, "environment: more than %d names", SK_RT_ENV_MAX);
    copy = strdup(entry);
    if (!copy)
        return sk_nomem(err);
    free(e->items[at]);
    e->items[at] = copy;
    if (at == e->count)
        e->items[++e->count] = NULL;
    return 0;
}

int sk_rt_env_set(struct sk_rt_env *e, const char *name, const char *value, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf entry = SK_BUF_INIT(2 * ENTRY_MAX);

    sk_buf_fmt(&entry, "%s=", name);
    sk_buf_str(&entry, value);
    if (!sk_buf_ok(&entry))
        return sk_buf_fail(&entry, err);
    return sk_rt_env_put(e, entry.data, err);
}

const char *sk_rt_env_get(const struct sk_rt_env *e, const char *name)
{
    size_t len = strlen(name), at = find(e, name, len);

    return at < e->count ? e->items[at] + len + 1 : NULL;
}

void sk_rt_env_done(struct sk_rt_env *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->items[i]);
    e->count = 0;
}
