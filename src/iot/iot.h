/*
 * iot.h - what IoT Hub and IoT Edge mean by MQTT topics, property bags and twins; pure functions,
 * shared by the hub and the edge.
 *
 * References: the IoT Hub developer guide ("Communicate with your IoT hub using the MQTT protocol",
 * "Understand and use device twins") and what the official SDKs send and expect.
 */
#ifndef SK_IOT_IOT_H
#define SK_IOT_IOT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/crypto.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_IOT_ID_MAX = 128,
    SK_IOT_KEY_MAX = 2 * SK_IOT_ID_MAX + 2, /* "device" or "device/module" and NUL */
    SK_IOT_MESSAGE_MAX = 262144, /* body, system property values, application names and values */
    SK_IOT_C2D_MAX = 65536,
    SK_IOT_BAG_MAX = 65535,
    SK_IOT_PROPERTIES_MAX = 200,
    SK_IOT_METHOD_NAME_MAX = 100,
    SK_IOT_METHOD_PAYLOAD_MAX = 128 << 10,
    SK_TWIN_SECTION_MAX = 32768, /* bytes of desired, and of reported; tags: 8192 */
    SK_TWIN_TAGS_MAX = 8192,
    SK_TWIN_DEPTH_MAX = 10,
    SK_TWIN_KEY_MAX = 1024,
    SK_TWIN_TEXT_MAX = 4096,
    SK_TWIN_PATCH_MAX = 262144 /* bytes of the text that a subscriber is sent */
};

/* 1 to 128 of letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '  ; devices and modules. */
bool sk_iot_id_valid(struct sk_view id);

/* ---- CONNECT (reference: edgeHub's MqttUsernameParser) ---- */
/* host/device[/module]/[?]api-version=..&...: split at '/', ids raw, values percent-decoded, first
 * of duplicates wins, unknown keys ignored, api-version must be there. */
struct sk_iot_username {
    char host[256];
    char device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1]; /* module "": a device */
    char api_version[32], product[256], model_id[256];         /* product: DeviceClientType */
    char auth_chain[512];
};

/* SK_INVALID, SK_LIMIT. A product that is too long is cut: it is only shown. */
int sk_iot_username_parse(struct sk_view text, struct sk_iot_username *out,
                          struct sk_err *err) SK_CHECK;

/* ---- topics ---- */
enum sk_iot_topic_kind {
    SK_TOPIC_NONE,            /* nothing a client may publish */
    SK_TOPIC_EVENTS,          /* devices/{d}[/modules/{m}]/messages/events[/bag][/] */
    SK_TOPIC_METHOD_RESPONSE, /* $iothub/methods/res/{status}/?$rid={rid} */
    SK_TOPIC_TWIN_GET,        /* $iothub/twin/GET/?$rid={rid} */
    SK_TOPIC_TWIN_REPORTED    /* $iothub/twin/PATCH/properties/reported/?$rid={rid} */
};

struct sk_iot_topic {
    enum sk_iot_topic_kind kind;
    struct sk_view device, module; /* of EVENTS, as they stand there */
    struct sk_view bag;            /* of EVENTS, raw, without the slashes around it */
    struct sk_view rid;            /* raw; "" when it has none */
    int status;                    /* of METHOD_RESPONSE */
};

/* Of a publish by a client. A topic that is none of these gives SK_TOPIC_NONE. */
struct sk_iot_topic sk_iot_topic_parse(struct sk_view topic);

/* What a subscription asks for; a client's subscriptions are a set of these. */
enum sk_iot_sub {
    SK_SUB_NONE = 0,
    SK_SUB_C2D = 1u << 0,            /* devices/{d}/messages/devicebound/# */
    SK_SUB_INPUTS = 1u << 1,         /* devices/{d}/modules/{m}/inputs/#, and .../{m}/# */
    SK_SUB_METHODS = 1u << 2,        /* $iothub/methods/POST/# */
    SK_SUB_TWIN_RESPONSES = 1u << 3, /* $iothub/twin/res/# */
    SK_SUB_TWIN_DESIRED = 1u << 4    /* $iothub/twin/PATCH/properties/desired/# */
};

/* module "" for a device. What belongs to another identity is SK_SUB_NONE. */
enum sk_iot_sub sk_iot_filter_parse(struct sk_view filter, const char *device, const char *module);

/* Topics that the hub publishes; each appends to out. Names and values are percent-encoded, the
 * dollar of system properties too ("%24."). */
void sk_iot_topic_method(struct sk_buf *out, const char *method, const char *rid);
void sk_iot_topic_twin_response(struct sk_buf *out, int status, struct sk_view rid,
                                int64_t version); /* version < 0: none */
void sk_iot_topic_desired(struct sk_buf *out, int64_t version);
/* These end with '/'; a bag may follow. Ids stand there as they are. */
void sk_iot_topic_c2d(struct sk_buf *out, const char *device);
void sk_iot_topic_input(struct sk_buf *out, const char *device, const char *module,
                        const char *input);

/* ---- messages and their property bags ---- */
/* "a=b&%24.ct=text" percent-decoded; "+" stays; a name without '=' has has_value false. Order is
 * kept; of duplicates the last wins, in the place of the first. A NUL stands behind each name and
 * value, so ptr is a C string. */
struct sk_iot_property {
    struct sk_view name, value;
    bool has_value;
};

struct sk_iot_bag {
    struct sk_iot_property items[SK_IOT_PROPERTIES_MAX];
    size_t count;
    struct sk_buf text; /* what the views point into */
};

/* SK_INVALID: a broken escape, bytes that are no UTF-8, a NUL, an empty name; SK_LIMIT: more than
 * SK_IOT_BAG_MAX bytes or SK_IOT_PROPERTIES_MAX pairs, duplicates counted. out is emptied
 * first; it must have been zeroed or used before, and ends with sk_iot_bag_done. */
int sk_iot_bag_parse(struct sk_view raw, struct sk_iot_bag *out, struct sk_err *err) SK_CHECK;
void sk_iot_bag_done(struct sk_iot_bag *bag);
const struct sk_iot_property *sk_iot_bag_find(const struct sk_iot_bag *bag, const char *name);
/* Whether a client may not set it: the stamps that the hub adds (iothub-connection-device-id, ...).
 */
bool sk_iot_property_is_stamp(struct sk_view name);

/* The row of a system property by its name on the wire ("$.ct"), or NULL. */
struct sk_iot_system {
    const char *wire; /* "$.ct" */
    const char *name; /* of REST, JSON and exports: "content-type" */
};

const struct sk_iot_system *sk_iot_system_by_wire(struct sk_view wire);
const struct sk_iot_system *sk_iot_system_by_name(struct sk_view name);
/* Appends "name=value" to a bag under construction, '&' first when it is not the first. value NULL:
 * the name alone. */
void sk_iot_bag_add(struct sk_buf *out, bool *is_first, const char *name, const char *value);
/* What counts against SK_IOT_MESSAGE_MAX: the body, values of system properties ("$." and those of
 * the table), names and values of the others. */
size_t sk_iot_message_size(size_t body, const struct sk_iot_bag *bag);

/* ---- SAS tokens: text only, see accounts for who may ---- */
/* "SharedAccessSignature sr=..&sig=..&se=..[&skn=..]" over resource (not encoded yet) with a base64
 * key, valid until expires_s; policy may be NULL or "". Appends. SK_INVALID: not base64. */
int sk_iot_sas_make(const char *resource, const char *key, const char *policy, int64_t expires_s,
                    struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* The text of a token that is signed already: sr as it was signed, and as base64 the signature.
 * Appends. */
void sk_iot_sas_write(struct sk_view sr, const unsigned char signature[SK_SHA256_BYTES],
                      int64_t expires_s, struct sk_buf *out);

struct sk_iot_sas {
    struct sk_view sr, se; /* as they stand there: what is signed is "sr\nse" */
    struct sk_view skn;    /* not decoded; ptr NULL: none */
    int64_t expires_s;
    unsigned char signature[SK_SHA256_BYTES];
};

/* Whether it begins as a token does. */
bool sk_iot_sas_is(struct sk_view text);
/* Reads a token; views point into text. Fields in any order, each once. SK_INVALID: malformed, or
 * it ends after latest_s. What sr names, and who signed it, is for the caller to check. */
int sk_iot_sas_read(struct sk_view text, int64_t latest_s, struct sk_iot_sas *out,
                    struct sk_err *err) SK_CHECK;
/* A field of a token, percent-decoded. False: malformed, a NUL, or too long for cap. */
bool sk_iot_sas_decode(struct sk_view v, char *out, size_t cap);

/* "HostName=..;DeviceId=..;ModuleId=..;SharedAccessKeyName=..;SharedAccessKey=..;x509=true;
 * GatewayHostName=.." in any order, keys of any case. Needed are HostName, DeviceId or
 * SharedAccessKeyName, and either SharedAccessKey or x509=true. Unknown keys and duplicates are
 * errors; no error shows a value. */
struct sk_iot_connection {
    char host[256], gateway[256], device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    char policy[128], key[128];
    bool is_x509;
};

/* SK_INVALID, SK_LIMIT. */
int sk_iot_connection_parse(const char *text, struct sk_iot_connection *out,
                            struct sk_err *err) SK_CHECK;

/* ---- twins ---- */
/*
 * A section (desired, reported, tags) is a JSON object, kept as text without "$version" and
 * "$metadata"; its metadata is kept beside it as text, an object of the same shape:
 *     {"$lastUpdated":"..","$lastUpdatedVersion":n,"member":{"$lastUpdated":..}}
 */
struct sk_twin_section {
    const char *body; /* "{}" when empty */
    const char *meta; /* "{}" when empty; unused for tags */
    int64_t version;
};

struct sk_twin_result {
    struct sk_buf body, meta; /* of the new section */
    struct sk_buf patch;      /* what a subscriber is sent: the change with "$version" inside;
                               * of tags without it */
    bool is_changed;          /* false: equal to what was there; version need not move */
};

void sk_twin_result_done(struct sk_twin_result *r);

enum sk_twin_part {
    SK_TWIN_DESIRED,
    SK_TWIN_REPORTED,
    SK_TWIN_TAGS
};

/* Whether a patch or section is acceptable: an object; names of 1 to 1,024 bytes without control
 * characters, '.', '$', '#' or space; texts of at most 4,096 bytes; integers within +-2^52; at most
 * 10 levels of objects and arrays below the section; no null as an element of an array (a member of
 * an object inside one may be null, and stays). "$version" and "$metadata" at the top are ignored.
 * Errors say where: "properties.reported.a.b: ..." (SK_INVALID, SK_LIMIT). */
int sk_twin_check(enum sk_twin_part part, const struct sk_json *patch, struct sk_err *err) SK_CHECK;
/* Deep merge: null removes, objects merge, anything else replaces. now_ms: for $lastUpdated.
 * version: of the result. Members keep their order, new ones come behind. out->patch has the
 * members as they were sent, nulls too. SK_TOO_LARGE when the section as compact JSON, without
 * "$version" and "$metadata", is beyond the part's limit. SK_CORRUPT: old->body is no object.
 * Checks the patch first. *out is overwritten (not freed) on success, then sk_twin_result_done. */
int sk_twin_merge(enum sk_twin_part part, const struct sk_twin_section *old,
                  const struct sk_json *patch, int64_t version, int64_t now_ms,
                  struct sk_twin_result *out, struct sk_err *err) SK_CHECK;
/* Replaces the whole section; a null is as good as absent. out->patch has only what changed,
 * removed members as null: merged into the old section it gives the new one. */
int sk_twin_replace(enum sk_twin_part part, const struct sk_twin_section *old,
                    const struct sk_json *section, int64_t version, int64_t now_ms,
                    struct sk_twin_result *out, struct sk_err *err) SK_CHECK;
/* {"desired":{...,"$version":n},"reported":{...,"$version":m}}: what a device gets. */
void sk_twin_device_json(const struct sk_twin_section *desired,
                         const struct sk_twin_section *reported, struct sk_buf *out);
/* {...,"$metadata":{...},"$version":n}: what the service gets. */
void sk_twin_service_json(const struct sk_twin_section *section, struct sk_buf *out);

/* ---- errors as IoT Hub words them ---- */
/* {"Message":"ErrorCode:DeviceNotFound;text","ExceptionMessage":"Tracking ID:..-TimeStamp:.."};
 * tracking is a GUID or the like, the time is now. */
void sk_iot_error_json(const char *code, const char *text, const char *tracking,
                       struct sk_buf *out);

#endif
