/*
 * names.c - which names, aliases, tags and texts are taken, and where files are kept.
 *
 * The rules are MLflow's, so that what its clients may send is taken, with three more for names: no
 * '@' (NAME@alias), no backslash and no control characters (a name is a folder of the artifact
 * tree). Error texts that clients show or look for are MLflow's.
 */
#include "models/models_priv.h"

#include <ctype.h>
#include <string.h>

const char *const sk_model_stages[] = { "None", "Staging", "Production", "Archived", NULL };

int sk_model_text_check(const char *text, const char *what, size_t max, struct sk_err *err)
{
    size_t len = text ? strlen(text) : 0;

    if (len > max)
        return sk_fail(err, SK_INVALID, "'%s' exceeds the maximum length of %zu bytes", what, max);
    if (text && !sk_utf8_valid(text, len))
        return sk_fail(err, SK_INVALID, "'%s' is not UTF-8", what);
    return 0;
}

static size_t characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\v\f")] == 0;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

int sk_model_name_check(const char *name, const char *what, struct sk_err *err)
{
    if (!name || is_blank(name))
        return sk_fail(err, SK_INVALID, "Missing value for required parameter '%s'.", what);
    if (sk_model_text_check(name, what, SK_MODEL_NAME_MAX, err) < 0)
        return -1;
    if (strpbrk(name, "/:"))
        return sk_fail(err, SK_INVALID, "Invalid model name '%s'. Names cannot contain '/' or ':'.",
                       name);
    if (strpbrk(name, "@\\") || has_control(name))
        return sk_fail(err, SK_INVALID,
                       "Invalid model name. Names cannot contain '@', backslashes and control "
                       "characters.");
    if (strcmp(name, ".") == 0 || sk_starts_with(name, ".."))
        return sk_fail(err, SK_INVALID, "Invalid model name '%s'. It would name another folder.",
                       name);
    return 0;
}

static bool is_digits(const char *text)
{
    return text[0] && text[strspn(text, "0123456789")] == 0;
}

int sk_model_alias_check(const char *alias, bool is_new, struct sk_err *err)
{
    if (!alias || !alias[0])
        return sk_fail(err, SK_INVALID, "Registered model alias name cannot be empty.");
    if (sk_model_text_check(alias, "alias", SK_MODEL_ALIAS_MAX, err) < 0)
        return -1;
    for (const char *p = alias; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-' && (unsigned char)*p < 0x80)
            return sk_fail(err, SK_INVALID,
                           "Invalid alias name: '%s'. Names may only contain alphanumerics, "
                           "underscores (_), and dashes (-).",
                           alias);
    if (!is_new)
        return 0;
    if (sk_view_eq_nocase(sk_view_of(alias), "latest"))
        return sk_fail(err, SK_INVALID, "'latest' alias name (case insensitive) is reserved.");
    if ((alias[0] == 'v' || alias[0] == 'V') && is_digits(alias + 1))
        return sk_fail(err, SK_INVALID, "Version alias name '%s' is reserved.", alias);
    return 0;
}

/* As MLflow, which keeps tags in files elsewhere: letters, digits, _ - . : / and spaces, and
 * nothing that would resolve to another path. */
static bool is_key(const char *key)
{
    for (const char *p = key; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-.: /", *p) && (unsigned char)*p < 0x80)
            return false;
    if (key[0] == '/' || sk_starts_with(key, "..") || sk_starts_with(key, "./") ||
        strcmp(key, ".") == 0)
        return false;
    return !strstr(key, "//") && !strstr(key, "/./") && !strstr(key, "/../") &&
           !sk_ends_with(key, "/") && !sk_ends_with(key, "/.") && !sk_ends_with(key, "/..");
}

int sk_model_tag_check(const char *key, const char *value, struct sk_err *err)
{
    if (!key || !key[0])
        return sk_fail(err, SK_INVALID, "Missing value for required parameter 'key'.");
    if (characters(key) > SK_MODEL_TAG_KEY_MAX)
        return sk_fail(err, SK_INVALID, "'key' exceeds the maximum length of %d characters",
                       SK_MODEL_TAG_KEY_MAX);
    if (!sk_utf8_valid(key, strlen(key)) || !is_key(key))
        return sk_fail(err, SK_INVALID,
                       "Invalid value \"%s\" for parameter 'key' supplied: Names may only contain "
                       "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
                       "colon(:) and slashes (/), and must not resolve to another path.",
                       key);
    if (!value)
        return 0;
    if (!sk_utf8_valid(value, strlen(value)))
        return sk_fail(err, SK_INVALID, "'value' of tag '%s' is not UTF-8", key);
    if (characters(value) > SK_MODEL_TAG_VALUE_MAX)
        return sk_fail(err, SK_INVALID, "'value' exceeds the maximum length of %d characters",
                       SK_MODEL_TAG_VALUE_MAX);
    return 0;
}

int sk_model_tags_check(const struct sk_pair *tags, size_t count, struct sk_err *err)
{
    size_t bytes = 0;

    if (count > SK_MODEL_TAGS_MAX)
        return sk_fail(err, SK_LIMIT, "%zu tags, at most %d", count, SK_MODEL_TAGS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (sk_model_tag_check(tags[i].key, tags[i].value, err) < 0)
            return -1;
        if (!tags[i].value)
            return sk_fail(err, SK_INVALID, "tag '%s' has no value", tags[i].key);
        bytes += strlen(tags[i].key) + strlen(tags[i].value);
        if (bytes > SK_MODEL_TAGS_BYTES)
            return sk_fail(err, SK_LIMIT, "tags of more than %d bytes", SK_MODEL_TAGS_BYTES);
    }
    return 0;
}

int sk_model_stage(const char *text, const char **out, struct sk_err *err)
{
    for (const char *const *s = sk_model_stages; *s && text; s++)
        if (sk_view_eq_nocase(sk_view_of(text), *s)) {
            *out = *s;
            return 0;
        }
    return sk_fail(err, SK_INVALID,
                   "Invalid Model Version stage: %.100s. Value must be one of None, Staging, "
                   "Production, Archived.",
                   text ? text : "(none)");
}

void sk_model_folder(const char *name, struct sk_buf *out)
{
    sk_buf_str(out, "models/");
    for (const char *p = name; *p; p++)
        if (strchr("%?#;=", *p))
            sk_buf_fmt(out, "=%02X", (unsigned)*p);
        else
            sk_buf_chr(out, *p);
}

void sk_version_folder(const char *name, uint64_t version, struct sk_buf *out)
{
    sk_model_folder(name, out);
    sk_buf_chr(out, '/');
    sk_buf_u64(out, version);
}
