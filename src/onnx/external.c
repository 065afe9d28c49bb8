/*
 * external.c - weights in files beside the model: is each location harmless and there?
 *
 * A location is a relative path with plain components, walked one by one from the model's folder
 * without following links, so it cannot leave the folder whatever the folder contains. ONNX Runtime
 * would follow links, and gives a location with "_ORT_MEM_ADDR_" in it a meaning of its own: an
 * address in memory. Both are refused here.
 */
#include "onnx/onnx_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOCATION_BYTES = 1024
};

int sk_onnx_external_init(struct sk_onnx_external *x, const char *folder, struct sk_err *err)
{
    *x = (struct sk_onnx_external){ .folder_fd = -1 };
    if (!folder)
        return 0;
    x->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (x->folder_fd < 0)
        return sk_fail_errno(err, "cannot open the folder '%s'", folder);
    return 0;
}

void sk_onnx_external_done(struct sk_onnx_external *x)
{
    sk_close(&x->folder_fd);
    for (size_t i = 0; i < x->count; i++)
        free(x->names[i]);
    free(x->names);
    free(x->sizes);
}

static int refuse_location(const char *location, const char *why, struct sk_err *err)
{
    return sk_fail(err, SK_INVALID, "external data '%s': %s", location, why);
}

/* Opens one component below dir_fd without following it; the result is for fstat and further steps
 * only. */
static int open_step(int dir_fd, const char *name, const char *location, struct stat *st,
                     struct sk_err *err)
{
    int fd;

    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return refuse_location(location, "not a plain relative name inside the model's folder",
                               err);
    fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return sk_fail(err, SK_NOT_FOUND,
                       "external data '%s' is missing: it belongs beside the model file", location);
    if (fd < 0)
        return sk_fail_errno(err, "external data '%s'", location);
    if (fstat(fd, st) != 0) {
        (void)sk_fail_errno(err, "external data '%s'", location);
        (void)close(fd);
        return -1;
    }
    if (S_ISLNK(st->st_mode)) {
        (void)close(fd);
        return refuse_location(location, "a link; put the file itself there (cp -L)", err);
    }
    return fd;
}

static int measure(const struct sk_onnx_external *x, const char *location, uint64_t *size,
                   struct sk_err *err)
{
    char path[LOCATION_BYTES];
    SK_AUTO(sk_close) int dir_fd = -1;
    char *name = path;

    (void)snprintf(path, sizeof(path), "%s", location); /* its length was checked */
    for (;;) {
        char *slash = strchr(name, '/');
        struct stat st;
        int fd;

        if (slash)
            *slash = '\0';
        fd = open_step(dir_fd < 0 ? x->folder_fd : dir_fd, name, location, &st, err);
        if (fd < 0)
            return -1;
        sk_close(&dir_fd);
        dir_fd = fd;
        if (!slash) {
            if (!S_ISREG(st.st_mode))
                return refuse_location(location, "not a regular file", err);
            *size = (uint64_t)st.st_size;
            return 0;
        }
        name = slash + 1;
    }
}

/* A decimal number that fits a signed 64-bit offset. */
static int parse_number(const char *what, struct sk_view text, const char *location, uint64_t *out,
                        struct sk_err *err)
{
    uint64_t value = 0;

    if (text.len == 0)
        return sk_fail(err, SK_CORRUPT, "external data '%s': the %s is empty", location, what);
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';

        if (digit > 9 || value > (uint64_t)(INT64_MAX - digit) / 10)
            return sk_fail(err, SK_CORRUPT,
                           "external data '%s': the %s '%.*s' is not a number from 0 to 2^63-1",
                           location, what, (int)(text.len > 32 ? 32 : text.len), text.ptr);
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

static int remember(struct sk_onnx_external *x, const char *location, struct sk_err *err)
{
    uint64_t size = 0;

    if (x->count == SK_ONNX_MAX_EXTERNAL)
        return sk_fail(err, SK_LIMIT, "more than %d external data files", SK_ONNX_MAX_EXTERNAL);
    if (measure(x, location, &size, err) < 0)
        return -1;
    if (x->count == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 8;
        char **names = realloc(x->names, cap * sizeof(*names));
        uint64_t *sizes;

        if (!names)
            return sk_nomem(err);
        x->names = names;
        sizes = realloc(x->sizes, cap * sizeof(*sizes));
        if (!sizes)
            return sk_nomem(err);
        x->sizes = sizes;
        x->cap = cap;
    }
    x->names[x->count] = strdup(location);
    if (!x->names[x->count])
        return sk_nomem(err);
    x->sizes[x->count] = size;
    x->last = x->count++;
    return 0;
}

/* Sets x->last to the file. */
static int find_file(struct sk_onnx_external *x, const char *location, struct sk_err *err)
{
    if (x->count > 0 && strcmp(x->names[x->last], location) == 0)
        return 0;
    for (size_t i = 0; i < x->count; i++) {
        if (strcmp(x->names[i], location) == 0) {
            x->last = i;
            return 0;
        }
    }
    return remember(x, location, err);
}

static int copy_location(struct sk_view from, char *out, struct sk_err *err)
{
    if (from.len == 0)
        return sk_fail(err, SK_CORRUPT, "external data without a location");
    if (from.len >= LOCATION_BYTES || memchr(from.ptr, '\0', from.len))
        return sk_fail(err, SK_INVALID,
                       "external data: a location of %zu bytes, or with a NUL in it", from.len);
    memcpy(out, from.ptr, from.len);
    out[from.len] = '\0';
    if (out[0] == '/' || strchr(out, '\\'))
        return refuse_location(out, "not a plain relative name inside the model's folder", err);
    if (strstr(out, "_ORT_MEM_ADDR_"))
        return refuse_location(out, "a name that ONNX Runtime takes for an address in memory", err);
    return 0;
}

int sk_onnx_external_check(struct sk_onnx_external *x, const struct sk_onnx_location *l,
                           uint64_t tensor_bytes, struct sk_err *err)
{
    char location[LOCATION_BYTES];
    uint64_t offset = 0, length = tensor_bytes, size;

    if (copy_location(l->location, location, err) < 0)
        return -1;
    if (x->folder_fd < 0)
        return refuse_location(location, "a model without a folder cannot have any", err);
    if (find_file(x, location, err) < 0)
        return -1;
    if (l->offset.ptr && parse_number("offset", l->offset, location, &offset, err) < 0)
        return -1;
    if (l->length.ptr && parse_number("length", l->length, location, &length, err) < 0)
        return -1;
    size = x->sizes[x->last];
    if (length < tensor_bytes)
        length = tensor_bytes;
    if (offset > size || length > size - offset)
        return sk_fail(err, SK_CORRUPT,
                       "external data '%s': %" PRIu64 " bytes from %" PRIu64
                       " are wanted, the file has %" PRIu64,
                       location, length, offset, size);
    return 0;
}
