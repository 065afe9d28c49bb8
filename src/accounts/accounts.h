/*
 * accounts.h - who may do what at the hub: users, tokens, devices, roles, the audit log.
 *
 * A token is "skt_<id>_<secret>" (id 16 hex, secret 43 base64url characters of 32 random bytes);
 * the database holds the id and the SHA-256 of the secret. It is accepted as bearer, as the
 * password of Basic with any user name, and by X-API-Key. Devices and modules show a SAS token
 * (Basic: user is DEVICE or DEVICE/MODULE) or their certificate; shared access policies a SAS token
 * of their own. Comparisons take constant time.
 *
 * Failures are limited per peer address (IPv6: per /64): SK_AUTH_BURST at once, one more every
 * SK_AUTH_REFILL_MS; beyond, the answer is SK_BUSY, and SAS tokens, whose keys may be weak, are not
 * even looked at. A right token always passes: 32 random bytes are not guessed, and one client with
 * an old token must not lock out the others behind its address.
 *
 * Errors: SK_UNAUTHENTICATED (unknown, expired, revoked: one text for all), SK_DENIED (known, but
 * disabled, or the role or right does not reach: says which is needed). Threads: all may be shared.
 */
#ifndef SK_ACCOUNTS_ACCOUNTS_H
#define SK_ACCOUNTS_ACCOUNTS_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "db/db.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_AUTH_BURST = 20,
    SK_AUTH_REFILL_MS = 3000,
    SK_AUTH_PEERS = 1024, /* addresses that are remembered */
    SK_TOKEN_TEXT = 96,
    SK_USER_MAX = 127,       /* bytes of a user's name */
    SK_NOTE_MAX = 255,       /* of a token's note */
    SK_DEVICE_ID_MAX = 128,  /* as at IoT Hub */
    SK_DEVICE_PULLS = 1000,  /* repositories that a device may pull */
    SK_AUDIT_TEXT_MAX = 1000 /* of an object or a detail; the rest is cut */
};

/* Each may do all that those before it may, but deployer does not publish: see sk_role_allows. */
enum sk_role {
    SK_ROLE_NONE,
    SK_ROLE_READER,    /* list, download, pull */
    SK_ROLE_PUBLISHER, /* + register, tag, push, delete what is published */
    SK_ROLE_DEPLOYER,  /* reader + devices and deployments */
    SK_ROLE_OWNER      /* everything, tokens and users too */
};

const char *sk_role_name(enum sk_role role);
int sk_role_parse(const char *text, enum sk_role *out, struct sk_err *err) SK_CHECK;
bool sk_role_allows(enum sk_role has, enum sk_role needs);

/* What a shared access policy or a role gives at the device half of the hub. */
enum sk_right {
    SK_RIGHT_REGISTRY_READ = 1u << 0,  /* identities, configurations */
    SK_RIGHT_REGISTRY_WRITE = 1u << 1, /* change them */
    SK_RIGHT_SERVICE = 1u << 2,        /* twins, methods, queries, messages down, feedback */
    SK_RIGHT_TELEMETRY = 1u << 3,      /* read messages and events */
    SK_RIGHT_DEVICE = 1u << 4          /* speak as any device */
};

/* Who asks, for one request. */
struct sk_who {
    char name[132];    /* user or device; "" when unknown */
    char token_id[20]; /* "" when it was no token */
    char peer[64];     /* address and port */
    enum sk_role role; /* NONE for devices and policies */
    unsigned rights;   /* enum sk_right: those of the role, or of the policy */
    bool is_device;
    bool is_policy;    /* name is the policy's */
    char module[129];  /* of a device: the module that asks; "": the device itself */
    bool is_first_use; /* of this token: worth an sk_accounts_flush soon */
};

/* Who works on the hub's folder itself, an owner by that. */
void sk_who_local(struct sk_who *out);

struct sk_accounts;

int sk_accounts_new(struct sk_store *store, struct sk_accounts **out, struct sk_err *err) SK_CHECK;
void sk_accounts_free(struct sk_accounts *a);
SK_DEFINE_OWN(struct sk_accounts, sk_accounts_free);

/* What a request showed; unused fields are NULL. */
struct sk_credentials {
    const char *authorization; /* the header's value: Bearer, Basic or SharedAccessSignature */
    const char *api_key;       /* X-API-Key */
    const void *client_cert;   /* DER, of a finished handshake (possession is proven) */
    size_t client_cert_len;
    const char *peer;
    const char *const *hub_names; /* of SAS audiences, without port; NULL-terminated */
};

/* Reads the database at most once per token and 2 seconds: what another process revokes ends within
 * that. */
int sk_accounts_check(struct sk_accounts *a, const struct sk_credentials *c, struct sk_who *out,
                      struct sk_err *err) SK_CHECK;
/* Writes down when tokens were last used (they are collected in memory, so that a request costs no
 * write); sk_accounts_free does so too. */
int sk_accounts_flush(struct sk_accounts *a, struct sk_err *err) SK_CHECK;
/* SK_DENIED naming the role that is missing. */
int sk_who_need(const struct sk_who *who, enum sk_role role, struct sk_err *err) SK_CHECK;
/* Reader: REGISTRY_READ, TELEMETRY. Publisher: the same. Deployer and owner: all but DEVICE.
 * iothubowner: all; service: SERVICE, TELEMETRY; registryRead; registryReadWrite; device. */
unsigned sk_role_rights(enum sk_role role);
/* SK_DENIED naming the right that is missing. */
int sk_who_need_right(const struct sk_who *who, enum sk_right right, struct sk_err *err) SK_CHECK;
/* Whether a device, and so its modules, may pull a repository: those its current and last-good
 * deployment name. */
bool sk_accounts_device_may_pull(struct sk_accounts *a, const char *device, const char *repository);

/* ---- tokens and users (a user exists by having a token) ---- */
struct sk_token {
    char id[20], user[128], note[256];
    enum sk_role role;
    int64_t created_ms, expires_ms, revoked_ms, used_ms; /* 0: never */
};

/* secret receives the whole token, the only time it is seen; id (may be NULL) what names it. note
 * may be NULL; life_ms 0: for ever. Owners only. */
int sk_token_create(struct sk_accounts *a, const struct sk_who *who, const char *user,
                    enum sk_role role, const char *note, uint64_t life_ms,
                    char secret[SK_TOKEN_TEXT], char id[20], struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND; SK_EXISTS when it was revoked before. Revoking the last owner's token is SK_DENIED.
 * Owners, and a user's own tokens. */
int sk_token_revoke(struct sk_accounts *a, const struct sk_who *who, const char *id,
                    struct sk_err *err) SK_CHECK;
int sk_token_list(struct sk_accounts *a,
                  int (*each)(void *ctx, const struct sk_token *t, struct sk_err *err), void *ctx,
                  struct sk_err *err) SK_CHECK;

/* ---- devices ---- */
/* What a client shows when it connects as a device or module (MQTT CONNECT). */
struct sk_device_login {
    const char *host;            /* of the user name: a name of this hub */
    const char *device, *module; /* module "": the device itself */
    const char *sas;             /* the password; NULL or "": none, then the certificate counts */
    const void *cert;            /* DER; NULL: none */
    size_t cert_len;
    const char *peer;
    const char *const *hub_names; /* as above */
};

struct sk_device_pass {
    int64_t identity; /* row id */
    char generation[24];
    int64_t expires_s;     /* of the token (without the skew) or the certificate */
    char auth_method[128]; /* {"scope":"device","type":"sas","issuer":"iothub"}, the stamp of its
                              messages */
    bool is_edge;
};

/*
 * A token must be signed with a key of this identity (primary or secondary), or name the policy
 * `device` or `iothubowner`; its audience is HOST/devices/ID[/modules/ID], or HOST of a policy,
 * compared without case, the host with or without a port. A certificate must be the identity's by
 * thumbprint (selfSigned), or chain to a device CA and have the common name DEVICE or DEVICE/MODULE
 * (certificateAuthority). SK_UNAUTHENTICATED: wrong, unknown, or expired; SK_DENIED: the identity
 * (or its device) is disabled; SK_BUSY: too many failures from this address. Anything else is no
 * verdict: try again later. Costs one read of the database.
 */
int sk_accounts_check_device(struct sk_accounts *a, const struct sk_device_login *login,
                             struct sk_device_pass *out, struct sk_err *err) SK_CHECK;
/* The certificates (PEM) to which those of devices may chain; "" for none. Copied. SK_INVALID: one
 * of them is none, or no CA's; SK_LIMIT: more than 256 KiB. */
int sk_accounts_set_device_ca(struct sk_accounts *a, const char *pem, size_t len,
                              struct sk_err *err) SK_CHECK;
/* The repositories that a device may pull, replacing those before, within a transaction. SK_LIMIT:
 * more than SK_DEVICE_PULLS. */
int sk_device_pulls_set(struct sk_tx *tx, const char *device, const char *const *repositories,
                        size_t count, struct sk_err *err) SK_CHECK;

/* ---- devices, until the device commands take their place ---- */
/* Keys are base64, made when NULL; thumbprint: SHA-256 of its certificate in hex: then it comes in
 * by that alone; NULL for none. Replaces what was there. key_out: the key that holds now.
 * Deployers. */
int sk_device_put(struct sk_accounts *a, const struct sk_who *who, const char *id,
                  const char *primary_key, const char *thumbprint, char key_out[64],
                  struct sk_err *err) SK_CHECK;
/* The repositories it may pull, replacing those before. SK_NOT_FOUND: no such device. Deployers. */
int sk_device_allow(struct sk_accounts *a, const struct sk_who *who, const char *id,
                    const char *const *repositories, size_t count, struct sk_err *err) SK_CHECK;

/* ---- shared access policies ---- */
struct sk_policy {
    char name[32];
    char primary_key[64], secondary_key[64]; /* base64 */
    unsigned rights;
};

/* Makes the five of IoT Hub that are missing; at each start of the hub. */
int sk_policy_init(struct sk_accounts *a, struct sk_err *err) SK_CHECK;
/* Owners only. */
int sk_policy_list(struct sk_accounts *a, const struct sk_who *who,
                   int (*each)(void *ctx, const struct sk_policy *p, struct sk_err *err), void *ctx,
                   struct sk_err *err) SK_CHECK;
/* A new primary or secondary key. Owners only. */
int sk_policy_renew(struct sk_accounts *a, const struct sk_who *who, const char *name,
                    bool secondary, struct sk_policy *out, struct sk_err *err) SK_CHECK;

/* ---- audit: written in the transaction of the change, so both are there or none ---- */
/* action: "model.register", "image.push", "token.create"; object: what it was done to; detail: text
 * or NULL; who NULL: the hub itself. */
int sk_audit(struct sk_tx *tx, const struct sk_who *who, const char *action, const char *object,
             const char *detail, struct sk_err *err) SK_CHECK;

struct sk_audit_row {
    int64_t id, at_ms;
    const char *who, *token, *peer, *action, *object, *detail; /* token: its id, "" for none */
};

/* Newest first, those before `before_id` (0: all). */
int sk_audit_list(struct sk_accounts *a, int64_t before_id, unsigned max,
                  int (*each)(void *ctx, const struct sk_audit_row *row, struct sk_err *err),
                  void *ctx, struct sk_err *err) SK_CHECK;

/* {"id","user","role",...} and {"id","at",...}: what API and commands print. */
void sk_token_json(const struct sk_token *t, struct sk_buf *out);
void sk_audit_json(const struct sk_audit_row *row, struct sk_buf *out);

#endif
