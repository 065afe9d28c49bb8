/* device_priv.h - what the commands of devices, twins and deployments share: IoT Hub's service
 * interface of the hub. */
#ifndef SK_CLI_DEVICE_PRIV_H
#define SK_CLI_DEVICE_PRIV_H

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "remote/remote.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SK_IOT_API "api-version=2021-04-12"

enum {
    SK_DEVICE_PATH_BYTES = 64 << 10,
    SK_DEVICE_BODY_BYTES = 4 << 20
};

/* base "/devices/" or "/twins/", an id, "/modules/" and a module's unless it is NULL or "", a tail
 * such as "/methods", and the version. */
int sk_device_path(const char *base, const char *device, const char *module, const char *tail,
                   struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* A change of something that must be there (If-Match: *). body and out may be NULL. */
int sk_device_change(struct sk_remote *r, const char *method, const char *path, const char *body,
                     struct sk_json **out, struct sk_err *err) SK_CHECK;
/* The name that devices connect to. */
int sk_device_hub_name(struct sk_remote *r, char out[256], struct sk_err *err) SK_CHECK;
/* "HostName=..;DeviceId=..;SharedAccessKey=..", or ";x509=true", of a Device or Module. SK_INVALID:
 * it has no keys; SK_DENIED: they are not shown to us. */
int sk_device_connection(const char *host, const struct sk_json *identity, bool is_secondary,
                         struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* "sas", "x509-thumbprint", "x509-ca", "none": of "sas", "selfSigned", .. */
const char *sk_device_auth(const char *type);
/* ,"a":"1","b":"2" of KEY=VALUE words, without the first comma; what names the option in errors. */
int sk_device_pairs(const struct sk_opt_list *pairs, const char *what, struct sk_buf *out,
                    struct sk_err *err) SK_CHECK;
/* "device line-3", "module line-3/filter" */
void sk_device_name(struct sk_buf *out, const char *device, const char *module);
/* JSON of a text or of a file (one of them not NULL). *out: sk_json_free. */
int sk_device_json(const char *what, const char *text, const char *file, struct sk_json **out,
                   struct sk_err *err) SK_CHECK;
/* "2026-11-29 05:00" of an ISO time; "-" for none, and for year 1. Padded to 16. */
void sk_device_when(struct sk_buf *out, const char *time);

/* ---- cmd_query.c ---- */
/* One page of a query after the other. */
struct sk_query_page {
    struct sk_json *rows;
    char continuation[1024]; /* "": this was the last one */
};

void sk_query_page_done(struct sk_query_page *p);
/* The first page when p is zeroed, else the next one, which takes the place of the one before. */
int sk_query_next(struct sk_remote *r, const char *query, uint64_t max, struct sk_query_page *p,
                  struct sk_err *err) SK_CHECK;

/* ---- cmd_device_list.c ---- */
/* An array of Module as a table, or as JSON without keys. */
int sk_device_print_modules(const struct sk_json *list, struct sk_err *err) SK_CHECK;
int sk_device_print_modules_json(const struct sk_json *list, struct sk_err *err) SK_CHECK;

/* ---- leaves.c ---- */
/* A line for each value: "tags.site      north". Members of these names (NULL-terminated; may be
 * NULL) are left out with all below them, and so are nulls, empty texts and arrays, and times of
 * the year 1. Members whose names
 * end in "_timestamp" are times. */
void sk_cli_leaves(const struct sk_json *v, const char *const *without, struct sk_buf *out);

#endif
