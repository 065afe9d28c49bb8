/*
 * manifest_priv.h - a check under way, and the shapes it compares with. For this folder and its
 * tests.
 */
#ifndef SK_MANIFEST_MANIFEST_PRIV_H
#define SK_MANIFEST_MANIFEST_PRIV_H

#include "manifest/manifest.h"

enum {
    SK_MANIFEST_SECTION_MAX = 32 << 10, /* compact JSON of one module's desired properties */
    SK_MANIFEST_TEXT_MAX = 4 << 10,     /* bytes of one text in a twin */
    SK_MANIFEST_KEY_MAX = 1 << 10,      /* bytes of one key in a twin */
    SK_MANIFEST_DEPTH_MAX = 10,         /* objects and arrays inside each other in a twin */
    SK_MANIFEST_NAME_MAX = 128,         /* bytes of a module's name */
    SK_MANIFEST_CHUNKS_MAX = 100,       /* createOptions, createOptions01 ... 99 */
    SK_MANIFEST_CREATE_MAX = 512 << 10, /* bytes of createOptions in one piece */
    SK_MANIFEST_PORTS_MAX = 1024,       /* bindings of all modules together */
    SK_MANIFEST_NODES_MAX = 10000,      /* values that layers set or lie on the way to them */
    SK_MANIFEST_SAYS_MAX = 200,         /* complaints about one manifest */
};

/* ---- saying ---- */
struct sk_check {
    const struct sk_manifest_options *opts;
    struct sk_buf place; /* JSON path of what is looked at */
    struct sk_err *err;  /* the first error */
    bool has_failed;
    size_t says;
    int hub_minor;
};

/* The place of an object's member; sk_check_leave takes what enter returned. */
size_t sk_check_enter(struct sk_check *c, const char *key);
size_t sk_check_enter_index(struct sk_check *c, size_t index);
void sk_check_leave(struct sk_check *c, size_t mark);
void sk_check_error(struct sk_check *c, enum sk_code code, const char *fmt, ...) SK_PRINTF(3, 4);
void sk_check_warn(struct sk_check *c, const char *fmt, ...) SK_PRINTF(2, 3);
/* A text of several lines, as of a route that cannot be read. */
void sk_check_lines(struct sk_check *c, const struct sk_err *why);
/* Whether it still matters what would be said: words are compared for somebody only. */
bool sk_check_listens(const struct sk_check *c, bool is_error);
/* The nearest of names (ended by NULL), NULL when none is near. */
const char *sk_check_nearest(const char *word, const char *const *names);

/* ---- shapes ---- */
struct sk_shape;

enum sk_need {
    SK_NEED_NOT,
    SK_NEED_WISH, /* warns when missing from a base deployment */
    SK_NEED_MUST,
    SK_NEED_BASE /* an error when missing from a base deployment, none in a layer */
};

struct sk_member {
    const char *name; /* NULL ends */
    const struct sk_shape *shape;
    enum sk_need need;
};

/* What a value may be. */
struct sk_shape {
    unsigned types;                  /* bits of 1u << enum sk_json_type */
    const char *const *values;       /* of a text; NULL: any */
    int64_t min, max;                /* of an integer, when they differ */
    const struct sk_member *members; /* of an object; NULL: any */
    const struct sk_shape *each;     /* of an object that is a map: its values */
    bool are_modules;                /* its keys are names of modules */
    bool has_chunks;                 /* createOptions01 and so on are known */
    void (*also)(struct sk_check *c, const struct sk_json *v);
};

extern const struct sk_shape sk_shape_agent, sk_shape_hub, sk_shape_custom;

void sk_shape_check(struct sk_check *c, const struct sk_shape *shape, const struct sk_json *v);
/* Warns of a key that an object of this shape does not know. */
void sk_shape_unknown(struct sk_check *c, const struct sk_shape *shape, const char *key);
/* What is at a key of a value of this shape; NULL: nothing is known there. */
const struct sk_shape *sk_shape_at(const struct sk_shape *shape, const char *key);
bool sk_manifest_is_module_name(const char *name);

/* ---- rules of twins ---- */
/* Keys, texts, numbers and depth of a value that becomes part of a twin. depth: how deep it lies.
 */
void sk_check_twin(struct sk_check *c, const struct sk_json *v, unsigned depth);
/* Whether a key may stand in a twin; *why says why not. */
bool sk_check_is_key(const char *key, const char **why);

/* ---- ports ---- */
/* Two modules of $edgeAgent's desired section that bind one host address, port and protocol. */
int sk_check_ports(struct sk_check *c, const struct sk_json *agent, struct sk_err *err) SK_CHECK;

/* ---- content ---- */
extern const char sk_manifest_desired[]; /* "properties.desired" */
/* Of a key of a module in a content: NULL when it is no desired section, "" for the whole, else the
 * path behind the dot. */
const char *sk_manifest_path_of(const char *key);
/* The next part of a dotted path; *rest moves behind it and is NULL after the last. False for an
 * empty part. part is cut from a copy that the caller owns. */
bool sk_manifest_next_part(char **rest, const char **part);
/* createOptions, createOptions01 ... in any case: the digits behind, "" for none; NULL for another
 * name. */
const char *sk_manifest_chunk_of(const char *key);

#endif
