/*
 * err.c - error texts and the table that maps a code to its names and statuses.
 *
 * A text is formatted into a scratch array and then copied, because its arguments may point into
 * the error it is about to replace. Invariant: what is stored is one line of valid UTF-8, whatever
 * bytes (file names, model names) were in the arguments; it is cut at a character, with "..."
 * behind.
 */
#include "base/err.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>

struct code_row {
    const char *name;
    int http;
    int exit;
};

static const struct code_row codes[] = {
#define ROW(code, name, http, exit) [code] = { name, http, exit },
    SK_ERR_TABLE(ROW)
#undef ROW
};

static const struct code_row *row_of(enum sk_code code)
{
    return &codes[(unsigned)code < SK_CODE_COUNT ? code : SK_BUG];
}

const char *sk_code_name(enum sk_code code)
{
    return row_of(code)->name;
}

int sk_code_http(enum sk_code code)
{
    return row_of(code)->http;
}

int sk_code_exit(enum sk_code code)
{
    return row_of(code)->exit;
}

/* Copies text as one printable line; bytes that are no UTF-8 become '?', control characters spaces.
 */
static void store(struct sk_err *err, const char *text)
{
    static const char dots[] = "...";
    const size_t room = SK_ERR_TEXT - 1;
    size_t len = strlen(text);
    size_t used = 0;
    size_t cut = 0; /* the last place where the dots would still fit */

    for (size_t i = 0; i < len;) {
        size_t n = sk_utf8_step(text + i, len - i);
        size_t width = n ? n : 1;
        if (used + width > room) {
            memcpy(err->text + cut, dots, sizeof dots);
            return;
        }
        if (n == 0)
            err->text[used] = '?';
        else if (n == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f))
            err->text[used] = ' ';
        else
            memcpy(err->text + used, text + i, n);
        used += width;
        i += width;
        if (used + sizeof dots - 1 <= room)
            cut = used;
    }
    err->text[used] = '\0';
}

/* Formats into scratch; a text that could not be formatted is still a text. */
SK_PRINTF(3, 0)

static void format(char *scratch, size_t size, const char *fmt, va_list args)
{
    if (vsnprintf(scratch, size, fmt, args) < 0 || scratch[0] == '\0')
        (void)snprintf(scratch, size, "unknown error");
}

int sk_fail(struct sk_err *err, enum sk_code code, const char *fmt, ...)
{
    char scratch[2 * SK_ERR_TEXT];
    va_list args;

    va_start(args, fmt);
    format(scratch, sizeof scratch, fmt, args);
    va_end(args);
    err->code = code;
    store(err, scratch);
    return -1;
}

static enum sk_code code_of_errno(int number)
{
    switch (number) {
    case ENOMEM:
        return SK_NOMEM;
    case ENOENT:
        return SK_NOT_FOUND;
    case EACCES:
    case EPERM:
        return SK_DENIED;
    default:
        return SK_IO;
    }
}

int sk_fail_errno(struct sk_err *err, const char *fmt, ...)
{
    const int number = errno;
    char scratch[SK_ERR_TEXT];
    char reason[128];
    va_list args;

    va_start(args, fmt);
    format(scratch, sizeof scratch, fmt, args);
    va_end(args);
    return sk_fail(err, code_of_errno(number), "%s: %s", scratch,
                   strerror_r(number, reason, sizeof reason));
}

int sk_nomem(struct sk_err *err)
{
    return sk_fail(err, SK_NOMEM, "out of memory");
}

int sk_wrap(struct sk_err *err, const char *fmt, ...)
{
    char scratch[SK_ERR_TEXT];
    va_list args;

    va_start(args, fmt);
    format(scratch, sizeof scratch, fmt, args);
    va_end(args);
    return sk_fail(err, err->code, "%s: %s", scratch, err->text);
}
