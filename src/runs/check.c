/*
 * check.c - names and lengths that a client may choose.
 *
 * The rules are those of mlflow.utils.validation, so that what MLflow's server takes is taken here
 * and the rest refused: a key may stand for a file name there, hence nothing that reads as another
 * path. Lengths count characters as Python's len() does.
 */
#include "runs/runs_priv.h"

#include "crypto/crypto.h"

#include <string.h>

static bool is_key_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c >= 0x80 || strchr("_-. :/", c) != NULL;
}

/* posixpath.normpath(key) == key, and inside. */
static bool is_one_path(const char *key)
{
    for (const char *part = key;;) {
        size_t len = strcspn(part, "/");

        if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0))
            return false;
        if (part[len] == '\0')
            return true;
        part += len + 1;
    }
}

/* Characters of UTF-8; SIZE_MAX when it is none. */
static size_t count_characters(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t at = 0; at < len; count++) {
        size_t step = sk_utf8_step(text + at, len - at);
        if (step == 0)
            return SIZE_MAX;
        at += step;
    }
    return count;
}

int sk_runs_check_text(const char *what, const char *text, size_t max, struct sk_err *err)
{
    if (!text)
        return sk_fail(err, SK_INVALID, "%s is missing", what);

    size_t count = count_characters(text, strlen(text));

    if (count == SIZE_MAX)
        return sk_fail(err, SK_INVALID, "%s is not UTF-8", what);
    if (count > max)
        return sk_fail(err, SK_LIMIT, "%s has %zu characters; at most %zu are taken", what, count,
                       max);
    return 0;
}

int sk_runs_check_key(const char *what, const char *key, struct sk_err *err)
{
    if (sk_runs_check_text(what, key, SK_RUN_KEY_MAX, err) < 0)
        return -1;
    for (const char *c = key; *c; c++) {
        if (!is_key_byte((unsigned char)*c))
            return sk_fail(err, SK_INVALID,
                           "%s '%.80s': names may only contain letters, digits, underscores, "
                           "dashes, periods, spaces, colons and slashes",
                           what, key);
    }
    if (!is_one_path(key))
        return sk_fail(err, SK_INVALID,
                       "%s '%.80s': a name must be no other one when it is read as a path", what,
                       key);
    return 0;
}

int sk_runs_check_pairs(const char *what, const struct sk_pair *pairs, size_t count, size_t max,
                        struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (sk_runs_check_key("key", pairs[i].key, err) < 0)
            return sk_wrap(err, "%ss[%zu]", what, i);
        if (pairs[i].value && sk_runs_check_text("value", pairs[i].value, max, err) < 0)
            return sk_wrap(err, "%s '%.80s'", what, pairs[i].key);
    }
    return 0;
}

bool sk_runs_is_run_id(const char *text)
{
    return strspn(text, "0123456789abcdef") == SK_RUN_ID_TEXT - 1 &&
           text[SK_RUN_ID_TEXT - 1] == '\0';
}

bool sk_runs_is_model_id(const char *text)
{
    return sk_starts_with(text, "m-") && sk_runs_is_run_id(text + 2);
}

int sk_runs_new_id(char out[SK_RUN_ID_TEXT], struct sk_err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(SK_RUN_ID_TEXT - 1) / 2];

    if (sk_random(bytes, sizeof(bytes), err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[SK_RUN_ID_TEXT - 1] = '\0';
    return 0;
}
