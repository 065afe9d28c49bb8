/*
 * ident.c - identities: the system modules, the modules of this device, the devices behind it; and
 * the instances of a module, of which an update has two.
 *
 * A connection does not say which instance it is. While a module has a candidate, its two instances
 * are told apart by their tokens: each had its own signed over its own workload socket, and what
 * was given out over which is remembered, by hash. A token that nobody remembers is the active
 * one's.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

struct sk_lh_ident *sk_lh_ident_by_key(struct sk_lh *h, struct sk_view key)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (sk_view_eq(key, id->key))
            return id;
    return NULL;
}

struct sk_lh_ident *sk_lh_ident_find(struct sk_lh *h, const char *device, const char *module)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (strcmp(id->device, device) == 0 && strcmp(id->module, module) == 0)
            return id;
    return NULL;
}

static enum sk_lh_kind kind_of(const struct sk_lh *h, const char *device, const char *module)
{
    if (strcmp(device, h->config.device) != 0 || !*module)
        return SK_LH_LEAF;
    return strcmp(module, "$edgeAgent") == 0 ? SK_LH_AGENT
           : strcmp(module, "$edgeHub") == 0 ? SK_LH_HUB
                                             : SK_LH_MODULE;
}

void sk_lh_idents_sort(struct sk_lh *h)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        id->kind = kind_of(h, id->device, id->module);
}

struct sk_lh_ident *sk_lh_ident_get(struct sk_lh *h, const char *device, const char *module)
{
    struct sk_lh_ident *id = sk_lh_ident_find(h, device, module);
    if (id)
        return id;
    if (h->idents_count >= SK_LH_IDENTS_MAX || strlen(device) > SK_IOT_ID_MAX ||
        strlen(module) > SK_IOT_ID_MAX)
        return NULL;
    id = calloc(1, sizeof *id);
    if (!id)
        return NULL;
    id->hub = h;
    (void)snprintf(id->key, sizeof id->key, "%s%s%s", device, *module ? "/" : "", module);
    memcpy(id->id, device, strlen(device) + 1);
    memcpy(id->id + strlen(device) + 1, module, strlen(module) + 1);
    id->device = id->id;
    id->module = id->id + strlen(device) + 1;
    id->kind = kind_of(h, device, module);
    sk_lh_twin_init(&id->twin);
    if (!id->twin.desired || !id->twin.reported || !id->twin.base) {
        sk_lh_twin_done(&id->twin);
        free(id);
        return NULL;
    }
    struct sk_lh_ident **at = &h->idents;
    while (*at)
        at = &(*at)->next;
    *at = id;
    h->idents_count++;
    return id;
}

void sk_lh_idents_free(struct sk_lh *h)
{
    for (struct sk_lh_ident *id = h->idents, *next; id; id = next) {
        next = id->next;
        sk_lh_twin_done(&id->twin);
        free(id->keys[0]);
        free(id->keys[1]);
        free(id);
    }
    h->idents = NULL;
    h->idents_count = 0;
}

/* ---- instances ---- */

static const char *const role_names[SK_LH_ROLE_COUNT] = { "active", "candidate", "old", "exec" };

const char *sk_lh_role_name(enum sk_lh_role role)
{
    return role_names[role];
}

bool sk_lh_role_find(const char *name, enum sk_lh_role *out)
{
    for (size_t r = 0; r < SK_LH_ROLE_COUNT; r++)
        if (strcmp(name, role_names[r]) == 0) {
            *out = (enum sk_lh_role)r;
            return true;
        }
    return false;
}

struct sk_lh_instance *sk_lh_instance_find(struct sk_lh_ident *id, const char *name)
{
    for (size_t k = 0; k < SK_LH_INSTANCES; k++)
        if (id->instances[k].is_there && strcmp(id->instances[k].name, name) == 0)
            return &id->instances[k];
    return NULL;
}

struct sk_lh_instance *sk_lh_instance_by_role(struct sk_lh_ident *id, enum sk_lh_role role)
{
    for (size_t k = 0; k < SK_LH_INSTANCES; k++)
        if (id->instances[k].is_there && id->instances[k].role == role)
            return &id->instances[k];
    return NULL;
}

struct sk_lh_instance *sk_lh_instance_live(struct sk_lh_ident *id)
{
    struct sk_lh_instance *i = sk_lh_instance_by_role(id, SK_LH_ACTIVE);
    if (i && i->is_connected)
        return i;
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        i = &id->instances[k];
        if (i->is_there && i->role == SK_LH_EXEC && i->is_connected)
            return i;
    }
    return NULL;
}

bool sk_lh_wants(const struct sk_lh_instance *i, enum sk_iot_sub sub)
{
    return i && (i->subs & (unsigned)sub) != 0;
}

static const struct sk_lh_signed *find_signature(const struct sk_lh_instance *i, const char *hash)
{
    for (size_t k = 0; k < SK_LH_SIGNED; k++)
        if (strcmp(i->signatures[k].hash, hash) == 0)
            return &i->signatures[k];
    return NULL;
}

struct sk_lh_instance *sk_lh_instance_of(struct sk_lh_ident *id, const unsigned char *signature,
                                         uint64_t *until_ms)
{
    char hash[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;
    *until_ms = 0;
    if (sk_sha256_hex(signature, SK_SHA256_BYTES, hash, &err) < 0)
        return NULL;
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        struct sk_lh_instance *i = &id->instances[k];
        const struct sk_lh_signed *s = i->is_there ? find_signature(i, hash) : NULL;
        if (!s)
            continue;
        *until_ms = s->until_ms;
        return i;
    }
    struct sk_lh_instance *active = sk_lh_instance_by_role(id, SK_LH_ACTIVE);
    for (size_t k = 0; !active && k < SK_LH_INSTANCES; k++)
        active = id->instances[k].is_there ? &id->instances[k] : NULL;
    return active;
}

void sk_lh_instance_signed(struct sk_lh_ident *id, const char *instance,
                           const unsigned char *signature, uint64_t life_ms)
{
    char hash[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_instance *i = sk_lh_instance_find(id, instance);
    if (!i || sk_sha256_hex(signature, SK_SHA256_BYTES, hash, &err) < 0 || find_signature(i, hash))
        return;
    /* The same text signed over another's socket: the newest tells whose it is. */
    for (size_t k = 0; k < SK_LH_INSTANCES; k++)
        for (size_t n = 0; n < SK_LH_SIGNED; n++)
            if (strcmp(id->instances[k].signatures[n].hash, hash) == 0)
                *id->instances[k].signatures[n].hash = '\0';
    struct sk_lh_signed *s = &i->signatures[i->next_signature++ % SK_LH_SIGNED];
    memcpy(s->hash, hash, sizeof hash);
    s->until_ms = life_ms == UINT64_MAX ? 0 : sk_now_ms() + life_ms;
}

static void cut_instance(struct sk_lh_ident *id, struct sk_lh_instance *i, const char *why)
{
    if (i->is_connected)
        sk_lh_cut(id->hub, i->ref, why);
}

/* A place for a new one; the oldest "old" one goes when there is none, or a command's. */
static struct sk_lh_instance *new_instance(struct sk_lh_ident *id, const char *name,
                                           enum sk_lh_role role)
{
    struct sk_lh_instance *place = NULL;
    for (size_t k = 0; k < SK_LH_INSTANCES && !place; k++)
        place = id->instances[k].is_there ? NULL : &id->instances[k];
    if (!place)
        place = sk_lh_instance_by_role(id, SK_LH_OLD);
    if (!place && role != SK_LH_EXEC)
        place = sk_lh_instance_by_role(id, SK_LH_EXEC);
    if (!place)
        return NULL;
    if (place->is_there)
        cut_instance(id, place, "its instance is gone");
    memset(place, 0, sizeof *place);
    (void)snprintf(place->name, sizeof place->name, "%s", name);
    place->is_there = true;
    place->role = role;
    place->desired_seen = -1;
    return place;
}

void sk_lh_ident_activate(struct sk_lh_ident *id, struct sk_lh_instance *i)
{
    struct sk_lh_instance *before = sk_lh_instance_by_role(id, SK_LH_ACTIVE);
    if (before == i)
        return;
    const bool was_candidate = i->role == SK_LH_CANDIDATE;
    if (before)
        before->role = SK_LH_OLD;
    i->role = SK_LH_ACTIVE;
    if (was_candidate) {
        sk_lh_twin_release(id);
        sk_lh_release(id, i->name);
    } else if (before && i->subs == 0) {
        i->subs = before->subs; /* started again: its client's session goes on */
    }
    sk_lh_twin_tell(id);
    sk_lh_pump_wake(id->hub);
}

/* ---- lists from the agent ---- */

static const struct sk_json *find_listed(const struct sk_json *instances, const char *name)
{
    for (size_t k = 0; k < sk_json_count(instances); k++)
        if (strcmp(sk_json_get_text(sk_json_at(instances, k), "instance", ""), name) == 0)
            return sk_json_at(instances, k);
    return NULL;
}

static void drop_missing(struct sk_lh_ident *id, const struct sk_json *instances)
{
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        struct sk_lh_instance *i = &id->instances[k];
        if (!i->is_there || find_listed(instances, i->name))
            continue;
        /* The last active one leaves its subscriptions to the next. */
        if (i->role == SK_LH_ACTIVE && sk_json_count(instances) == 0)
            continue;
        cut_instance(id, i, "its instance is gone");
        if (i->role == SK_LH_CANDIDATE) {
            sk_lh_twin_drop(id);
            sk_lh_drop_aside(id->hub, id, i->name);
        }
        if (i->role != SK_LH_ACTIVE)
            memset(i, 0, sizeof *i);
        else
            i->role = SK_LH_OLD; /* goes below, when it has a successor */
    }
}

static int list_instances(struct sk_lh_ident *id, const struct sk_json *instances,
                          struct sk_err *err)
{
    struct sk_lh_instance *was = sk_lh_instance_by_role(id, SK_LH_ACTIVE), *active = NULL;
    const unsigned subs = was ? was->subs : 0;
    const bool had_active = was != NULL;
    drop_missing(id, instances);
    for (size_t k = 0; k < sk_json_count(instances); k++) {
        const struct sk_json *o = sk_json_at(instances, k);
        const char *name = sk_json_get_text(o, "instance", "");
        enum sk_lh_role role = SK_LH_ACTIVE;
        if (!*name || strlen(name) >= SK_LH_INSTANCE || strchr(name, '/') || *name == '.' ||
            !sk_lh_role_find(sk_json_get_text(o, "role", "active"), &role))
            return sk_fail(err, SK_INVALID, "module '%s': instance '%s' has a bad name or role",
                           id->module, name);
        struct sk_lh_instance *i = sk_lh_instance_find(id, name);
        const bool is_new = !i;
        if (is_new)
            i = new_instance(id, name, role == SK_LH_ACTIVE ? SK_LH_OLD : role);
        if (!i) { /* it gets no socket; the others go on */
            sk_log(SK_WARN, "instance_refused",
                   "id=\"%s\" instance=\"%s\" why=\"more than %d at once\"", id->key, name,
                   SK_LH_INSTANCES);
            continue;
        }
        if (is_new && role == SK_LH_ACTIVE && had_active)
            i->subs = subs;
        if (role == SK_LH_ACTIVE)
            active = i;
        else
            i->role = role;
    }
    if (active)
        sk_lh_ident_activate(id, active);
    /* Those that only left their subscriptions. */
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        struct sk_lh_instance *i = &id->instances[k];
        if (i->is_there && active && !find_listed(instances, i->name))
            memset(i, 0, sizeof *i);
    }
    return 0;
}

static int list_one(struct sk_lh *h, const struct sk_json *o, struct sk_err *err)
{
    const char *name = sk_json_get_text(o, "name", "");
    bool is_registered = true;
    const struct sk_json *instances = NULL;
    if (!sk_iot_id_valid(sk_view_of(name)))
        return sk_fail(err, SK_INVALID, "modules: '%s' is no module's name", name);
    if (sk_json_want_bool(o, "isRegistered", &is_registered, err) < 0 ||
        sk_json_want_array(o, "instances", &instances, err) < 0)
        return sk_wrap(err, "module '%s'", name);
    struct sk_lh_ident *id = sk_lh_ident_get(h, h->config.device, name);
    if (!id)
        return sk_fail(err, SK_LIMIT, "modules: too many names, or no memory");
    id->is_listed = true;
    id->is_registered = is_registered;
    (void)snprintf(id->generation, sizeof id->generation, "%s",
                   sk_json_get_text(o, "generation", ""));
    return id->kind == SK_LH_MODULE ? list_instances(id, instances, err) : 0;
}

/* Its connections end; what it had kept stays, for when it comes again. */
static void unlist(struct sk_lh_ident *id)
{
    static const char why[] = "its module is gone";
    id->is_used = false;
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        struct sk_lh_instance *i = &id->instances[k];
        if (!i->is_there)
            continue;
        cut_instance(id, i, why);
        if (i->role == SK_LH_CANDIDATE) {
            sk_lh_twin_drop(id);
            sk_lh_drop_aside(id->hub, id, i->name);
        }
        memset(i, 0, sizeof *i);
    }
}

int sk_lh_idents_list(struct sk_lh *h, const struct sk_json *modules, struct sk_err *err)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->kind == SK_LH_MODULE)
            id->is_listed = false;
    struct sk_err failed = SK_ERR_INIT;
    int rc = 0;
    for (size_t k = 0; k < sk_json_count(modules); k++)
        if (list_one(h, sk_json_at(modules, k), rc == 0 ? err : &failed) < 0)
            rc = -1; /* those behind it are no worse for that */
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->kind == SK_LH_MODULE && !id->is_listed)
            unlist(id);
    sk_lh_files_sessions(h, NULL);
    return rc;
}

static int set_text(char **to, const char *text, struct sk_err *err)
{
    char *copy = text && *text ? strdup(text) : NULL;
    if (text && *text && !copy)
        return sk_nomem(err);
    free(*to);
    *to = copy;
    return 0;
}

static void copy_print(char out[65], const char *text)
{
    size_t used = 0;
    for (; *text && used < 64; text++) /* upper case, and colons, as tools print it */
        if (sk_hex_digit(*text) >= 0)
            out[used++] = (char)(*text >= 'A' && *text <= 'F' ? *text + 32 : *text);
    out[used] = '\0';
}

static int leaf_one(struct sk_lh *h, const struct sk_json *o, struct sk_err *err)
{
    const char *device = sk_json_get_text(o, "device", "");
    const char *module = sk_json_get_text(o, "module", "");
    if (!sk_iot_id_valid(sk_view_of(device)) || (*module && !sk_iot_id_valid(sk_view_of(module))))
        return sk_fail(err, SK_INVALID, "leaves: '%s/%s' is no identity", device, module);
    if (strcmp(device, h->config.device) == 0)
        return 0; /* ourselves */
    struct sk_lh_ident *id = sk_lh_ident_get(h, device, module);
    if (!id)
        return sk_fail(err, SK_LIMIT, "leaves: more than %d, or no memory", SK_LH_IDENTS_MAX);
    if (set_text(&id->keys[0], sk_json_get_text(o, "primaryKey", NULL), err) < 0 ||
        set_text(&id->keys[1], sk_json_get_text(o, "secondaryKey", NULL), err) < 0)
        return -1;
    copy_print(id->thumbprints[0], sk_json_get_text(o, "primaryThumbprint", ""));
    copy_print(id->thumbprints[1], sk_json_get_text(o, "secondaryThumbprint", ""));
    id->is_listed = id->is_registered = sk_json_bool(sk_json_get(o, "isEnabled"), true);
    if (id->is_listed && !sk_lh_instance_find(id, ""))
        return new_instance(id, "", SK_LH_ACTIVE) ? 0 : sk_nomem(err);
    return 0;
}

int sk_lh_idents_leaves(struct sk_lh *h, const struct sk_json *leaves, struct sk_err *err)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->kind == SK_LH_LEAF)
            id->is_listed = false;
    struct sk_err failed = SK_ERR_INIT;
    int rc = 0;
    for (size_t k = 0; k < sk_json_count(leaves); k++)
        if (leaf_one(h, sk_json_at(leaves, k), rc == 0 ? err : &failed) < 0)
            rc = -1;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->kind == SK_LH_LEAF && !id->is_listed)
            unlist(id);
    return rc;
}
