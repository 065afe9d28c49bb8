/*
 * accounts_priv.h - what the files of this module share: the limiter of failures, the memory of
 * tokens, SAS tokens, identities as far as a login needs them.
 */
#ifndef SK_ACCOUNTS_ACCOUNTS_PRIV_H
#define SK_ACCOUNTS_ACCOUNTS_PRIV_H

#include "accounts/accounts.h"
#include "base/thread.h"
#include "crypto/crypto.h"
#include "iot/iot.h"

enum {
    SK_TOKEN_ID_LEN = 16,
    SK_TOKEN_SECRET_LEN = 43,
    SK_LIMITER_WAYS = 8,
    SK_CACHE_BUCKETS = 256,
    SK_CACHE_MAX = 16384,     /* tokens remembered; more are looked up each time */
    SK_CACHE_FRESH_MS = 2000, /* how long what was read holds */
    SK_CACHE_KEEP_MS = 600000,
    SK_SAS_TEXT_MAX = 4096,
    SK_SAS_SKEW_S = 300,
    SK_DEVICE_KEY_BYTES = 32,
    SK_DEVICE_CA_BYTES = 262144, /* of the certificates to which those of devices may chain */
    SK_POLICY_NAME = 65
};

/* The end of the year 9999: what is later overflows somewhere. */
#define SK_SAS_EXPIRES_MAX_S 253402300799

/* ---- limiter.c: failures per peer address ---- */
struct sk_limiter_slot {
    unsigned char peer[16];
    uint64_t paid_ms; /* when every failure so far is paid off; 0: an empty slot */
};

/* Times are monotonic ms. */
struct sk_limiter {
    uint64_t seed;
    struct sk_limiter_slot slots[SK_AUTH_PEERS];
};

/* "192.0.2.1:5000" and "[2001:db8::1]:5000" as what is counted. */
void sk_limiter_key(const char *peer, unsigned char out[16]);
/* Seconds to wait, 0: none. */
unsigned sk_limiter_wait(const struct sk_limiter *l, const char *peer, uint64_t now_ms);
/* A failure: 0 and counted, or, when there were too many, the seconds to wait and not counted. */
unsigned sk_limiter_fail(struct sk_limiter *l, const char *peer, uint64_t now_ms);

/* ---- cache.c: tokens as last read ---- */
struct sk_token_row {
    struct sk_token token;
    char secret_sha256[SK_SHA256_HEX];
};

struct sk_token_entry {
    struct sk_token_entry *next;
    struct sk_token_row row;
    uint64_t read_ms, asked_ms; /* monotonic */
    bool is_dirty;              /* used_ms is newer than the database */
};

struct sk_token_cache {
    struct sk_token_entry *buckets[SK_CACHE_BUCKETS];
    size_t count;
};

/* NULL: unknown, or read too long ago. */
struct sk_token_entry *sk_cache_find(struct sk_token_cache *c, const char *id, uint64_t now_ms);
/* Keeps what was read; without memory or room nothing is kept. */
void sk_cache_put(struct sk_token_cache *c, const struct sk_token_row *row, uint64_t now_ms);
void sk_cache_used(struct sk_token_cache *c, const char *id, int64_t wall_ms);
/* As far as it is remembered, 0: it is not. */
int64_t sk_cache_last_use(struct sk_token_cache *c, const char *id);
void sk_cache_forget(struct sk_token_cache *c, const char *id);
/* Drops what nobody asked for lately and is written down. */
void sk_cache_sweep(struct sk_token_cache *c, uint64_t now_ms);
void sk_cache_done(struct sk_token_cache *c);

struct sk_accounts {
    struct sk_store *store;
    struct sk_db *db;
    pthread_mutex_t lock; /* guards what follows */
    struct sk_limiter limiter;
    struct sk_token_cache cache;
    struct sk_buf device_ca; /* PEM; empty: none */
};

/* ---- tokens.c ---- */
/* A token's text into its id and its secret; false: it is none. */
bool sk_token_split(const char *text, size_t len, char id[20], struct sk_view *secret);
/* 1: found, 0: not, -1. */
int sk_token_read(struct sk_tx *tx, const char *id, struct sk_token_row *out,
                  struct sk_err *err) SK_CHECK;

/* ---- check.c ---- */
/* SK_BUSY when there were too many failures from this address. */
int sk_accounts_may_try(struct sk_accounts *a, const char *peer, struct sk_err *err) SK_CHECK;
/* Counts the failure: -1 with SK_UNAUTHENTICATED, or SK_BUSY when there were too many. */
int sk_accounts_failed(struct sk_accounts *a, const char *peer, struct sk_err *err);
/* -1 with the one text of SK_UNAUTHENTICATED. */
int sk_accounts_refuse(struct sk_err *err);

/* ---- sas.c: "SharedAccessSignature sr=...&sig=...&se=..." ---- */
struct sk_sas {
    char host[256];
    char device[SK_DEVICE_ID_MAX + 1]; /* "": of the whole hub, then there is a policy */
    char module[SK_DEVICE_ID_MAX + 1]; /* "": of the device itself */
    char policy[SK_POLICY_NAME];       /* whose key signed; "": the identity's */
    struct sk_view signed_sr;          /* as it came: borrowed */
    unsigned char signature[SK_SHA256_BYTES];
    int64_t expires_s;
};

/* SK_INVALID: malformed. */
int sk_sas_parse(const char *text, struct sk_sas *out, struct sk_err *err) SK_CHECK;
/* Whether the signature is of this key (base64; "" or broken: never). Always the same work. */
int sk_sas_signed_by(const struct sk_sas *s, const char *key, bool *out,
                     struct sk_err *err) SK_CHECK;
/* With or without a port, in any case. */
bool sk_host_is_ours(const char *host, const char *const *names);

/* ---- login.c: identities and what proves them ---- */
enum sk_login_auth {
    SK_LOGIN_NONE, /* can never log in */
    SK_LOGIN_SAS,
    SK_LOGIN_SELF_SIGNED,
    SK_LOGIN_CA
};

struct sk_login_row {
    int64_t id;
    char device[SK_DEVICE_ID_MAX + 1], module[SK_DEVICE_ID_MAX + 1];
    char generation[24];
    enum sk_login_auth auth;
    char primary_key[128], secondary_key[128];
    char primary_thumbprint[SK_SHA256_HEX], secondary_thumbprint[SK_SHA256_HEX];
    bool is_enabled; /* and so is its device */
    bool is_edge;
};

/* Who came in. */
struct sk_login {
    struct sk_login_row identity; /* device "": nobody, but the policy itself */
    char policy[SK_POLICY_NAME];  /* that signed; "": none */
    unsigned rights;              /* of the policy */
    int64_t expires_s;
    bool is_cert;
};

/* 1: found, 0: not, -1. is_exact false: in any case of letters, the exact one first. */
int sk_login_read(struct sk_tx *tx, const char *device, const char *module, bool is_exact,
                  struct sk_login_row *out, struct sk_err *err) SK_CHECK;
/* device NULL: whom the token, or the certificate, names. SK_UNAUTHENTICATED: not counted yet;
 * SK_DENIED: right, but disabled. */
int sk_login_by_sas(struct sk_accounts *a, const char *text, const char *device, const char *module,
                    const char *const *hub_names, struct sk_login *out,
                    struct sk_err *err) SK_CHECK;
int sk_login_by_cert(struct sk_accounts *a, const void *der, size_t len, const char *device,
                     const char *module, struct sk_login *out, struct sk_err *err) SK_CHECK;

/* ---- policies.c ---- */
/* 1: found, 0: not, -1. */
int sk_policy_read(struct sk_tx *tx, const char *name, struct sk_policy *out,
                   struct sk_err *err) SK_CHECK;

/* ---- devices.c ---- */
bool sk_device_id_valid(const char *id);
/* 32 random bytes in base64. */
int sk_device_make_key(char out[64], struct sk_err *err) SK_CHECK;

/* Text of at most max bytes (and at least one) without control characters; errors name `what`. */
int sk_accounts_text(const char *what, const char *text, size_t max, struct sk_err *err) SK_CHECK;

#endif
