/*
 * spec.c - which repository, and which names may become paths.
 *
 * Names of a repository follow the hub's own rule; revisions, files and entity tags become names of
 * files in the cache, so none of them may lead out of its folder, whoever sent it.
 */
#include "hf/hf_priv.h"

#include "base/str.h"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters, digits, '-', '_' and '.', and at both ends none but letters, digits and '_'. */
static bool is_name(const char *text, size_t len)
{
    if (len == 0 || len > SK_HF_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_inside = i > 0 && i + 1 < len && (text[i] == '-' || text[i] == '.');
        if (!is_alnum(text[i]) && text[i] != '_' && !is_inside)
            return false;
    }
    return true;
}

static bool is_repo(const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);
    size_t owner = slash ? (size_t)(slash - text) : 0;

    if (slash ? !is_name(text, owner) || !is_name(slash + 1, len - owner - 1) : !is_name(text, len))
        return false;
    for (size_t i = 0; i + 1 < len; i++)
        if (text[i] == text[i + 1] && (text[i] == '-' || text[i] == '.'))
            return false; /* "--" stands for the slash in the cache */
    return len < 4 || memcmp(text + len - 4, ".git", 4) != 0;
}

bool sk_hf_is_commit(const char *text)
{
    return strlen(text) == SK_HF_COMMIT_HEX - 1 &&
           strspn(text, "0123456789abcdef") == SK_HF_COMMIT_HEX - 1;
}

bool sk_hf_is_safe_path(const char *path)
{
    for (const char *part = path;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 0 || len > 255 || (len == 1 && part[0] == '.') ||
            (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)part[i] < ' ' || part[i] == 0x7f || part[i] == '\\')
                return false;
        part += len;
        if (*part == '\0')
            return true;
    }
}

bool sk_hf_is_safe_etag(const char *etag)
{
    size_t len = strlen(etag);

    return len > 0 && len <= SK_HF_ETAG_MAX && etag[0] != '.' && !strchr(etag, '/') &&
           sk_hf_is_safe_path(etag);
}

int sk_hf_spec_parse(const char *text, struct sk_hf_spec *out, struct sk_err *err)
{
    SK_AUTO(sk_hf_spec_done) struct sk_hf_spec spec = { 0 };
    const char *repo = sk_starts_with(text, "hf:") ? text + 3 : text;
    size_t len = strcspn(repo, "@");
    const char *revision = repo[len] == '@' ? repo + len + 1 : "main";

    if (!is_repo(repo, len))
        return sk_fail(err, SK_INVALID,
                       "'%s' names no repository of the hub: hf:OWNER/NAME or "
                       "hf:OWNER/NAME@REVISION",
                       text);
    if (strlen(revision) > SK_HF_REVISION_MAX || !sk_hf_is_safe_path(revision))
        return sk_fail(err, SK_INVALID, "'%s': '%s' is no branch, tag or commit", text, revision);
    spec.repo = strndup(repo, len);
    spec.revision = strdup(revision);
    if (!spec.repo || !spec.revision)
        return sk_nomem(err);
    spec.is_commit = sk_hf_is_commit(revision);
    *out = spec;
    spec = (struct sk_hf_spec){ 0 };
    return 0;
}

void sk_hf_spec_done(struct sk_hf_spec *s)
{
    free(s->repo);
    free(s->revision);
    *s = (struct sk_hf_spec){ 0 };
}
