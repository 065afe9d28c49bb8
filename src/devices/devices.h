/*
 * devices.h - what the hub knows of devices and modules: identities, twins, sessions, messages on
 * their way down.
 *
 * All of it is in the store's database. Every change goes through one writer (db.h), which
 * runs many of them in one transaction and syncs once: a change is answered when it is on the disk,
 * and what it brings about (struct sk_device_event) is told in the order of the commits. Reads see
 * what is committed and never wait for the writer.
 *
 * An identity is named by device and module; module "" (or NULL) is the device itself. Ids are as
 * IoT Hub's: 1 to 128 characters of its set, case counts.
 *
 * etags: numbers, as text base64 of 8 bytes, big-endian ("AAAAAAAAAAE="). if_match NULL: no
 * condition; "*": it must exist; else the etag, with or without quotes: SK_MISMATCH otherwise.
 *
 * who NULL is the hub itself, which may everything.
 *
 * Errors: those of db.h; texts begin with IoT Hub's name and ": "; SK_NOT_FOUND, SK_EXISTS,
 * SK_MISMATCH (412), SK_INVALID, SK_LIMIT, SK_TOO_LARGE, SK_DENIED. Threads: all may be shared. The
 * functions without a done wait for the disk; those with one do not wait at all.
 */
#ifndef SK_DEVICES_DEVICES_H
#define SK_DEVICES_DEVICES_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "db/db.h"
#include "iot/iot.h"
#include "store/store.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_DEVICES_MODULES_MAX = 50, /* of a device, beside $edgeAgent and $edgeHub */
    SK_DEVICES_DOWN_MAX = 50,    /* messages that wait for one identity */
    SK_DEVICES_DELIVERIES_MAX = 10,
    SK_DEVICES_PAGE_MAX = 1000,
    SK_ETAG_TEXT = 16
};

struct sk_devices;

/* ---- events: on the writer's thread, in the order of commits ---- */
enum sk_device_event_kind {
    SK_EVENT_CREATED,
    SK_EVENT_DELETED,  /* its connection must end */
    SK_EVENT_CHANGED,  /* status, keys or thumbprints: its connection must prove itself again */
    SK_EVENT_DESIRED,  /* body: the patch with "$version" */
    SK_EVENT_REPORTED, /* body: the patch with "$version" */
    SK_EVENT_TAGS,     /* body: the new tags */
    SK_EVENT_DOWN      /* a message waits for it */
};

struct sk_device_event {
    enum sk_device_event_kind kind;
    int64_t identity; /* row id */
    const char *device, *module;
    const char *generation;
    int64_t version;
    struct sk_view body;
};

struct sk_devices_options {
    struct sk_store *store;
    struct sk_accounts *accounts;
    void (*event)(void *ctx, const struct sk_device_event *e); /* may be NULL; must not wait */
    void *ctx;
};

int sk_devices_new(const struct sk_devices_options *opts, struct sk_devices **out,
                   struct sk_err *err) SK_CHECK;
/* Ends what waits, then the writer. */
void sk_devices_free(struct sk_devices *d);
SK_DEFINE_OWN(struct sk_devices, sk_devices_free);
struct sk_db *sk_devices_db(struct sk_devices *d);

/* ---- changes of others (deploy): within the writer's transaction ---- */
/* A transaction and what is to be told when it is committed. */
struct sk_change;

struct sk_tx *sk_change_tx(struct sk_change *c);
/* Copies the event. */
int sk_change_tell(struct sk_change *c, const struct sk_device_event *e,
                   struct sk_err *err) SK_CHECK;
/* Runs in a transaction that others may share: -1 takes back what run did, and only that. Waits for
 * the disk; not from the writer's thread, which events and dones are called on. Others wait for it:
 * much work comes in pieces of some 5 ms (a hundred twins). */
int sk_devices_write(struct sk_devices *d,
                     int (*run)(struct sk_change *c, void *ctx, struct sk_err *err), void *ctx,
                     struct sk_err *err) SK_CHECK;
/* The same without waiting; done runs on the writer's thread. SK_BUSY: too many wait. */
int sk_devices_push(struct sk_devices *d,
                    int (*run)(struct sk_change *c, void *ctx, struct sk_err *err),
                    void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                    struct sk_err *err) SK_CHECK;

/* ---- identities ---- */
enum sk_identity_auth {
    SK_IDENTITY_SAS,
    SK_IDENTITY_SELF_SIGNED,
    SK_IDENTITY_CA,
    SK_IDENTITY_NONE
};

struct sk_identity {
    int64_t id; /* row; never used again */
    char device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    char generation[24];
    int64_t etag;
    bool is_enabled, is_edge, is_connected;
    char status_reason[129];
    enum sk_identity_auth auth;
    char primary_key[128], secondary_key[128];             /* base64 */
    char primary_thumbprint[65], secondary_thumbprint[65]; /* hex, SHA-1 or SHA-256 */
    char managed_by[SK_IOT_ID_MAX + 1];
    char scope[200], parent_scope[200];
    int64_t status_ms, connection_ms, activity_ms, created_ms;
    unsigned waiting; /* messages down */
};

/* What a create or update says; NULL and unset: made, kept, or the default. */
struct sk_identity_spec {
    const char *device, *module;
    const char *status; /* "enabled", "disabled" */
    const char *status_reason;
    const char *auth; /* "sas", "selfSigned", "certificateAuthority", "none" */
    const char *primary_key, *secondary_key; /* "" or NULL: made (create) or kept (update) */
    const char *primary_thumbprint, *secondary_thumbprint;
    const char *managed_by, *scope, *parent_scope;
    int is_edge; /* 1, 0; -1: unset */
};

/* From {"deviceId","status","authentication":{...},"capabilities":{...},...}; texts are borrowed
 * from the JSON. SK_INVALID with the member's name. */
int sk_identity_spec_read(const struct sk_json *json, struct sk_identity_spec *out,
                          struct sk_err *err) SK_CHECK;
/* An edge device comes with $edgeAgent and $edgeHub (auth none, managed by iotEdge). */
int sk_identity_create(struct sk_devices *d, const struct sk_who *who,
                       const struct sk_identity_spec *spec, struct sk_identity *out,
                       struct sk_err *err) SK_CHECK;
int sk_identity_update(struct sk_devices *d, const struct sk_who *who,
                       const struct sk_identity_spec *spec, const char *if_match,
                       struct sk_identity *out, struct sk_err *err) SK_CHECK;
/* A device goes with its modules. System modules are SK_DENIED. */
int sk_identity_delete(struct sk_devices *d, const struct sk_who *who, const char *device,
                       const char *module, const char *if_match, struct sk_err *err) SK_CHECK;
int sk_identity_get(struct sk_devices *d, const char *device, const char *module,
                    struct sk_identity *out, struct sk_err *err) SK_CHECK;
/* Within a change; 1: there, 0: not, -1. */
int sk_identity_find(struct sk_tx *tx, const char *device, const char *module,
                     struct sk_identity *out, struct sk_err *err) SK_CHECK;
/* A module that a deployment names, when it is missing: auth none, managed by "iotEdge". 1: made.
 */
int sk_identity_ensure_module(struct sk_change *c, const char *device, const char *module,
                              struct sk_err *err) SK_CHECK;
/* Devices with row ids above `after`, in that order. */
int sk_identity_list(struct sk_devices *d, int64_t after, unsigned max,
                     int (*each)(void *ctx, const struct sk_identity *i, struct sk_err *err),
                     void *ctx, struct sk_err *err) SK_CHECK;
int sk_identity_modules(struct sk_devices *d, const char *device,
                        int (*each)(void *ctx, const struct sk_identity *i, struct sk_err *err),
                        void *ctx, struct sk_err *err) SK_CHECK;
/* IoT Hub's Device, or Module when it has one. Keys only when with_keys. */
void sk_identity_json(const struct sk_identity *i, bool with_keys, struct sk_buf *out);
void sk_etag_text(int64_t etag, char out[SK_ETAG_TEXT]);

struct sk_device_counts {
    uint64_t devices, enabled, disabled, modules, connected;
};

int sk_devices_count(struct sk_devices *d, struct sk_device_counts *out,
                     struct sk_err *err) SK_CHECK;

/* POST /devices: an array of ExportImportDevice with importMode, each on its own; *out is
 * BulkRegistryOperationResult, *ok its isSuccessful. At most 100. */
int sk_identity_bulk(struct sk_devices *d, const struct sk_who *who, const struct sk_json *array,
                     struct sk_buf *out, bool *ok, struct sk_err *err) SK_CHECK;

/* ---- twins ---- */
struct sk_twin {
    struct sk_identity identity;
    int64_t etag, version;
    char *tags, *configurations; /* JSON */
    char *desired, *desired_meta, *reported, *reported_meta;
    int64_t desired_version, reported_version;
};

void sk_twin_done(struct sk_twin *t);
int sk_twin_get(struct sk_devices *d, const char *device, const char *module, struct sk_twin *out,
                struct sk_err *err) SK_CHECK;
/* What a device gets, by row id; SK_NOT_FOUND. For the path of a message: one read, no copies
 * beyond out. */
int sk_twin_device_get(struct sk_devices *d, int64_t identity, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK;
/* {"tags":..,"properties":{"desired":..}}: PATCH merges, PUT (replace) replaces both. out may be
 * NULL. */
int sk_twin_change(struct sk_devices *d, const struct sk_who *who, const char *device,
                   const char *module, const struct sk_json *change, bool replace,
                   const char *if_match, struct sk_twin *out, struct sk_err *err) SK_CHECK;
/* Within a change, for deployments: the whole desired section, and configurations (NULL: kept). A
 * section that is equal to what is there moves nothing and tells nothing. */
int sk_twin_set_desired(struct sk_change *c, const char *device, const char *module,
                        const struct sk_json *desired, const char *configurations,
                        struct sk_err *err) SK_CHECK;
/* A client's patch (JSON text, copied). done: version is the new one when failed is NULL. */
int sk_twin_report(struct sk_devices *d, int64_t identity, struct sk_view patch,
                   void (*done)(void *ctx, int64_t version, const struct sk_err *failed), void *ctx,
                   struct sk_err *err) SK_CHECK;
/* IoT Hub's Twin. */
void sk_twin_json(const struct sk_twin *t, struct sk_buf *out);

/* IoT Hub's query (iotql.h): a page of rows as a JSON array. continuation: NULL or what `next` was;
 * next is "" at the end. *item_type: "Twin" or "Raw". */
int sk_devices_query(struct sk_devices *d, const char *text, const char *continuation, unsigned max,
                     struct sk_buf *out, char next[32], const char **item_type,
                     struct sk_err *err) SK_CHECK;
/* How many rows it has. */
int sk_devices_query_count(struct sk_devices *d, const char *text, int64_t *out,
                           struct sk_err *err) SK_CHECK;

/* ---- sessions and connections ---- */
int sk_session_read(struct sk_devices *d, int64_t identity, unsigned *subs,
                    struct sk_err *err) SK_CHECK;
/* Adds and takes away subscriptions (enum sk_iot_sub). done as above; SK_NOT_FOUND: to add to who
 * is gone. Changes of an identity happen in the order of the calls. What only takes away works on a
 * disk that is full, too. */
int sk_session_change(struct sk_devices *d, int64_t identity, unsigned add, unsigned remove,
                      void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                      struct sk_err *err) SK_CHECK;
/* Written soon, and lost by a kill: the start calls all of them disconnected. */
void sk_identity_seen(struct sk_devices *d, int64_t identity, bool is_connected, int64_t at_ms);
/* Writes what could not be written (a full disk, say). The hub calls it every few seconds. */
void sk_identity_seen_again(struct sk_devices *d);

/* ---- messages down ---- */
struct sk_down {
    int64_t id;
    const char *input;      /* "": cloud-to-device */
    const char *message_id; /* "": none; feedback names it */
    const char *properties; /* a bag, as it goes on the wire */
    const char *ack;        /* none, positive, negative, full */
    int64_t expiry_ms;      /* since 1970, at most 48 hours ahead; 0: in an hour */
    struct sk_view body;
    unsigned deliveries;
};

/* Stores one. SK_LIMIT ("DeviceMaximumQueueDepthExceeded"): SK_DEVICES_DOWN_MAX wait. */
int sk_down_send(struct sk_devices *d, const struct sk_who *who, const char *device,
                 const char *module, const struct sk_down *m, int64_t *id,
                 struct sk_err *err) SK_CHECK;
/* Those of an identity with ids above `after`, not expired, in order; at most max. */
int sk_down_read(struct sk_devices *d, int64_t identity, int64_t after, unsigned max,
                 int (*each)(void *ctx, const struct sk_down *m, struct sk_err *err), void *ctx,
                 struct sk_err *err) SK_CHECK;
/* It was taken by the client: removed, positive feedback. Fire and forget. */
void sk_down_complete(struct sk_devices *d, int64_t identity, int64_t id);
/* Sent once more without an answer; at SK_DEVICES_DELIVERIES_MAX it is dropped with feedback. */
void sk_down_delivered(struct sk_devices *d, int64_t identity, int64_t id);
int sk_down_purge(struct sk_devices *d, const struct sk_who *who, const char *device,
                  uint64_t *removed, struct sk_err *err) SK_CHECK;
/* Removes what has expired, with feedback. The hub calls it every few seconds. */
int sk_down_expire(struct sk_devices *d, struct sk_err *err) SK_CHECK;

/* A batch of feedback records (JSON array) under a lock of a minute; SK_NOT_FOUND: none. */
int sk_feedback_take(struct sk_devices *d, struct sk_buf *out, char lock_token[40],
                     struct sk_err *err) SK_CHECK;
/* complete: it is done with; else it is given out again. SK_MISMATCH: the lock is lost. */
int sk_feedback_end(struct sk_devices *d, const char *lock_token, bool complete,
                    struct sk_err *err) SK_CHECK;

#endif
