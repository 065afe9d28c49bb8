/* devices_priv.h - what the files of devices share: the change, rows of identities, etags. */
#ifndef SK_DEVICES_DEVICES_PRIV_H
#define SK_DEVICES_DEVICES_PRIV_H

#include "devices/devices.h"

#include "base/thread.h"

enum {
    SK_DEVICES_NAME_MAX = 2 * SK_IOT_ID_MAX + 2, /* "device/module" with its NUL */
    SK_DEVICES_TEXT_MAX = 1 << 20,               /* of a patch or a section before it is merged */
    SK_DEVICES_SEEN_MAX = 100000,                /* connections that wait to be written */
    SK_DEVICES_SEEN_SLICE = 250,                 /* of them in one change, some ms */
    SK_FEEDBACK_MAX = 10000,
    SK_FEEDBACK_BATCH = 64,
    SK_FEEDBACK_LOCK_MS = 60000,
    SK_BULK_MAX = 100
};

static const int64_t sk_down_life_ms = 3600000;            /* when the sender says none */
static const int64_t sk_down_life_max_ms = 48 * 3600000LL; /* of feedback too */
static const char sk_scope_prefix[] = "ms-azure-iot-edge://";

/* An event that waits for the commit. Its texts follow it in one piece of memory. */
struct told {
    struct told *next;
    struct sk_device_event event;
};

/* A connection that came or went. */
struct seen {
    int64_t identity, at_ms;
    bool is_connected;
};

struct seen_list {
    struct seen *items;
    size_t count, cap;
};

struct sk_devices {
    struct sk_db *db;
    struct sk_db_writer *writer;
    void (*event)(void *ctx, const struct sk_device_event *e);
    void *ctx;
    /* Of the writer's thread: events of the open transaction, and the connections that it writes.
     */
    struct told *first, **end;
    struct seen_list writing;

    pthread_mutex_t mutex; /* guards all below */
    bool has_mutex;
    bool is_seen_pushed; /* a job will look at `seen` */
    bool is_seen_left;   /* `writing` has what the last job could not write */
    bool is_losing;      /* `seen` is full, which was logged */
    struct seen_list seen;
};

struct sk_change {
    struct sk_devices *d;
    struct sk_tx *tx;
};

/* As sk_devices_write and sk_devices_push, for what makes room: it works on a full disk too. */
int sk_devices_shrink(struct sk_devices *d,
                      int (*run)(struct sk_change *c, void *ctx, struct sk_err *err), void *ctx,
                      struct sk_err *err) SK_CHECK;
int sk_devices_push_shrink(struct sk_devices *d,
                           int (*run)(struct sk_change *c, void *ctx, struct sk_err *err),
                           void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                           struct sk_err *err) SK_CHECK;
/* Tells an event without a body. */
int sk_change_tell_of(struct sk_change *c, enum sk_device_event_kind kind,
                      const struct sk_identity *i, struct sk_err *err) SK_CHECK;

/* ---- etag.c ---- */
/* Whether a condition holds; SK_MISMATCH. */
int sk_etag_check(int64_t etag, const char *if_match, struct sk_err *err) SK_CHECK;

/* ---- identity.c ---- */
/* Columns of an identity `i` in the order that sk_identity_row reads them. */
#define SK_IDENTITY_COLUMNS                                                                        \
    "i.id, i.device, i.module, i.generation, i.etag, i.is_enabled, i.status_reason, i.status_ms, " \
    "i.is_edge, i.auth, i.primary_key, i.secondary_key, i.primary_thumbprint, "                    \
    "i.secondary_thumbprint, i.managed_by, i.scope, i.parent_scope, i.is_connected, "              \
    "i.connection_ms, i.activity_ms, i.created_ms, "                                               \
    "(SELECT count(*) FROM message_down m WHERE m.identity = i.id)"

enum {
    SK_IDENTITY_COLUMN_COUNT = 22
};

void sk_identity_row(struct sk_stmt *s, struct sk_identity *out);
/* NULL as ""; */
const char *sk_module_of(const char *module);
/* "DeviceNotFound: .." or "ModuleNotFound: ..", by which of the two is missing. */
int sk_identity_missing(struct sk_tx *tx, const char *device, const char *module,
                        struct sk_err *err) SK_CHECK;
/* The same of an identity that is known by its id only: it was there when its client connected. */
int sk_identity_gone(struct sk_err *err) SK_CHECK;
/* As sk_identity_find, SK_NOT_FOUND when there is none. */
int sk_identity_need(struct sk_tx *tx, const char *device, const char *module,
                     struct sk_identity *out, struct sk_err *err) SK_CHECK;
/* "device" or "device/module". */
void sk_identity_name(const char *device, const char *module, char out[SK_DEVICES_NAME_MAX]);
bool sk_module_is_system(const char *module);
const char *sk_identity_auth_name(enum sk_identity_auth auth);

/* ---- identity_spec.c ---- */
/* Brings what spec says into an identity that is there or, with etag 0, being made; checks it,
 * makes the keys that are missing. */
int sk_identity_apply(const struct sk_identity_spec *spec, struct sk_identity *i,
                      struct sk_err *err) SK_CHECK;

/* ---- identity_change.c: within a change ---- */
int sk_identity_create_in(struct sk_change *c, const struct sk_who *who,
                          const struct sk_identity_spec *spec, struct sk_identity *out,
                          struct sk_err *err) SK_CHECK;
int sk_identity_update_in(struct sk_change *c, const struct sk_who *who,
                          const struct sk_identity_spec *spec, const char *if_match,
                          struct sk_identity *out, struct sk_err *err) SK_CHECK;
int sk_identity_delete_in(struct sk_change *c, const struct sk_who *who, const char *device,
                          const char *module, const char *if_match, struct sk_err *err) SK_CHECK;
/* Whether who may; NULL is the hub itself, which may. */
int sk_who_may(const struct sk_who *who, enum sk_right right, struct sk_err *err) SK_CHECK;

/* ---- twin.c, twin_change.c ---- */
int sk_twin_read_id(struct sk_tx *tx, int64_t identity, struct sk_twin *out,
                    struct sk_err *err) SK_CHECK;
int sk_twin_change_in(struct sk_change *c, const struct sk_who *who, const char *device,
                      const char *module, const struct sk_json *change, bool replace,
                      const char *if_match, struct sk_err *err) SK_CHECK;

/* ---- feedback.c ---- */
/* What became of a message, for its sender when `ack` asks for it. */
int sk_feedback_add(struct sk_tx *tx, const char *ack, const char *description,
                    const char *message_id, const char *device, const char *generation,
                    struct sk_err *err) SK_CHECK;

/* ---- json texts, identity_json.c ---- */
/* ,"key":"2026-..": 0 is IoT Hub's "never". */
void sk_json_time(struct sk_buf *out, const char *key, int64_t ms);
/* ,"key":"text", null when it is empty. */
void sk_json_text_or_null(struct sk_buf *out, const char *key, const char *text);

#endif
