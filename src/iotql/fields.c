/*
 * fields.c - the names of a twin, and where each is in the tables.
 *
 * The longest name that a path begins with is its field, so longer ones come first.
 */
#include "iotql/iotql_priv.h"

#include <string.h>

#define DESIRED                                                                                    \
    "json_set(t.desired, '$.\"$metadata\"', json(t.desired_meta), '$.\"$version\"', "              \
    "t.desired_version)"
#define REPORTED                                                                                   \
    "json_set(t.reported, '$.\"$metadata\"', json(t.reported_meta), '$.\"$version\"', "            \
    "t.reported_version)"
#define THUMBPRINTS                                                                                \
    "json_object('primaryThumbprint', NULLIF(i.primary_thumbprint, ''), "                          \
    "'secondaryThumbprint', NULLIF(i.secondary_thumbprint, ''))"

static const struct field fields[] = {
    { "deviceId", C_TEXT, "i.device", F_PLAIN, false },
    { "moduleId", C_TEXT, "i.module", F_MODULE, false },
    { "generationId", C_TEXT, "i.generation", F_PLAIN, false },
    { "managedBy", C_TEXT, "NULLIF(i.managed_by, '')", F_PLAIN, false },
    { "status", C_TEXT, "CASE i.is_enabled WHEN 0 THEN 'disabled' ELSE 'enabled' END", F_PLAIN,
      false },
    { "statusReason", C_TEXT, "NULLIF(i.status_reason, '')", F_PLAIN, false },
    { "statusUpdateTime", C_TIME, "i.status_ms", F_PLAIN, false },
    { "connectionState", C_TEXT,
      "CASE i.is_connected WHEN 0 THEN 'Disconnected' ELSE 'Connected' END", F_PLAIN, false },
    { "connectionStateUpdatedTime", C_TIME, "i.connection_ms", F_PLAIN, false },
    { "lastActivityTime", C_TIME, "i.activity_ms", F_PLAIN, false },
    { "authenticationType", C_TEXT, "i.auth", F_PLAIN, false },
    { "x509Thumbprint.primaryThumbprint", C_TEXT, "NULLIF(i.primary_thumbprint, '')", F_PLAIN,
      false },
    { "x509Thumbprint.secondaryThumbprint", C_TEXT, "NULLIF(i.secondary_thumbprint, '')", F_PLAIN,
      false },
    { "x509Thumbprint", C_OBJECT, THUMBPRINTS, F_PLAIN, false },
    { "capabilities.iotEdge", C_BOOL, "i.is_edge", F_PLAIN, false },
    { "capabilities", C_OBJECT,
      "json_object('iotEdge', json(CASE i.is_edge WHEN 0 THEN 'false' ELSE 'true' END))", F_PLAIN,
      false },
    { "deviceScope", C_TEXT, "NULLIF(i.scope, '')", F_PLAIN, false },
    { "deviceEtag", C_TEXT, "i.etag", F_BASE64, false },
    { "etag", C_TEXT, "t.etag", F_BASE64, true },
    { "version", C_NUMBER, "t.version", F_PLAIN, true },
    { "tags", C_ANY, "t.tags", F_PLAIN, true },
    { "configurations", C_ANY, "t.configurations", F_PLAIN, true },
    { "properties.desired.$version", C_NUMBER, "t.desired_version", F_PLAIN, true },
    { "properties.desired.$metadata", C_ANY, "t.desired_meta", F_PLAIN, true },
    { "properties.desired", C_OBJECT, DESIRED, F_PLAIN, true },
    { "properties.desired", C_ANY, "t.desired", F_PLAIN, true },
    { "properties.reported.$version", C_NUMBER, "t.reported_version", F_PLAIN, true },
    { "properties.reported.$metadata", C_ANY, "t.reported_meta", F_PLAIN, true },
    { "properties.reported", C_OBJECT, REPORTED, F_PLAIN, true },
    { "properties.reported", C_ANY, "t.reported", F_PLAIN, true },
    { "properties", C_OBJECT, "json_object('desired', " DESIRED ", 'reported', " REPORTED ")",
      F_PLAIN, true },
};

/* How many segments the name is, 0 when the path does not begin with it. */
static size_t fits(const char *name, const struct path *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct segment *s = &p->segments[i];

        if (s->is_index || memchr(s->name.ptr, '.', s->name.len) ||
            strncmp(name, s->name.ptr, s->name.len) != 0)
            return 0;
        name += s->name.len;
        if (*name == 0)
            return i + 1;
        if (*name++ != '.')
            return 0;
    }
    return 0;
}

const struct field *sk_iotql_field_find(const struct path *p, size_t *used)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t n = fits(fields[i].name, p);

        /* A whole object is itself only; what is in it has rows of its own. */
        if (n == 0 || (fields[i].class == C_OBJECT && n != p->count))
            continue;
        *used = n;
        return &fields[i];
    }
    return NULL;
}
