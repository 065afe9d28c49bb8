/*
 * identity_spec.c - what a create or an update says: read from JSON, checked, and brought into an
 * identity.
 *
 * What is not said is kept, or is the default of a new identity: enabled, SAS with two new keys. A
 * change to another kind of authentication drops what belonged to the one before.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY_BYTES = 32, /* of one that is made */
    KEY_MIN = 16,   /* of one that is given, as at IoT Hub */
    KEY_MAX = 64,
    SHA1_HEX = 40
};

/* ---- JSON ---- */

static int read_authentication(const struct sk_json *json, struct sk_identity_spec *out,
                               struct sk_err *err)
{
    const struct sk_json *auth = NULL, *keys = NULL, *prints = NULL;
    if (sk_json_want_object(json, "authentication", &auth, err) < 0)
        return -1;
    if (!auth)
        return 0;
    if (sk_json_want_text(auth, "type", &out->auth, err) < 0 ||
        sk_json_want_object(auth, "symmetricKey", &keys, err) < 0 ||
        sk_json_want_object(auth, "x509Thumbprint", &prints, err) < 0 ||
        (keys && (sk_json_want_text(keys, "primaryKey", &out->primary_key, err) < 0 ||
                  sk_json_want_text(keys, "secondaryKey", &out->secondary_key, err) < 0)) ||
        (prints &&
         (sk_json_want_text(prints, "primaryThumbprint", &out->primary_thumbprint, err) < 0 ||
          sk_json_want_text(prints, "secondaryThumbprint", &out->secondary_thumbprint, err) < 0)))
        return sk_wrap(err, "authentication");
    return 0;
}

static int read_parent(const struct sk_json *json, struct sk_identity_spec *out, struct sk_err *err)
{
    const struct sk_json *parents = NULL;
    if (sk_json_want_array(json, "parentScopes", &parents, err) < 0)
        return -1;
    if (!parents || sk_json_count(parents) == 0)
        return 0;
    out->parent_scope = sk_json_text(sk_json_at(parents, 0), NULL);
    if (!out->parent_scope || sk_json_count(parents) > 1)
        return sk_fail(err, SK_INVALID, "'parentScopes': expected one text at most");
    return 0;
}

static int read_spec(const struct sk_json *json, struct sk_identity_spec *out, struct sk_err *err)
{
    const struct sk_json *capabilities = NULL;
    bool is_edge = false;
    if (sk_json_type(json) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "an identity is an object");
    if (sk_json_want_text(json, "deviceId", &out->device, err) < 0 ||
        sk_json_want_text(json, "moduleId", &out->module, err) < 0 ||
        sk_json_want_text(json, "status", &out->status, err) < 0 ||
        sk_json_want_text(json, "statusReason", &out->status_reason, err) < 0 ||
        sk_json_want_text(json, "managedBy", &out->managed_by, err) < 0 ||
        sk_json_want_text(json, "deviceScope", &out->scope, err) < 0 ||
        read_parent(json, out, err) < 0 || read_authentication(json, out, err) < 0 ||
        sk_json_want_object(json, "capabilities", &capabilities, err) < 0)
        return -1;
    if (!capabilities || !sk_json_get(capabilities, "iotEdge"))
        return 0;
    if (sk_json_want_bool(capabilities, "iotEdge", &is_edge, err) < 0)
        return sk_wrap(err, "capabilities");
    out->is_edge = is_edge;
    return 0;
}

int sk_identity_spec_read(const struct sk_json *json, struct sk_identity_spec *out,
                          struct sk_err *err)
{
    struct sk_identity_spec spec = { .is_edge = -1 };
    if (read_spec(json, &spec, err) < 0)
        return sk_wrap(err, "ArgumentInvalid");
    *out = spec;
    return 0;
}

/* ---- checks ---- */

static int invalid(struct sk_err *err, const char *what, const char *value, const char *expected)
{
    return sk_fail(err, SK_INVALID, "ArgumentInvalid: %s '%.140s' is not %s", what, value,
                   expected);
}

static bool has_text(const char *text)
{
    return text && text[0];
}

static int make_key(char *out, size_t cap, struct sk_err *err)
{
    unsigned char bytes[KEY_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(cap - 1);
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    sk_base64(&text, bytes, sizeof bytes);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    memcpy(out, text.data, text.len + 1);
    return 0;
}

/* Given, kept, or made. */
static int set_key(const char *what, const char *given, char *out, size_t cap, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(KEY_MAX + 3);
    struct sk_err why = SK_ERR_INIT;
    if (!has_text(given))
        return out[0] ? 0 : make_key(out, cap, err);
    size_t len = strlen(given);
    bool is_read = len < cap && len % 4 == 0 && sk_base64_decode(given, len, &bytes, &why) == 0;
    if (why.code == SK_NOMEM)
        return sk_nomem(err);
    if (!is_read || bytes.len < KEY_MIN || bytes.len > KEY_MAX)
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: %s is not base64 of %d to %d bytes", what,
                       KEY_MIN, KEY_MAX);
    memcpy(out, given, len + 1);
    return 0;
}

/* Hex of any case, with or without ':', as lower-case hex. "" removes. */
static int set_thumbprint(const char *what, const char *given, char *out, struct sk_err *err)
{
    char text[SK_SHA256_HEX];
    size_t used = 0;
    if (!given)
        return 0;
    for (const char *p = given; *p; p++) {
        if (*p == ':')
            continue;
        if (!isxdigit((unsigned char)*p) || used == SK_SHA256_HEX - 1)
            return invalid(err, what, given, "a SHA-1 or SHA-256 in hex");
        text[used++] = (char)tolower((unsigned char)*p);
    }
    if (used != 0 && used != SHA1_HEX && used != SK_SHA256_HEX - 1)
        return invalid(err, what, given, "a SHA-1 or SHA-256 in hex");
    text[used] = '\0';
    memcpy(out, text, used + 1);
    return 0;
}

static int find_auth(const struct sk_identity_spec *spec, bool is_new, enum sk_identity_auth *out,
                     struct sk_err *err)
{
    if (!spec->auth) {
        /* Older clients leave the type out. */
        if (has_text(spec->primary_thumbprint))
            *out = SK_IDENTITY_SELF_SIGNED;
        else if (is_new || has_text(spec->primary_key))
            *out = SK_IDENTITY_SAS;
        return 0;
    }
    for (unsigned i = 0; i <= SK_IDENTITY_NONE; i++) {
        if (strcmp(spec->auth, sk_identity_auth_name((enum sk_identity_auth)i)) == 0) {
            *out = (enum sk_identity_auth)i;
            return 0;
        }
    }
    return invalid(err, "authentication.type", spec->auth,
                   "sas, selfSigned, certificateAuthority or none");
}

static int apply_auth(const struct sk_identity_spec *spec, struct sk_identity *i,
                      struct sk_err *err)
{
    if (find_auth(spec, i->etag == 0, &i->auth, err) < 0)
        return -1;
    if (i->auth == SK_IDENTITY_SAS) {
        if (set_key("primaryKey", spec->primary_key, i->primary_key, sizeof i->primary_key, err) <
                0 ||
            set_key("secondaryKey", spec->secondary_key, i->secondary_key, sizeof i->secondary_key,
                    err) < 0)
            return -1;
    } else {
        i->primary_key[0] = i->secondary_key[0] = '\0';
    }
    if (i->auth != SK_IDENTITY_SELF_SIGNED) {
        i->primary_thumbprint[0] = i->secondary_thumbprint[0] = '\0';
        return 0;
    }
    if (set_thumbprint("primaryThumbprint", spec->primary_thumbprint, i->primary_thumbprint, err) <
            0 ||
        set_thumbprint("secondaryThumbprint", spec->secondary_thumbprint, i->secondary_thumbprint,
                       err) < 0)
        return -1;
    if (!i->primary_thumbprint[0])
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: selfSigned needs a primaryThumbprint");
    return 0;
}

static int apply_status(const struct sk_identity_spec *spec, struct sk_identity *i,
                        struct sk_err *err)
{
    bool is_enabled = i->is_enabled;
    if (spec->status) {
        is_enabled = strcmp(spec->status, "enabled") == 0;
        if (!is_enabled && strcmp(spec->status, "disabled") != 0)
            return invalid(err, "status", spec->status, "enabled or disabled");
    }
    if (spec->status_reason) {
        if (strlen(spec->status_reason) >= sizeof i->status_reason)
            return sk_fail(err, SK_INVALID, "ArgumentInvalid: statusReason has over %zu bytes",
                           sizeof i->status_reason - 1);
        (void)snprintf(i->status_reason, sizeof i->status_reason, "%s", spec->status_reason);
    }
    if (is_enabled != i->is_enabled)
        i->status_ms = (int64_t)sk_wall_ms();
    i->is_enabled = is_enabled;
    return 0;
}

static int set_scope(const char *what, const char *given, char *out, size_t cap, struct sk_err *err)
{
    if (given[0] && (!sk_starts_with(given, sk_scope_prefix) || strlen(given) >= cap))
        return invalid(err, what, given, "ms-azure-iot-edge://DEVICE-GENERATION");
    (void)snprintf(out, cap, "%s", given);
    return 0;
}

/* An edge device has a scope of its own, and a parent's; a leaf is in its parent's. */
static int apply_scope(const struct sk_identity_spec *spec, struct sk_identity *i,
                       struct sk_err *err)
{
    const char *parent = spec->parent_scope;
    if (i->module[0])
        return 0;
    if (!parent && !i->is_edge)
        parent = spec->scope;
    if (parent &&
        set_scope("parentScopes", parent, i->parent_scope, sizeof i->parent_scope, err) < 0)
        return -1;
    if (i->is_edge)
        (void)snprintf(i->scope, sizeof i->scope, "%s%s-%s", sk_scope_prefix, i->device,
                       i->generation);
    else if (spec->scope || spec->parent_scope)
        (void)snprintf(i->scope, sizeof i->scope, "%s", i->parent_scope);
    return 0;
}

int sk_identity_apply(const struct sk_identity_spec *spec, struct sk_identity *i,
                      struct sk_err *err)
{
    if (spec->is_edge == 1 && i->module[0])
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: a module is no edge device");
    if (spec->is_edge == 0 && i->is_edge)
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: '%.128s' cannot stop being an edge device", i->device);
    if (spec->is_edge == 1)
        i->is_edge = true;
    if (spec->managed_by && i->module[0]) {
        if (strlen(spec->managed_by) >= sizeof i->managed_by)
            return sk_fail(err, SK_INVALID, "ArgumentInvalid: managedBy has over %d bytes",
                           SK_IOT_ID_MAX);
        (void)snprintf(i->managed_by, sizeof i->managed_by, "%s", spec->managed_by);
    }
    if (apply_status(spec, i, err) < 0 || apply_auth(spec, i, err) < 0)
        return -1;
    return apply_scope(spec, i, err);
}
