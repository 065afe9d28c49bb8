/*
 * log.h - one line per event on standard error: event name, then key=value; text or JSON.
 *
 *     sk_log(SK_INFO, "model_loaded", "name=%s ms=%u", name, ms);
 *
 * Modules in layers 0 to 3 log at debug only. Every line of a request carries req=ID: set it for
 * the thread with sk_log_request() while working on a request.
 *
 * Keys, and where values begin and end, are taken from the format; an argument is always part of a
 * value, whatever it holds. A value in quotes in the format ("error=\"%s\"") may have spaces in the
 * format and is a text in JSON; others are numbers or booleans there when they look like one.
 */
#ifndef SK_BASE_LOG_H
#define SK_BASE_LOG_H

#include "base/err.h"

enum sk_level {
    SK_DEBUG,
    SK_INFO,
    SK_WARN,
    SK_ERROR,
    SK_LEVEL_COUNT
};

enum sk_log_format {
    SK_LOG_TEXT,
    SK_LOG_JSON
};

/* Set once at start. fd is usually 2. */
void sk_log_setup(enum sk_level least, enum sk_log_format format, int fd);
int sk_log_level_parse(const char *text, enum sk_level *out, struct sk_err *err) SK_CHECK;
void sk_log(enum sk_level level, const char *event, const char *fmt, ...) SK_PRINTF(3, 4);
/* The id is borrowed until the next call on this thread; NULL for none. */
void sk_log_request(const char *id);
int sk_log_enabled(enum sk_level level);

#endif
