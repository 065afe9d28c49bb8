/*
 * deploy.h - deployments: content for one device, and configurations that find their devices by a
 * target condition.
 *
 * A configuration is stored, and evaluated soon after on a thread of this module: for each edge
 * device the base of the highest priority (the latest, among equals) and the layers above it are
 * composed and become the desired properties of its modules; $edgeAgent's twin is marked
 * (configurations). That goes in slices of a few milliseconds through the devices' writer, so it
 * never holds up messages; what is left to do is in the database, and goes on after a kill. Changes
 * of tags, reported properties and identities bring the evaluation of that device; every interval
 * all are looked at once more. Without a match what runs is left alone.
 *
 * Reference: "Understand IoT Edge automatic deployments"; azure-iot-protocol
 * sections 4.10, 5.6, 5.7. Errors: as devices.h; SK_INVALID with the place. Threads: all may be
 * shared.
 */
#ifndef SK_DEPLOY_DEPLOY_H
#define SK_DEPLOY_DEPLOY_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "devices/devices.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SK_DEPLOY_CONFIGURATIONS_MAX = 200,
    SK_DEPLOY_METRICS_MAX = 20
};

struct sk_deploy;

struct sk_deploy_options {
    struct sk_devices *devices;
    const char *const *hub_names; /* of images that are this hub's own; NULL-terminated */
    /* Whether the hub's registry has an image: repository and tag or digest. NULL: not asked. */
    int (*has_image)(void *ctx, const char *repository, const char *reference);
    /* Progress, for the events' journal: JSON text. On any thread. May be NULL. */
    void (*progress)(void *ctx, const char *device, const char *json);
    void *ctx;
    uint64_t interval_ms; /* 0: 5 minutes */
};

/* *out is set before the thread begins, which changes devices at once: their events may be given to
 * *out. NULL on failure. */
int sk_deploy_new(const struct sk_deploy_options *opts, struct sk_deploy **out,
                  struct sk_err *err) SK_CHECK;
/* Ends its thread; events are taken and forgotten from then on. */
void sk_deploy_stop(struct sk_deploy *d);
void sk_deploy_free(struct sk_deploy *d); /* stops first */
SK_DEFINE_OWN(struct sk_deploy, sk_deploy_free);

/* An event of devices: wakes the evaluation when it may concern it. Does not wait. d may be NULL.
 */
void sk_deploy_event(struct sk_deploy *d, const struct sk_device_event *e);

/* applyConfigurationContent. warnings (may be NULL): a JSON array of {"place","text"}; they are
 * kept for the device too. SK_EXISTS: a configuration targets the device. Also what the device may
 * pull is set: the repositories of this hub that the content, the one before it, and the device's
 * report of what it runs name. */
int sk_deploy_apply(struct sk_deploy *d, const struct sk_who *who, const char *device,
                    const struct sk_json *content, struct sk_buf *warnings,
                    struct sk_err *err) SK_CHECK;
/* Only looks: errors and warnings as {"errors":[{"place","text"}],"warnings":[..]}. */
int sk_deploy_check(struct sk_deploy *d, const struct sk_json *content, struct sk_buf *out,
                    struct sk_err *err) SK_CHECK;
/* {"device":..,"configurations":{..},"warnings":[..],"desiredVersion":..,"reported":{"lastDesiredVersion",
 * "code","description"}}: how far the device is. */
int sk_deploy_status(struct sk_deploy *d, const char *device, struct sk_buf *out,
                     struct sk_err *err) SK_CHECK;

/* PUT /configurations/{id}: creates without if_match (SK_EXISTS), updates with it: only target,
 * priority, labels, metrics; another content is SK_INVALID
 * ("CannotModifyImmutableConfigurationContent"). out: the configuration as JSON. */
int sk_configuration_put(struct sk_deploy *d, const struct sk_who *who, const char *id,
                         const struct sk_json *body, const char *if_match, struct sk_buf *out,
                         struct sk_err *err) SK_CHECK;
int sk_configuration_get(struct sk_deploy *d, const char *id, struct sk_buf *out,
                         struct sk_err *err) SK_CHECK;
/* An array; without metrics' results, as at IoT Hub. */
int sk_configuration_list(struct sk_deploy *d, unsigned max, struct sk_buf *out,
                          struct sk_err *err) SK_CHECK;
int sk_configuration_delete(struct sk_deploy *d, const struct sk_who *who, const char *id,
                            const char *if_match, struct sk_err *err) SK_CHECK;
/* {"targetConditionError":..,"customMetricQueryErrors":{..}} */
int sk_configuration_test(struct sk_deploy *d, const struct sk_json *body, struct sk_buf *out,
                          struct sk_err *err) SK_CHECK;
/* {"pending":n,"generation":g}: devices that the evaluation has yet to look at. */
int sk_deploy_pending(struct sk_deploy *d, struct sk_buf *out, struct sk_err *err) SK_CHECK;

#endif
