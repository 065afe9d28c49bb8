/*
 * secrets.c - the device's key, and the keys of its modules.
 *
 *     secrets/device.key   base64, as the hub gave it; or device.pem and device-key.pem (x509)
 *     secrets/master.key   32 random bytes; all keys of modules are derived from it
 *
 * A module's key depends on its name only, so it is there before the hub knows the module: a
 * deployment that arrives just before the uplink goes starts its modules, and registers them later.
 * No key leaves this process; what others need is signed, sealed and opened here.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "iot/iot.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    KEY_BYTES = 512
};

static char *secret_path(const char *dir, const char *name)
{
    return sk_agent_path(dir, "secrets", name);
}

int sk_agent_secrets_make(const char *dir, const char *device_key, struct sk_err *err)
{
    unsigned char master[SK_AGENT_SECRET_BYTES];
    SK_OWN(free) char *folder = sk_agent_path(dir, "secrets", NULL);
    SK_OWN(free) char *path = secret_path(dir, "master.key");
    SK_OWN(free) char *device = secret_path(dir, "device.key");
    if (!folder || !path || !device)
        return sk_nomem(err);
    if (sk_mkdirs(folder, 0700, err) < 0 || sk_random(master, sizeof master, err) < 0)
        return -1;
    int rc = sk_file_write(path, master, sizeof master, 0600, err);
    explicit_bzero(master, sizeof master);
    if (rc < 0 || !device_key)
        return rc;
    return sk_file_write(device, device_key, strlen(device_key), 0600, err);
}

int sk_agent_secrets_load(const char *dir, struct sk_agent_secrets *out, struct sk_err *err)
{
    SK_OWN(free) char *path = secret_path(dir, "master.key");
    SK_OWN(free) char *device = secret_path(dir, "device.key");
    SK_OWN(free) char *bytes = NULL;
    SK_OWN(free) char *key = NULL;
    size_t len = 0;
    memset(out, 0, sizeof *out);
    if (!path || !device)
        return sk_nomem(err);
    if (sk_file_read(path, KEY_BYTES, &bytes, &len, err) < 0)
        return -1;
    if (len != sizeof out->master)
        return sk_fail(err, SK_CORRUPT, "'%s' has %zu bytes, not %zu: restore it from a copy", path,
                       len, sizeof out->master);
    memcpy(out->master, bytes, len);
    explicit_bzero(bytes, len);
    if (!sk_is_file(device))
        return 0;
    if (sk_file_read(device, sizeof out->device_key - 1, &key, &len, err) < 0)
        return -1;
    key[strcspn(key, "\r\n")] = '\0';
    (void)snprintf(out->device_key, sizeof out->device_key, "%s", key);
    explicit_bzero(key, len);
    return 0;
}

void sk_agent_secrets_done(struct sk_agent_secrets *s)
{
    explicit_bzero(s, sizeof *s);
}

int sk_agent_module_key(const struct sk_agent_secrets *s, const char *module, const char *which,
                        char out[64], struct sk_err *err)
{
    char label[SK_AGENT_NAME + 16];
    unsigned char digest[SK_SHA256_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(64);
    int n = snprintf(label, sizeof label, "%s:%s", module, which);
    if (n < 0 || (size_t)n >= sizeof label)
        return sk_fail(err, SK_LIMIT, "the module's name is too long");
    if (sk_hmac_sha256(s->master, sizeof s->master, label, (size_t)n, digest, err) < 0)
        return -1;
    sk_base64(&text, digest, sizeof digest);
    explicit_bzero(digest, sizeof digest);
    sk_buf_chr(&text, '\0');
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    memcpy(out, text.data, text.len);
    explicit_bzero(text.data, text.len);
    return 0;
}

/* The base64 key of a module, or of the device. */
static int key_of(const struct sk_agent_secrets *s, const char *module, char out[128],
                  struct sk_err *err)
{
    if (*module)
        return sk_agent_module_key(s, module, "primary", out, err);
    if (!*s->device_key)
        return sk_fail(err, SK_UNSUPPORTED, "the device has a certificate, not a key");
    (void)snprintf(out, 128, "%s", s->device_key);
    return 0;
}

int sk_agent_sign(const struct sk_agent_secrets *s, const char *module, struct sk_view data,
                  unsigned char out[SK_SHA256_BYTES], struct sk_err *err)
{
    char key[128];
    SK_AUTO(sk_buf_done) struct sk_buf raw = SK_BUF_INIT(128);
    if (key_of(s, module, key, err) < 0 || sk_base64_decode(key, strlen(key), &raw, err) < 0)
        return -1;
    int rc = sk_hmac_sha256(raw.data, raw.len, data.ptr, data.len, out, err);
    explicit_bzero(key, sizeof key);
    explicit_bzero(raw.data, raw.len);
    return rc;
}

/* The key of module and generation, and a nonce of the caller's vector. The same vector for two
 * texts would be the caller's fault, as with the reference. */
static int seal_key(const struct sk_agent_secrets *s, const char *module, const char *generation,
                    struct sk_view iv, unsigned char key[SK_SEAL_KEY],
                    unsigned char nonce[SK_SEAL_NONCE], struct sk_err *err)
{
    char label[2 * SK_AGENT_NAME + 16];
    unsigned char digest[SK_SHA256_BYTES];
    int n = snprintf(label, sizeof label, "%s:%s:seal", module, generation);
    if (n < 0 || (size_t)n >= sizeof label)
        return sk_fail(err, SK_LIMIT, "module and generation are too long");
    if (sk_hmac_sha256(s->master, sizeof s->master, label, (size_t)n, key, err) < 0 ||
        sk_hmac_sha256(key, SK_SEAL_KEY, iv.ptr ? iv.ptr : "", iv.len, digest, err) < 0)
        return -1;
    memcpy(nonce, digest, SK_SEAL_NONCE);
    return 0;
}

int sk_agent_seal(const struct sk_agent_secrets *s, const char *module, const char *generation,
                  struct sk_view iv, struct sk_view plain, struct sk_buf *out, struct sk_err *err)
{
    unsigned char key[SK_SEAL_KEY], nonce[SK_SEAL_NONCE];
    if (seal_key(s, module, generation, iv, key, nonce, err) < 0)
        return -1;
    int rc = sk_seal(key, nonce, sk_view_of(module), plain, out, err);
    explicit_bzero(key, sizeof key);
    return rc;
}

int sk_agent_unseal(const struct sk_agent_secrets *s, const char *module, const char *generation,
                    struct sk_view iv, struct sk_view sealed, struct sk_buf *out,
                    struct sk_err *err)
{
    unsigned char key[SK_SEAL_KEY], nonce[SK_SEAL_NONCE];
    if (seal_key(s, module, generation, iv, key, nonce, err) < 0)
        return -1;
    int rc = sk_unseal(key, nonce, sk_view_of(module), sealed, out, err);
    explicit_bzero(key, sizeof key);
    return rc;
}

int sk_agent_token(const struct sk_agent_secrets *s, const struct sk_agent_config *c,
                   const char *module, unsigned life_s, struct sk_buf *out, struct sk_err *err)
{
    char key[128], resource[2 * SK_AGENT_NAME + 300];
    if (key_of(s, module, key, err) < 0)
        return -1;
    if (*module)
        (void)snprintf(resource, sizeof resource, "%s/devices/%s/modules/%s", c->hub_name,
                       c->device, module);
    else
        (void)snprintf(resource, sizeof resource, "%s/devices/%s", c->hub_name, c->device);
    int rc = sk_iot_sas_make(resource, key, NULL, (int64_t)time(NULL) + life_s, out, err);
    explicit_bzero(key, sizeof key);
    return rc;
}
