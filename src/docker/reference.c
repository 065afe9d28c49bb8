/*
 * reference.c - names of images as the Engine wants them, and the header with a registry's login.
 */
#include "docker/docker_priv.h"

#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

int sk_docker_split(const char *image, char *repository, char *tag, struct sk_err *err)
{
    const char *at = strchr(image, '@'), *slash = strrchr(image, '/');
    size_t len = at ? (size_t)(at - image) : strlen(image);
    const char *from = slash && (!at || slash < at) ? slash : image;
    const char *colon = memchr(from, ':', len - (size_t)(from - image));
    size_t name_len = colon ? (size_t)(colon - image) : len;

    for (const char *p = image; *p; p++)
        if (*p <= ' ' || *p > '~')
            return sk_fail(err, SK_INVALID, "'%s' is no name of an image", image);
    if (name_len == 0 || strlen(image) >= SK_DOCKER_NAME_MAX || (at && !at[1]) ||
        (colon && !at && !colon[1]))
        return sk_fail(err, SK_INVALID, "'%s' is no name of an image", image);
    (void)snprintf(repository, SK_DOCKER_NAME_MAX, "%.*s", (int)name_len, image);
    if (at)
        (void)snprintf(tag, SK_DOCKER_NAME_MAX, "%s", at + 1);
    else
        (void)snprintf(tag, SK_DOCKER_NAME_MAX, "%s", colon ? colon + 1 : "latest");
    return 0;
}

int sk_docker_auth_header(const struct sk_docker_auth *auth, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(16 << 10);
    bool has_user = auth && auth->username && auth->username[0];

    if (!has_user) {
        sk_buf_str(&json, "{}");
    } else {
        sk_buf_str(&json, "{\"username\":");
        sk_buf_json_str(&json, auth->username);
        sk_buf_str(&json, ",\"password\":");
        sk_buf_json_str(&json, auth->password ? auth->password : "");
        sk_buf_str(&json, ",\"serveraddress\":");
        sk_buf_json_str(&json, auth->address ? auth->address : "");
        sk_buf_str(&json, "}");
    }
    if (!sk_buf_ok(&json))
        return sk_buf_fail(&json, err);
    size_t before = out->len;
    sk_base64_url(out, json.data, json.len);
    while (sk_buf_ok(out) && (out->len - before) % 4) /* Go's URLEncoding wants the padding */
        sk_buf_chr(out, '=');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
