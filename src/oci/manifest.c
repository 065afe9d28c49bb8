/*
 * manifest.c - manifests and indexes, OCI and Docker schema 2.
 *
 * What a document is follows from its mediaType, or, when it has none (OCI 1.0 allows that), from
 * its fields; one that has the fields of both kinds is refused, for two programs could read it as
 * two different things (CVE-2021-41190). Unknown fields are left alone, as the specification asks.
 */
#include "oci/oci_priv.h"

#include "json/json.h"

static int want_text(const struct sk_json *object, const char *key, bool is_required, char *out,
                     size_t cap, struct sk_err *err)
{
    const char *text = NULL;

    if (sk_json_want_text(object, key, &text, err) < 0)
        return -1;
    if (!text && is_required)
        return sk_fail(err, SK_INVALID, "'%s' is missing", key);
    if (text && strlen(text) >= cap)
        return sk_fail(err, SK_INVALID, "'%s' is longer than %zu bytes", key, cap - 1);
    (void)snprintf(out, cap, "%s", text ? text : "");
    return 0;
}

static int want_media_type(const struct sk_json *object, const char *key, bool is_required,
                           char out[128], struct sk_err *err)
{
    if (want_text(object, key, is_required, out, 128, err) < 0)
        return -1;
    if (out[0] && !sk_oci_is_media_type(sk_view_of(out)))
        return sk_fail(err, SK_INVALID, "'%s': '%s' is no media type", key, out);
    return 0;
}

/* *out: the object as text, NULL when absent. */
static int want_annotations(const struct sk_json *object, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_OCI_MANIFEST_MAX * 2);
    const struct sk_json *map = NULL;

    if (sk_json_want_object(object, "annotations", &map, err) < 0)
        return -1;
    if (!map)
        return 0;
    for (void *it = sk_json_first(map); it; it = sk_json_next(map, it))
        if (sk_json_type(sk_json_value(it)) != SK_JSON_STRING)
            return sk_fail(err, SK_INVALID, "annotations: '%.100s' is no text", sk_json_key(it));
    sk_json_dump(map, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    *out = sk_buf_take(&text);
    return 0;
}

static int read_platform(const struct sk_json *object, struct sk_oci_descriptor *out,
                         struct sk_err *err)
{
    const struct sk_json *p = NULL;

    if (sk_json_want_object(object, "platform", &p, err) < 0)
        return -1;
    if (!p)
        return 0;
    if (want_text(p, "architecture", false, out->architecture, sizeof out->architecture, err) < 0 ||
        want_text(p, "os", false, out->os, sizeof out->os, err) < 0 ||
        want_text(p, "variant", false, out->variant, sizeof out->variant, err) < 0)
        return sk_wrap(err, "platform");
    return 0;
}

static int read_descriptor(const struct sk_json *d, struct sk_oci_descriptor *out,
                           struct sk_err *err)
{
    int64_t size = -1;

    if (sk_json_type(d) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(d)));
    if (want_media_type(d, "mediaType", true, out->media_type, err) < 0 ||
        want_text(d, "digest", true, out->digest, sizeof out->digest, err) < 0)
        return -1;
    if (!sk_oci_is_digest(sk_view_of(out->digest)))
        return sk_fail(err, SK_INVALID,
                       "'digest': '%s' is no digest, such as sha256: and 64 lower-case hex digits",
                       out->digest);
    if (sk_json_want_int(d, "size", 0, INT64_MAX, &size, err) < 0)
        return -1;
    if (size < 0)
        return sk_fail(err, SK_INVALID, "'size' is missing");
    out->size = (uint64_t)size;
    if (want_media_type(d, "artifactType", false, out->artifact_type, err) < 0 ||
        read_platform(d, out, err) < 0)
        return -1;
    return want_annotations(d, &out->annotations, err);
}

/* The array of a key; null counts as empty, as Go programs write it. */
static int read_items(const struct sk_json *doc, const char *key, struct sk_oci_manifest *out,
                      struct sk_err *err)
{
    const struct sk_json *list = NULL;

    if (!sk_json_get(doc, key))
        return sk_fail(err, SK_INVALID, "'%s' is missing", key);
    if (sk_json_want_array(doc, key, &list, err) < 0)
        return -1;
    size_t count = list ? sk_json_count(list) : 0;
    if (count > SK_OCI_ITEMS_MAX)
        return sk_fail(err, SK_LIMIT, "'%s' has %zu entries, more than %d", key, count,
                       SK_OCI_ITEMS_MAX);
    out->items = calloc(count ? count : 1, sizeof *out->items);
    if (!out->items)
        return sk_nomem(err);
    for (; out->count < count; out->count++)
        if (read_descriptor(sk_json_at(list, out->count), &out->items[out->count], err) < 0) {
            size_t at = out->count++; /* what it has is released with the others */
            return sk_wrap(err, "%s[%zu]", key, at);
        }
    return 0;
}

/* ---- the kind ---- */

static int find_kind(const struct sk_json *doc, struct sk_oci_manifest *out, struct sk_err *err)
{
    bool has_items = sk_json_get(doc, "manifests");
    bool has_layers = sk_json_get(doc, "layers") || sk_json_get(doc, "config");
    int64_t version = 0;

    if (sk_json_want_int(doc, "schemaVersion", INT64_MIN, INT64_MAX, &version, err) < 0)
        return -1;
    if (version != 2)
        return sk_fail(err, SK_INVALID, "'schemaVersion' is not 2");
    if (sk_json_get(doc, "fsLayers") || (has_items && has_layers))
        return sk_fail(err, SK_INVALID, "it has the fields of two kinds of manifest");
    if (want_media_type(doc, "mediaType", false, out->media_type, err) < 0)
        return -1;
    if (out->media_type[0] == '\0')
        (void)snprintf(out->media_type, sizeof out->media_type, "%s",
                       has_items ? SK_OCI_INDEX : SK_OCI_MANIFEST);
    out->is_index = strcmp(out->media_type, SK_OCI_INDEX) == 0 ||
                    strcmp(out->media_type, SK_OCI_DOCKER_LIST) == 0;
    if (!out->is_index && strcmp(out->media_type, SK_OCI_MANIFEST) != 0 &&
        strcmp(out->media_type, SK_OCI_DOCKER_MANIFEST) != 0)
        return sk_fail(err, SK_INVALID, "'mediaType': '%s' is no manifest or index that we know",
                       out->media_type);
    if (out->is_index ? has_layers : has_items)
        return sk_fail(err, SK_INVALID, "its fields are not those of '%s'", out->media_type);
    return 0;
}

static int read_subject(const struct sk_json *doc, struct sk_oci_manifest *out, struct sk_err *err)
{
    struct sk_oci_descriptor subject = { 0 };
    const struct sk_json *s = NULL;

    if (sk_json_want_object(doc, "subject", &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    int rc = read_descriptor(s, &subject, err);
    free(subject.annotations);
    if (rc < 0)
        return sk_wrap(err, "subject");
    memcpy(out->subject, subject.digest, sizeof out->subject);
    return 0;
}

static int read_all(const struct sk_json *doc, struct sk_oci_manifest *out, struct sk_err *err)
{
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(doc)));
    if (find_kind(doc, out, err) < 0)
        return -1;
    if (!out->is_index) {
        if (!sk_json_get(doc, "config"))
            return sk_fail(err, SK_INVALID, "'config' is missing");
        if (read_descriptor(sk_json_get(doc, "config"), &out->config, err) < 0)
            return sk_wrap(err, "config");
    }
    if (read_items(doc, out->is_index ? "manifests" : "layers", out, err) < 0 ||
        want_media_type(doc, "artifactType", false, out->artifact_type, err) < 0 ||
        read_subject(doc, out, err) < 0)
        return -1;
    return want_annotations(doc, &out->annotations, err);
}

int sk_oci_manifest_parse(const char *bytes, size_t len, struct sk_oci_manifest *out,
                          struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = SK_OCI_JSON_VALUES,
                                           .max_depth = SK_OCI_JSON_DEPTH };
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (len > SK_OCI_MANIFEST_MAX)
        return sk_fail(err, SK_LIMIT, "manifest: %zu bytes are more than %d", len,
                       SK_OCI_MANIFEST_MAX);
    if (sk_json_parse(bytes, len, &limits, &doc, err) < 0 || read_all(doc, &m, err) < 0)
        return sk_wrap(err, "manifest");
    *out = m;
    m = (struct sk_oci_manifest){ 0 };
    return 0;
}

void sk_oci_manifest_done(struct sk_oci_manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->items[i].annotations);
    free(m->items);
    free(m->config.annotations);
    free(m->annotations);
    *m = (struct sk_oci_manifest){ 0 };
}
