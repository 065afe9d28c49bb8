/*
 * layout.c - image layouts: oci-layout, index.json, blobs/ALGORITHM/HEX (image specification 1.1).
 *
 * index.json is replaced whole, under a lock on oci-layout, so that two programs that tag at once
 * both succeed. Entries that are not ours stay as they are.
 */
#include "oci/oci_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#define REF_NAME "org.opencontainers.image.ref.name"

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
static const char empty_index[] = "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX
                                  "\",\"manifests\":[]}";

/* ---- a layout ---- */

static int check_version(const char *path, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_file(path, &doc, err) < 0)
        return -1;
    const char *version = sk_json_get_text(doc, "imageLayoutVersion", "");
    if (strcmp(version, "1.0.0") != 0)
        return sk_fail(err, SK_UNSUPPORTED, "%s: 'imageLayoutVersion' is not 1.0.0", path);
    return 0;
}

int sk_oci_layout_make(const char *dir, struct sk_err *err)
{
    SK_OWN(free) char *blobs = sk_path_join(dir, "blobs/sha256");
    SK_OWN(free) char *marker = sk_path_join(dir, "oci-layout");
    SK_OWN(free) char *index = sk_path_join(dir, "index.json");

    if (!blobs || !marker || !index)
        return sk_nomem(err);
    if (sk_mkdirs(blobs, 0777, err) < 0)
        return -1;
    if (sk_is_file(marker)) {
        if (check_version(marker, err) < 0)
            return -1;
    } else if (sk_file_write(marker, layout_text, sizeof layout_text - 1, 0644, err) < 0) {
        return -1;
    }
    return sk_is_file(index) ? 0
                             : sk_file_write(index, empty_index, sizeof empty_index - 1, 0644, err);
}

char *sk_oci_layout_blob(const char *dir, const char *digest)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SIZE_MAX - 1);

    size_t name = strcspn(digest, ":");

    sk_buf_fmt(&path, "%s/blobs/%.*s/%s", dir, (int)name, digest,
               digest[name] ? digest + name + 1 : "");
    return sk_buf_take(&path);
}

/* ---- its index ---- */

static int open_index(const char *dir, struct sk_json **out, struct sk_err *err)
{
    SK_OWN(free) char *marker = sk_path_join(dir, "oci-layout");
    SK_OWN(free) char *path = sk_path_join(dir, "index.json");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (!marker || !path)
        return sk_nomem(err);
    if (!sk_is_file(marker))
        return sk_fail(err, SK_NOT_FOUND, "'%s' is no OCI image layout: it has no file oci-layout",
                       dir);
    if (check_version(marker, err) < 0 || sk_json_file(path, &doc, err) < 0)
        return -1;
    if (sk_json_type(sk_json_get(doc, "manifests")) != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "%s: 'manifests' is no array", path);
    if (sk_json_count(sk_json_get(doc, "manifests")) > SK_OCI_ITEMS_MAX)
        return sk_fail(err, SK_LIMIT, "%s: more than %d manifests", path, SK_OCI_ITEMS_MAX);
    *out = SK_TAKE(doc);
    return 0;
}

static const char *tag_of(const struct sk_json *entry)
{
    return sk_json_get_text(sk_json_get(entry, "annotations"), REF_NAME, NULL);
}

/* Does the new entry take the place of this one? */
static bool is_replaced(const struct sk_json *entry, const char *tag, const char *digest)
{
    const char *name = tag_of(entry);

    if (tag)
        return name && strcmp(name, tag) == 0;
    return !name && strcmp(sk_json_get_text(entry, "digest", ""), digest) == 0;
}

static void add_entry(struct sk_buf *b, const char *tag, const char *media_type, const char *digest,
                      uint64_t size)
{
    sk_buf_str(b, "{\"mediaType\":");
    sk_buf_json_str(b, media_type);
    sk_buf_fmt(b, ",\"digest\":\"%s\",\"size\":%llu", digest, (unsigned long long)size);
    if (tag) {
        sk_buf_str(b, ",\"annotations\":{\"" REF_NAME "\":");
        sk_buf_json_str(b, tag);
        sk_buf_chr(b, '}');
    }
    sk_buf_chr(b, '}');
}

static int rewrite(const char *dir, const struct sk_json *doc, const char *tag,
                   const char *media_type, const char *digest, uint64_t size, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_OCI_ANSWER_BYTES);
    SK_OWN(free) char *path = sk_path_join(dir, "index.json");
    const struct sk_json *list = sk_json_get(doc, "manifests");

    if (!path)
        return sk_nomem(err);
    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX "\",\"manifests\":[");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        if (is_replaced(sk_json_at(list, i), tag, digest))
            continue;
        sk_json_dump(sk_json_at(list, i), &text);
        sk_buf_chr(&text, ',');
    }
    add_entry(&text, tag, media_type, digest, size);
    sk_buf_str(&text, "]}");
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return sk_file_write(path, text.data, text.len, 0644, err);
}

int sk_oci_layout_tag(const char *dir, const char *tag, const char *media_type, const char *digest,
                      uint64_t size, struct sk_err *err)
{
    SK_OWN(free) char *marker = sk_path_join(dir, "oci-layout");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_close) int lock = -1;

    if (!marker)
        return sk_nomem(err);
    if (!sk_oci_is_digest(sk_view_of(digest)))
        return sk_fail(err, SK_INVALID, "'%.100s' is no digest", digest);
    lock = open(marker, O_RDONLY | O_CLOEXEC);
    if (lock < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", marker);
    while (lock >= 0 && flock(lock, LOCK_EX) < 0)
        if (errno != EINTR)
            break; /* a file system without locks */
    if (open_index(dir, &doc, err) < 0)
        return -1;
    return rewrite(dir, doc, tag, media_type, digest, size, err);
}

/* A signature beside its image (sign.h); it is meant only when it is named. */
static bool is_signature(const char *name)
{
    return sk_starts_with(name, "sha256-") && sk_ends_with(name, ".sig");
}

/* Is it this one that is looked for? */
static bool is_wanted(const struct sk_json *entry, const char *tag)
{
    const char *name = tag_of(entry);

    if (!tag)
        return !name || !is_signature(name);
    return (name && strcmp(name, tag) == 0) ||
           strcmp(sk_json_get_text(entry, "digest", ""), tag) == 0;
}

static int fail_find(const char *dir, const char *tag, size_t count, struct sk_err *err)
{
    if (count == 0 && tag)
        return sk_fail(err, SK_NOT_FOUND, "'%s' has no image '%.140s'", dir, tag);
    if (count == 0)
        return sk_fail(err, SK_NOT_FOUND, "'%s' has no image", dir);
    return sk_fail(err, SK_INVALID, "'%s' has %zu images: name one by its tag or digest", dir,
                   count);
}

int sk_oci_layout_find(const char *dir, const char *tag, char media_type[128],
                       char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json *list, *found = NULL;
    size_t count = 0;

    if (open_index(dir, &doc, err) < 0)
        return -1;
    list = sk_json_get(doc, "manifests");
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *entry = sk_json_at(list, i);
        const char *own = sk_json_get_text(entry, "digest", "");
        if (!is_wanted(entry, tag) ||
            (found && strcmp(own, sk_json_get_text(found, "digest", "")) == 0))
            continue;
        found = entry;
        count++;
    }
    if (count != 1)
        return fail_find(dir, tag, count, err);
    const char *type = sk_json_get_text(found, "mediaType", "");
    const char *value = sk_json_get_text(found, "digest", "");
    if (!sk_oci_is_media_type(sk_view_of(type)) || !sk_oci_is_digest(sk_view_of(value)))
        return sk_fail(err, SK_INVALID, "'%s': the entry in index.json has no mediaType or digest",
                       dir);
    (void)snprintf(media_type, 128, "%s", type);
    (void)snprintf(digest, SK_OCI_DIGEST_TEXT, "%s", value);
    return 0;
}
