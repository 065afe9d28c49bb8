/*
 * err.h - one way to fail.
 *
 * A function that can fail returns 0 or -1 and takes `struct sk_err *err` last. The one who knows
 * the cause writes it with sk_fail(); each caller that knows more puts its part in front with
 * sk_wrap(); the outermost program prints it, or maps it to an HTTP status or an exit status, once.
 *
 *     if (sk_image_decode(bytes, len, &opts, &img, err) < 0)
 *         return sk_wrap(err, "input '%s'", name);   // input 'cat.jpg': jpeg: premature end
 *
 * Outputs are written on success only, err on failure only. err is never NULL.
 */
#ifndef SK_BASE_ERR_H
#define SK_BASE_ERR_H

#define SK_CHECK        __attribute__((warn_unused_result))
#define SK_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* code, name as printed in JSON, HTTP status, exit status */
#define SK_ERR_TABLE(X)                                                                            \
    X(SK_OK, "ok", 200, 0)                                                                         \
    X(SK_INVALID, "invalid_argument", 400, 1)                                                      \
    X(SK_USAGE, "usage", 400, 2)                                                                   \
    X(SK_NOT_FOUND, "not_found", 404, 1)                                                           \
    X(SK_METHOD, "method_not_allowed", 405, 1)                                                     \
    X(SK_EXISTS, "already_exists", 409, 1)                                                         \
    X(SK_MISMATCH, "precondition_failed", 412, 1)                                                  \
    X(SK_DENIED, "denied", 403, 1)                                                                 \
    X(SK_UNAUTHENTICATED, "unauthenticated", 401, 1)                                               \
    X(SK_TOO_LARGE, "too_large", 413, 1)                                                           \
    X(SK_LIMIT, "limit_exceeded", 400, 1)                                                          \
    X(SK_UNSUPPORTED_MEDIA, "unsupported_media_type", 415, 1)                                      \
    X(SK_NOT_SCORES, "not_class_scores", 422, 1)                                                   \
    X(SK_UNSUPPORTED, "unsupported", 501, 1)                                                       \
    X(SK_CORRUPT, "corrupt", 400, 1)                                                               \
    X(SK_BUSY, "busy", 503, 1)                                                                     \
    X(SK_TIMEOUT, "timeout", 504, 1)                                                               \
    X(SK_CANCELLED, "cancelled", 503, 1)                                                           \
    X(SK_REMOTE, "remote", 502, 1)                                                                 \
    X(SK_IO, "io", 500, 1)                                                                         \
    X(SK_FULL, "disk_full", 507, 1)                                                                \
    X(SK_NOMEM, "out_of_memory", 500, 1)                                                           \
    X(SK_BUG, "internal", 500, 1)

enum sk_code {
#define SK_ERR_ENUM(code, name, http, exit) code,
    SK_ERR_TABLE(SK_ERR_ENUM)
#undef SK_ERR_ENUM
    SK_CODE_COUNT
};

enum {
    SK_ERR_TEXT = 512
};

/* Owned by the caller, usually on the stack; start with SK_ERR_INIT. Both fields may be read. */
struct sk_err {
    enum sk_code code;
    char text[SK_ERR_TEXT]; /* UTF-8, never empty after a failure; cut with "..." when too long */
};

#define SK_ERR_INIT                                                                                \
    {                                                                                              \
        .code = SK_OK, .text = ""                                                                  \
    }

/* Records code and text; always returns -1, so that `return sk_fail(...)` reads well. */
int sk_fail(struct sk_err *err, enum sk_code code, const char *fmt, ...) SK_PRINTF(3, 4);

/* Like sk_fail with ": strerror(errno)" appended; ENOMEM gives SK_NOMEM, ENOENT SK_NOT_FOUND,
 * EACCES and EPERM SK_DENIED, everything else SK_IO. */
int sk_fail_errno(struct sk_err *err, const char *fmt, ...) SK_PRINTF(2, 3);

/* Out of memory, without allocating. Returns -1. */
int sk_nomem(struct sk_err *err);

/* Puts "<text>: " in front of the text that is there; the code stays. Returns -1. */
int sk_wrap(struct sk_err *err, const char *fmt, ...) SK_PRINTF(2, 3);

const char *sk_code_name(enum sk_code code);
int sk_code_http(enum sk_code code);
int sk_code_exit(enum sk_code code);

#endif
