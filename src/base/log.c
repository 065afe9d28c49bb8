/*
 * log.c - events on one descriptor, as text or as JSON.
 *
 *     2026-11-24T12:00:00.123Z info  model_loaded name=digits ms=12
 *     {"time":"2026-11-24T12:00:00.123Z","level":"info","event":"model_loaded","name":"digits","ms":12}
 *
 * The structure of a line (keys, and where values begin and end) is read from the format alone,
 * conversion by conversion; an argument can only ever become part of a value. So nothing that a
 * peer sends can add a field or a line. Each line is one write(), so lines of several threads do
 * not mix.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 16384,
    PIECE_BYTES = 2048
};

static const char *const level_names[SK_LEVEL_COUNT] = { "debug", "info", "warn", "error" };

/* The one global state of base: where events go. Set before threads start; atomic, so that a test
 * may set it again. */
static _Atomic int log_least = SK_INFO;
static _Atomic int log_format = SK_LOG_TEXT;
static _Atomic int log_fd = STDERR_FILENO;
static _Thread_local const char *request_id;

void sk_log_setup(enum sk_level least, enum sk_log_format format, int fd)
{
    log_least = (int)least;
    log_format = (int)format;
    log_fd = fd;
}

int sk_log_level_parse(const char *text, enum sk_level *out, struct sk_err *err)
{
    for (int i = 0; i < SK_LEVEL_COUNT; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum sk_level)i;
            return 0;
        }
    }
    return sk_fail(err, SK_INVALID, "log level '%s' is not one of debug, info, warn, error", text);
}

void sk_log_request(const char *id)
{
    request_id = id;
}

int sk_log_enabled(enum sk_level level)
{
    return (int)level >= log_least;
}

/* JSON's number grammar (RFC 8259, section 6), so that 12 and 0.5 need no quotes but 007 and 1.2.3
 * do. */
static bool is_number(const char *p)
{
    p += *p == '-';
    if (*p == '0')
        p++;
    else if (isdigit((unsigned char)*p))
        p += strspn(p, "0123456789");
    else
        return false;
    if (*p == '.') {
        size_t n = strspn(p + 1, "0123456789");
        if (n == 0)
            return false;
        p += 1 + n;
    }
    return *p == '\0';
}

static bool is_plain(const char *text)
{
    if (*text == '\0')
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\' || *p == '=' ||
            (unsigned char)*p >= 0x7f)
            return false;
    return true;
}

/* One field. Quoted in the format: a string whatever it looks like. */
static void add_field(struct sk_buf *line, bool json, const char *key, struct sk_buf *value,
                      bool quoted)
{
    const char *text = value->data ? value->data : "";

    if (*key == '\0' && *text == '\0')
        return;
    key = *key ? key : "text";
    if (json) {
        sk_buf_chr(line, ',');
        sk_buf_json_str(line, key);
        sk_buf_chr(line, ':');
    } else {
        sk_buf_chr(line, ' ');
        sk_buf_str(line, key);
        sk_buf_chr(line, '=');
    }
    bool bare = json ? is_number(text) || strcmp(text, "true") == 0 || strcmp(text, "false") == 0
                     : is_plain(text);
    if (bare && !quoted)
        sk_buf_str(line, text);
    else
        sk_buf_json_str(line, text);
}

/* A printf conversion found in a format: its text (such as "%-5.2lf") and what its argument is. */
struct conversion {
    char spec[32];
    size_t len;     /* bytes in the format */
    unsigned stars; /* ints that come before the argument */
    char size;      /* 'i' int, 'l' long, 'q' long long or intmax_t, 'z' size_t or ptrdiff_t */
    char kind;      /* the conversion letter */
};

static struct conversion read_conversion(const char *fmt)
{
    struct conversion c = { .size = 'i' };
    size_t i = 1 + strspn(fmt + 1, "-+ #0123456789.*");

    for (size_t k = 1; k < i; k++)
        c.stars += fmt[k] == '*';
    for (;; i++) {
        if (fmt[i] == 'l')
            c.size = c.size == 'l' ? 'q' : 'l';
        else if (fmt[i] == 'j')
            c.size = 'q';
        else if (fmt[i] == 'z' || fmt[i] == 't')
            c.size = 'z';
        else if (fmt[i] != 'h')
            break;
    }
    c.kind = fmt[i];
    c.len = i + (fmt[i] != '\0');
    if (c.len < sizeof c.spec)
        memcpy(c.spec, fmt, c.len);
    return c;
}

/* The formats come from literals that the compiler has checked at the call of sk_log. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#define PRINT(value)                                                                               \
    (c->stars == 0   ? snprintf(out, size, c->spec, value)                                         \
     : c->stars == 1 ? snprintf(out, size, c->spec, star[0], value)                                \
                     : snprintf(out, size, c->spec, star[0], star[1], value))

/* Takes the conversion's arguments from the list and prints them. */
static int print_conversion(const struct conversion *c, char *out, size_t size, va_list *args)
{
    int star[2] = { 0, 0 };

    for (unsigned i = 0; i < c->stars && i < 2; i++)
        star[i] = va_arg(*args, int);
    switch (c->kind) {
    case 's': {
        const char *text = va_arg(*args, const char *);
        return PRINT(text ? text : "(none)");
    }
    case 'p':
        return PRINT(va_arg(*args, void *));
    case 'e':
    case 'f':
    case 'g':
    case 'E':
    case 'F':
    case 'G':
        return PRINT(va_arg(*args, double));
    default:
        break;
    }
    if (c->size == 'l')
        return PRINT(va_arg(*args, long));
    if (c->size == 'q')
        return PRINT(va_arg(*args, long long));
    if (c->size == 'z')
        return PRINT(va_arg(*args, size_t));
    return PRINT(va_arg(*args, int));
}

#undef PRINT
#pragma GCC diagnostic pop

/* Walks the format: text up to '=' is a key, what follows a value that ends at a space or, quoted,
 * at a quote. */
static void add_fields(struct sk_buf *line, bool json, const char *fmt, va_list *args)
{
    SK_AUTO(sk_buf_done) struct sk_buf value = SK_BUF_INIT(PIECE_BYTES * 4);
    char key[64] = "";
    char piece[PIECE_BYTES];
    bool quoted = false;

    for (const char *p = fmt; *p;) {
        if (p[0] == '%' && p[1] != '%') {
            struct conversion c = read_conversion(p);
            int n = print_conversion(&c, piece, sizeof piece, args);
            if (n > 0)
                sk_buf_add(&value, piece, (size_t)n < sizeof piece ? (size_t)n : sizeof piece - 1);
            p += c.len;
            continue;
        }
        p += p[0] == '%'; /* "%%" */
        if (*p == '=' && key[0] == '\0') {
            (void)snprintf(key, sizeof key, "%s", value.data ? value.data : "");
            sk_buf_clear(&value);
            quoted = p[1] == '"';
            p += quoted;
        } else if ((quoted && *p == '"') || (!quoted && *p == ' ')) {
            add_field(line, json, key, &value, quoted);
            sk_buf_clear(&value);
            key[0] = '\0';
            quoted = false;
        } else {
            sk_buf_chr(&value, *p);
        }
        p++;
    }
    add_field(line, json, key, &value, quoted);
}

void sk_log(enum sk_level level, const char *event, const char *fmt, ...)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE_MAX_BYTES);
    const bool json = log_format == SK_LOG_JSON;
    char now[SK_TIME_TEXT];
    va_list args;

    if (!sk_log_enabled(level))
        return;
    sk_time_text(sk_wall_ms(), now);
    if (json)
        sk_buf_fmt(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", now,
                   level_names[level], event);
    else
        sk_buf_fmt(&line, "%s %-5s %s", now, level_names[level], event);
    if (request_id && strncmp(fmt, "req=", 4) != 0) { /* else it says itself whose it is */
        struct sk_buf id = SK_BUF_INIT(PIECE_BYTES);
        sk_buf_str(&id, request_id);
        add_field(&line, json, "req", &id, true);
        sk_buf_done(&id);
    }
    va_start(args, fmt);
    add_fields(&line, json, fmt, &args);
    va_end(args);
    sk_buf_str(&line, json ? "}\n" : "\n");
    if (!sk_buf_ok(&line)) {
        sk_buf_clear(&line);
        sk_buf_fmt(&line,
                   json ? "{\"time\":\"%s\",\"level\":\"error\",\"event\":\"log_line_lost\"}\n"
                        : "%s error log_line_lost\n",
                   now);
    }
    if (line.data && write(log_fd, line.data, line.len) < 0)
        return; /* there is nowhere to say that standard error is gone */
}
