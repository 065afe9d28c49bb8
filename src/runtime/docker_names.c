/*
 * docker_names.c - which container has the module's name, and which are nobody's any more.
 *
 *     start                 defect-detector-3
 *     accept                defect-detector        docker logs defect-detector
 *     retire, or another
 *     one is accepted       defect-detector-old-3
 *
 * The Engine's DNS follows the names, so other modules find the one that serves, too.
 */
#include "runtime/docker_rt_priv.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

void sk_docker_rt_old_name(const char *module, const char *instance, char *out)
{
    size_t len = strlen(module);

    if (strncmp(instance, module, len) == 0 && instance[len] == '-')
        (void)snprintf(out, 256, "%.120s-old%.120s", module, instance + len);
    else
        (void)snprintf(out, 256, "%.240s-old", instance);
}

/* ---- ours by name ---- */

struct search {
    const char *name;
    char id[SK_DOCKER_ID], instance[160], module[160];
    bool is_found;
};

static int compare(void *ctx, const struct sk_docker_item *c, struct sk_err *err)
{
    struct search *s = ctx;

    (void)err;
    if (strcmp(c->name, s->name) != 0 || !c->instance[0])
        return 0;
    s->is_found = true;
    (void)snprintf(s->id, sizeof s->id, "%s", c->id);
    (void)snprintf(s->instance, sizeof s->instance, "%s", c->instance);
    (void)snprintf(s->module, sizeof s->module, "%s", c->module);
    return 0;
}

static int find_ours(const struct sk_docker *d, const char *name, struct search *s,
                     struct sk_err *err)
{
    *s = (struct search){ .name = name };
    if (sk_docker_list(d, compare, s, err) < 0)
        return -1;
    if (!s->is_found)
        return sk_fail(
            err, SK_EXISTS,
            "a container that is not one of skerry's has the name '%s': rename or remove "
            "it (docker rename, docker rm)",
            name);
    return 0;
}

int sk_docker_rt_remove_leftover(const struct sk_docker *d, const char *name, struct sk_err *err)
{
    struct search s;

    if (find_ours(d, name, &s, err) < 0)
        return -1;
    return sk_docker_remove(d, s.id, err);
}

/* ---- accept and retire ---- */

/* A name that the one before still has is free after that one got its old one. */
static int give_name(const struct sk_docker *d, const char *id, const char *name,
                     struct sk_err *err)
{
    char old[256];
    struct search s;
    struct sk_docker_container c;

    if (sk_docker_inspect(d, id, NULL, &c, err) < 0)
        return -1;
    if (strcmp(c.name, name) == 0 || sk_docker_rename(d, id, name, err) == 0)
        return 0;
    if (err->code != SK_EXISTS || find_ours(d, name, &s, err) < 0)
        return -1;
    sk_docker_rt_old_name(s.module, s.instance, old);
    if (sk_docker_rename(d, s.id, old, err) < 0)
        return -1;
    return sk_docker_rename(d, id, name, err);
}

static int retire(const struct sk_docker *d, const struct sk_instance *i, struct sk_err *err)
{
    char old[256];
    struct sk_docker_container c;

    if (sk_docker_inspect(d, sk_docker_rt_id(i), NULL, &c, err) < 0)
        return -1;
    sk_docker_rt_old_name(i->module, i->instance, old);
    if (strcmp(c.name, old) == 0)
        return 0;
    return sk_docker_rename(d, c.id, old, err);
}

int sk_docker_rt_control(const struct sk_instance *i, const char *what, struct sk_err *err)
{
    const struct sk_docker d = { i->control };

    if (strcmp(what, "accept") != 0 && strcmp(what, "retire") != 0)
        return sk_fail(err, SK_UNSUPPORTED, "instance '%s' is a container: it knows no '%s'",
                       i->instance, what);
    if (!i->container[0])
        return sk_fail(err, SK_NOT_FOUND, "instance '%s' has no container", i->instance);
    if (what[0] == 'a')
        return give_name(&d, i->container, i->module, err);
    return retire(&d, i, err);
}

/* ---- sweep ---- */

struct sweep {
    const struct sk_runtime_host *h;
    const struct sk_instance *known;
    size_t count;
    char (*ids)[SK_DOCKER_ID];
    size_t found, room;
};

static bool is_known(const struct sweep *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->known[i].kind == SK_RUNTIME_DOCKER && strcmp(s->known[i].container, id) == 0)
            return true;
    return false;
}

/* Containers of another agent, and those of IoT Edge itself, are not ours to end. */
static int collect(void *ctx, const struct sk_docker_item *c, struct sk_err *err)
{
    struct sweep *s = ctx;

    if (strcmp(c->agent, s->h->data_dir) != 0 || is_known(s, c->id))
        return 0;
    if (s->found == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        char(*more)[SK_DOCKER_ID] = reallocarray(s->ids, room, sizeof *more);
        if (!more)
            return sk_nomem(err);
        s->ids = more;
        s->room = room;
    }
    (void)snprintf(s->ids[s->found++], SK_DOCKER_ID, "%s", c->id);
    return 0;
}

static void sweep_done(struct sweep *s)
{
    free(s->ids);
}

int sk_docker_rt_sweep(const struct sk_runtime_host *h, const struct sk_instance *known,
                       size_t count, struct sk_err *err)
{
    const struct sk_docker d = { sk_docker_rt_socket(h) };
    SK_AUTO(sweep_done) struct sweep s = { .h = h, .known = known, .count = count };

    if (sk_docker_list(&d, collect, &s, err) < 0)
        return err->code == SK_BUSY ? 0 : -1; /* no Engine, no containers */
    for (size_t i = 0; i < s.found; i++)
        if (sk_docker_remove(&d, s.ids[i], err) < 0)
            return -1;
    return 0;
}
