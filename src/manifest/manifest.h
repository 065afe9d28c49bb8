/*
 * manifest.h - deployment manifests of IoT Edge: reading, checking, warnings, layers, routes.
 *
 *     {"modulesContent":{"$edgeAgent":{"properties.desired":{...}},"$edgeHub":{...},"m":{...}}}
 *
 * References: the edgeAgent and edgeHub schemas 1.0 to 1.3 of the CLI extension, edgeAgent's and
 * edgeHub's parsers, the route grammar of Routing.Core. Pure functions; shared by hub, edge and
 * commands. Threads: any.
 */
#ifndef SK_MANIFEST_MANIFEST_H
#define SK_MANIFEST_MANIFEST_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- content ---- */
/* What is said about a manifest, one at a time. is_error: it can never work. place: a JSON path
 * ("modulesContent.$edgeAgent['properties.desired'].modules.m.settings.image"). text: what is wrong
 * and what to do; for a bad route it holds the route and a caret line. */
typedef void sk_manifest_say(void *ctx, bool is_error, const char *place, const char *text);

struct sk_manifest_options {
    bool is_layered; /* may lack what a base deployment has */
    /* Whether the hub's own registry has this image (NULL: not asked). 1: it has, or it is another
     * registry's; 0: it lacks it. */
    int (*has_image)(void *ctx, const char *image);
    sk_manifest_say *say; /* NULL: nobody listens */
    void *ctx;
};

/*
 * Takes {"modulesContent"}, the same inside {"content"}, "moduleContent", and PascalCase; checks
 * it. *out is the object of modules (borrowed from doc). Errors (SK_INVALID, SK_TOO_LARGE) are what
 * can never work: wrong types, bad module names, missing image, status, unknown enumerations,
 * schema versions above what there is, bad routes, sections beyond 32 KB, texts beyond 4 KB, two
 * modules that bind one host address, port and protocol, createOptions that are no JSON. err has
 * the first, in one line; `say` gets all (200 at most), and warnings: unknown fields with the
 * nearest known one, images that the registry lacks. Nothing inside createOptions, env, labels or
 * custom desired properties is ever unknown. SK_LIMIT: more than 1024 port bindings.
 */
int sk_manifest_check(const struct sk_json *doc, const struct sk_manifest_options *opts,
                      const struct sk_json **out, struct sk_err *err) SK_CHECK;

/* Whether a content is a layer: it has dotted "properties.desired.x" keys for $edgeAgent or
 * $edgeHub, or an empty $edgeAgent. */
bool sk_manifest_is_layer(const struct sk_json *modules);

/* Each module name whose identity a content implies: members of the content and of $edgeAgent's
 * modules, each once; not $edgeAgent and $edgeHub. */
int sk_manifest_modules(const struct sk_json *modules,
                        int (*each)(void *ctx, const char *name, struct sk_err *err), void *ctx,
                        struct sk_err *err) SK_CHECK;
/* Each image that $edgeAgent names, system modules too. */
int sk_manifest_images(const struct sk_json *modules,
                       int (*each)(void *ctx, const char *module, const char *image,
                                   struct sk_err *err),
                       void *ctx, struct sk_err *err) SK_CHECK;

/*
 * Layers over a base, lowest first: per module the desired section that results. A
 * "properties.desired" key replaces what lower ones gave, "properties.desired.a.b" sets only that
 * path; null takes a member away; "$version" and "$metadata" at the top of a whole section are left
 * out. *out: {"module":{desired...},...}, sk_json_free. SK_INVALID: a section that is no object, a
 * path with an empty part; SK_LIMIT: a path of more than 10 parts, more than 10,000 values set.
 */
int sk_manifest_compose(const struct sk_json *const *layers, size_t count, struct sk_json **out,
                        struct sk_err *err) SK_CHECK;

/* createOptions assembled from string, object, or string and chunks createOptions01..; "{}" when
 * there are none. settings: the module's, may be NULL. Appends compact JSON; of strings the bytes
 * are kept but for white space. SK_INVALID: a gap in the numbers, no JSON object. */
int sk_manifest_create_options(const struct sk_json *settings, struct sk_buf *out,
                               struct sk_err *err) SK_CHECK;

/* ---- routes ---- */
struct sk_route;

/* SK_INVALID with three lines: what was expected, the route, and a caret under the place (counted
 * in characters; of a long route what stands around it). sk_wrap() and sk_fail() make one line of
 * them. An empty text, which turns a route off in a manifest, is no route. */
int sk_route_parse(const char *text, struct sk_route **out, struct sk_err *err) SK_CHECK;
void sk_route_free(struct sk_route *r);
SK_DEFINE_OWN(struct sk_route, sk_route_free);
const char *sk_route_source(const struct sk_route *r);
/* "$upstream", or the module and input of BrokeredEndpoint. */
bool sk_route_is_upstream(const struct sk_route *r);
const char *sk_route_module(const struct sk_route *r);
const char *sk_route_input(const struct sk_route *r);

/* A message as conditions see it. All members but body are set; the functions are asked during
 * sk_route_matches only. */
struct sk_route_message {
    const char *source; /* "/messages/modules/m/outputs/o" */
    struct sk_view body;
    /* NULL: absent. name: without '$'. */
    const char *(*property)(void *ctx, const char *name);
    const char *(*system)(void *ctx, const char *name);
    void *ctx;
};

/* Source and condition; undefined is false. */
bool sk_route_matches(const struct sk_route *r, const struct sk_route_message *m);

#endif
