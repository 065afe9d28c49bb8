/* deploy_priv.h - what the files of deploy share: contents, the plan of a pass, what one unit gets.
 *
 * A unit is what a configuration finds: an edge device, a device, or a module. */
#ifndef SK_DEPLOY_DEPLOY_PRIV_H
#define SK_DEPLOY_DEPLOY_PRIV_H

#include "deploy/deploy.h"

#include "base/thread.h"
#include "iotql/iotql.h"

enum {
    SK_DEPLOY_ID_MAX = 128,
    SK_DEPLOY_CONTENT_MAX = 1 << 20, /* a configuration's content as JSON */
    SK_DEPLOY_LABELS_MAX = 16 << 10,
    SK_DEPLOY_TARGET_MAX = 4096,
    SK_DEPLOY_SAYS_MAX = 256 << 10, /* bytes of errors or warnings */
    SK_DEPLOY_MARKED_MAX = 1000,    /* devices to be looked at; with more all are */
    SK_DEPLOY_BATCH = 10,           /* units of one change */
    SK_DEPLOY_WINDOW = 4,           /* changes that wait for the writer at a time */
    SK_DEPLOY_COMPOSED_MAX = 64,    /* sets of configurations that are kept composed */
    SK_DEPLOY_ETAG_TEXT = 32
};

#define SK_DEPLOY_DONE INT64_MAX /* deploy_work.done when nothing is left */

/* ---- content.c ---- */
enum sk_deploy_kind {
    SK_DEPLOY_EDGE,   /* modulesContent: the modules of edge devices */
    SK_DEPLOY_DEVICE, /* deviceContent: devices themselves */
    SK_DEPLOY_MODULE  /* moduleContent: modules that a target finds */
};

struct sk_content {
    enum sk_deploy_kind kind;
    const char *name;            /* "modulesContent" */
    const struct sk_json *value; /* borrowed */
    bool is_layer;
};

/* What a check says, as members of two JSON arrays without their brackets. */
struct sk_says {
    struct sk_buf errors, warnings;
};

#define SK_SAYS_INIT                                                                               \
    {                                                                                              \
        .errors = SK_BUF_INIT(SK_DEPLOY_SAYS_MAX), .warnings = SK_BUF_INIT(SK_DEPLOY_SAYS_MAX)     \
    }

void sk_says_done(struct sk_says *s);
/* "[..]" of one of them. */
void sk_says_list(const struct sk_buf *said, struct sk_buf *out);
/* What the one member of a configuration's content is. SK_INVALID. */
int sk_content_read(const struct sk_json *content, struct sk_content *out,
                    struct sk_err *err) SK_CHECK;
/* Whether it can work. "InvalidConfigurationContent: ..". */
int sk_content_check(const struct sk_deploy *d, const struct sk_content *content,
                     struct sk_says *says, struct sk_err *err) SK_CHECK;
/* A manifest in any of its wrappings, for one device. *out: the modules, borrowed. */
int sk_content_check_manifest(const struct sk_deploy *d, const struct sk_json *doc,
                              struct sk_says *says, const struct sk_json **out,
                              struct sk_err *err) SK_CHECK;
/* Whether an error is about what was given, not about the machine. */
bool sk_is_about_content(const struct sk_err *err);
/* IoT Hub's name in front of it. Returns -1. */
int sk_content_name_failure(struct sk_err *err);
/* {"m":value}, a document of its own. */
int sk_content_as_module(const struct sk_json *value, struct sk_json **out,
                         struct sk_err *err) SK_CHECK;

/* ---- pulls.c ---- */
struct sk_names {
    char **items;
    size_t count, cap;
};

void sk_names_done(struct sk_names *n);
/* Each once. */
int sk_names_add(struct sk_names *n, const char *name, size_t len, struct sk_err *err) SK_CHECK;
/* An image of this hub: its repository, and the tag or digest. */
bool sk_image_is_own(const struct sk_deploy *d, const char *image, struct sk_view *repository,
                     const char **reference);
/* Whether a text may name an image of this hub; cheap. */
bool sk_text_names_hub(const struct sk_deploy *d, const char *text);
/* The repositories of this hub in the modules of an $edgeAgent's section, desired or reported. */
int sk_pulls_of_section(const struct sk_deploy *d, const struct sk_json *section,
                        struct sk_names *out, struct sk_err *err) SK_CHECK;
int sk_pulls_of_text(const struct sk_deploy *d, const char *section, struct sk_names *out,
                     struct sk_err *err) SK_CHECK;
/* Sets them when they are not what is there. */
int sk_pulls_set(struct sk_tx *tx, const char *device, struct sk_names *names,
                 struct sk_err *err) SK_CHECK;

/* ---- plan.c: the configurations, and who fits which ---- */
struct sk_planned {
    char id[SK_DEPLOY_ID_MAX + 1];
    enum sk_deploy_kind kind;
    int64_t priority;
    bool is_layer;
    bool is_quiet;               /* a layer without anything for $edgeAgent: never Applied */
    bool is_none;                /* an empty target */
    struct sk_json *doc;         /* the content */
    struct sk_json *wrapped;     /* {"m":..} of a device's or module's content */
    const struct sk_json *layer; /* what is composed */
    struct sk_iotql *target;     /* NULL: none */
};

/* A set of configurations that fit a unit, as the one above all others and the rest. 0: none. */
struct sk_fit {
    uint32_t rest;
    uint32_t top; /* index of a configuration */
    char *marks;  /* {"id":{"status":..}}, made when it is first asked for */
};

/* Configurations in ascending order: of two that fit, the later one wins. */
struct sk_plan {
    int64_t generation, done;
    bool is_full; /* equal marks do not say that the content is the same */
    struct sk_planned *items;
    size_t count;
    struct sk_fit *fits;
    size_t fit_count, fit_cap;
};

void sk_plan_done(struct sk_plan *p);
int sk_plan_read(struct sk_tx *tx, struct sk_plan *out, struct sk_err *err) SK_CHECK;
/* A target of a configuration as a query whose column 0 is the row id. *out NULL: it is empty. */
int sk_target_parse(const char *text, enum sk_deploy_kind kind, struct sk_iotql **out,
                    struct sk_err *err) SK_CHECK;
/* The set with one more, which must be above those it has. */
int sk_plan_add(struct sk_plan *p, uint32_t set, uint32_t item, uint32_t *out,
                struct sk_err *err) SK_CHECK;
/* Asks all targets for one unit. */
int sk_plan_find(struct sk_plan *p, struct sk_tx *tx, int64_t identity, enum sk_deploy_kind kind,
                 uint32_t *set, struct sk_err *err) SK_CHECK;
/* Whether this one of a set is applied. */
bool sk_plan_applies(const struct sk_plan *p, uint32_t set, uint32_t item);
/* The base of an edge device's set, the winner of another; -1: none. */
int64_t sk_plan_base(const struct sk_plan *p, uint32_t set);
const char *sk_plan_marks(struct sk_plan *p, uint32_t set, struct sk_err *err) SK_CHECK;

/* ---- composed.c: what a set of configurations gives ---- */
struct sk_section {
    const char *module;
    const struct sk_json *desired;
    char *text; /* the same, as it is kept in the database when nobody else changed it */
};

struct sk_composed {
    const char *marks; /* of the set; or all Targeted when it cannot be composed */
    char *targeted;
    struct sk_json *doc; /* NULL: nothing is set */
    struct sk_section *sections;
    size_t count;
    struct sk_names modules; /* identities that must be there */
    struct sk_names pulls;
    const struct sk_json *layer; /* of a device or a module: what goes over its section */
};

void sk_composed_free(struct sk_composed *c);
SK_DEFINE_OWN(struct sk_composed, sk_composed_free);
int sk_composed_new(const struct sk_deploy *d, struct sk_plan *p, uint32_t set,
                    struct sk_composed **out, struct sk_err *err) SK_CHECK;
/* What results of layers, lowest first. */
int sk_composed_fill(const struct sk_deploy *d, const struct sk_json *const *layers, size_t count,
                     struct sk_composed *c, struct sk_err *err) SK_CHECK;

/* ---- unit.c: one unit's change ---- */
struct sk_unit {
    int64_t id;
    uint32_t set;
    enum sk_deploy_kind kind;
    uint64_t marks; /* a hash of the marks it has */
};

/* Writes what a unit gets. told: "device\0json\0" for each change, for the events' journal. */
int sk_unit_write(const struct sk_deploy *d, struct sk_change *c, const struct sk_unit *unit,
                  const struct sk_composed *composed, bool is_full, struct sk_buf *told,
                  struct sk_err *err) SK_CHECK;
/* Writes the sections of an edge device, its pulls, and the marks (NULL: kept). */
int sk_unit_set_modules(const struct sk_deploy *d, struct sk_change *c, const char *device,
                        const struct sk_composed *composed, const char *marks,
                        struct sk_err *err) SK_CHECK;

/* ---- units.c: all units that have to be looked at ---- */
struct sk_units {
    struct sk_unit *items;
    size_t count, cap;
};

uint64_t sk_marks_hash(const char *marks);
/* Those above plan->done that fit something or have marks; without is_full only those whose marks
 * are not what they should be. In the order of ids. */
int sk_units_find(struct sk_plan *p, struct sk_tx *tx, bool is_full, struct sk_units *out,
                  struct sk_err *err) SK_CHECK;
/* The units of one identity, which may be gone. */
int sk_units_of(struct sk_plan *p, struct sk_tx *tx, int64_t identity, struct sk_units *out,
                struct sk_err *err) SK_CHECK;
void sk_units_done(struct sk_units *u);

/* ---- pass.c ---- */
enum sk_pass_kind {
    SK_PASS_WORK, /* what deploy_work says is left */
    SK_PASS_ALL,  /* all, to be sure */
    SK_PASS_SOME  /* some identities */
};

/* Returns early, with 0, when there is something newer or the module stops. */
int sk_pass_run(struct sk_deploy *d, enum sk_pass_kind kind, const int64_t *identities,
                size_t count, struct sk_err *err) SK_CHECK;

/* ---- spec.c: the body of a configuration ---- */
struct sk_configuration {
    char id[SK_DEPLOY_ID_MAX + 1];
    const char *target; /* borrowed from the body */
    int64_t priority;
    const struct sk_json *labels, *queries; /* NULL: none */
    struct sk_content content;
    bool has_content;
};

int sk_configuration_id_check(const char *id, struct sk_err *err) SK_CHECK;
/* Everything but the content's inside is checked. */
int sk_configuration_read(const char *id, const struct sk_json *body, struct sk_configuration *out,
                          struct sk_err *err) SK_CHECK;
int sk_metric_check(const char *name, const struct sk_json *query, struct sk_err *err) SK_CHECK;

/* ---- describe.c ---- */
int sk_configuration_etag(int64_t etag, char out[SK_DEPLOY_ETAG_TEXT], struct sk_err *err) SK_CHECK;
/* A row of configuration as JSON. with_results: the metrics' queries are run. */
int sk_configuration_print(struct sk_deploy *d, const char *id, bool with_results,
                           struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- deploy.c ---- */
struct sk_ids {
    int64_t items[SK_DEPLOY_MARKED_MAX];
    size_t count;
};

struct sk_deploy {
    struct sk_devices *devices;
    struct sk_db *db;
    struct sk_names hub_names;
    int (*has_image)(void *ctx, const char *repository, const char *reference);
    void (*progress)(void *ctx, const char *device, const char *json);
    void *ctx;
    uint64_t interval_ms;
    pthread_t thread;
    bool has_mutex, has_cond, has_thread;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool is_stopping;
    bool wants_work;      /* deploy_work has changed */
    bool wants_all;       /* too many to be named */
    bool has_any;         /* configurations, or marks that one left */
    bool uses_reported;   /* a target asks for reported properties */
    bool is_losing;       /* reports that nobody is told of, which was logged */
    struct sk_ids marked; /* to be looked at */
    struct sk_ids agents; /* $edgeAgents that reported a status */
    bool is_counted;      /* in_hand is what is left, not only that there is something */
    size_t in_hand;       /* units of the pass that runs, and one more for the pass itself */
};

/* After a change of configurations. */
void sk_deploy_wake(struct sk_deploy *d);
/* Whether a pass should give up. */
bool sk_deploy_is_stale(struct sk_deploy *d);

#endif
