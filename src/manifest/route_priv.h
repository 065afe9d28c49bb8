/*
 * route_priv.h - a route in pieces: words, tree, values. For this folder and its tests.
 *
 *     route := [SELECT *] FROM path [WHERE cond] INTO sink
 *     path  := ("/" item)+
 *     sink  := $upstream | BrokeredEndpoint("/modules/{m}/inputs/{i}")
 *
 * Threads: a parsed route may be read by several; an evaluation belongs to one.
 */
#ifndef SK_MANIFEST_ROUTE_PRIV_H
#define SK_MANIFEST_ROUTE_PRIV_H

#include "base/arena.h"
#include "manifest/manifest.h"

enum {
    SK_ROUTE_TEXT_MAX = 4096,       /* bytes: the longest text that a twin holds */
    SK_ROUTE_DEPTH_MAX = 64,        /* parentheses, functions, signs inside each other */
    SK_ROUTE_NODES_MAX = 512,       /* of a condition's tree */
    SK_ROUTE_BODY_MAX = 1 << 20,    /* bytes; a longer body is undefined */
    SK_ROUTE_VALUES_MAX = 100000,   /* of a body, as json.h counts; more are undefined */
    SK_ROUTE_SCRATCH_MAX = 4 << 20, /* texts that one evaluation makes */
};

/* ---- values ---- */
enum sk_route_kind {
    SK_ROUTE_UNDEFINED,
    SK_ROUTE_NULL,
    SK_ROUTE_BOOL,
    SK_ROUTE_NUMBER,
    SK_ROUTE_TEXT
};

struct sk_route_value {
    enum sk_route_kind kind;
    bool is_true;
    double number; /* never NaN */
    struct sk_view text;
};

/* ---- words ---- */
enum sk_route_sign {
    SK_SIGN_END,
    SK_SIGN_WORD,   /* a name or a keyword; text is as written */
    SK_SIGN_SYSTEM, /* $name, with the $ */
    SK_SIGN_TEXT,   /* in quotes; text is without quotes and escapes */
    SK_SIGN_NUMBER,
    SK_SIGN_OPEN,
    SK_SIGN_CLOSE,
    SK_SIGN_LEFT_BRACE,
    SK_SIGN_RIGHT_BRACE,
    SK_SIGN_COMMA,
    SK_SIGN_NOT,
    SK_SIGN_STAR,
    SK_SIGN_SLASH,
    SK_SIGN_PERCENT,
    SK_SIGN_PLUS,
    SK_SIGN_MINUS,
    SK_SIGN_CONCAT,
    SK_SIGN_LT,
    SK_SIGN_LE,
    SK_SIGN_GT,
    SK_SIGN_GE,
    SK_SIGN_EQ,
    SK_SIGN_NE,
    SK_SIGN_AND,
    SK_SIGN_OR,
    SK_SIGN_COALESCE
};

struct sk_route_word {
    enum sk_route_sign sign;
    size_t at, end; /* bytes of the route */
    struct sk_view text;
    double number;
};

/* A route and how far it was read. */
struct sk_route_lex {
    struct sk_view text;
    size_t pos;
    struct sk_arena *arena; /* texts with escapes */
};

int sk_route_lex_next(struct sk_route_lex *lex, struct sk_route_word *out,
                      struct sk_err *err) SK_CHECK;
/* An item of a path: begins right at pos. */
int sk_route_lex_item(struct sk_route_lex *lex, struct sk_view *out, struct sk_err *err) SK_CHECK;
/* SK_INVALID: what is said, the route, a caret below byte `at`. */
int sk_route_fail(struct sk_view route, size_t at, struct sk_err *err, const char *fmt, ...)
    SK_PRINTF(4, 5);

/* ---- trees ---- */
/* $body.a.b[0]: one key or index after the other. */
struct sk_route_step {
    const char *key;
    bool has_index;
    size_t index;
    struct sk_route_step *next;
};

enum sk_route_op {
    SK_ROUTE_LITERAL,
    SK_ROUTE_PROPERTY, /* name */
    SK_ROUTE_SYSTEM,   /* $name: the property "$name" wins unless is_escaped */
    SK_ROUTE_BODY,     /* $body.path; likewise */
    SK_ROUTE_CALL,
    SK_ROUTE_TWIN, /* twin_change_includes(path) */
    SK_ROUTE_NEGATE,
    SK_ROUTE_BINARY, /* sign */
    SK_ROUTE_NOT
};

struct sk_route_function;

struct sk_route_node {
    enum sk_route_op op;
    enum sk_route_sign sign;
    bool is_escaped;
    struct sk_route_value value;
    const char *name; /* with '$' */
    const struct sk_route_step *steps;
    const struct sk_route_function *function;
    struct sk_route_node *first; /* operands, arguments */
    struct sk_route_node *next;
};

struct sk_route {
    struct sk_arena arena;
    const char *source;
    const char *prefix; /* of the source: ends in one '/', without '*' */
    size_t prefix_len;
    const char *module; /* NULL: upstream */
    const char *input;
    const struct sk_route_node *condition; /* NULL: none */
};

/* Reads a path behind "$body."; base is where it begins in the route, for errors. */
int sk_route_steps(struct sk_view route, size_t base, struct sk_view path, struct sk_arena *arena,
                   const struct sk_route_step **out, struct sk_err *err) SK_CHECK;

/* ---- functions ---- */
struct sk_route_function {
    const char *name;
    size_t min_args, max_args;
    struct sk_route_value (*call)(struct sk_arena *scratch, const struct sk_route_value *args,
                                  size_t count);
};

enum {
    SK_ROUTE_ARGS_MAX = 16
};

/* Any case; NULL for none. */
const struct sk_route_function *sk_route_function_find(struct sk_view name);
/* The nearest name to one that is none; NULL when none is near. */
const char *sk_route_function_near(const char *name);
struct sk_route_value sk_route_concat(struct sk_arena *scratch, const struct sk_route_value *args,
                                      size_t count);
struct sk_route_value sk_route_number(double n); /* NaN is undefined */
struct sk_route_value sk_route_bool(bool is_true);

/* ---- the body ---- */
/* What a message's body is as JSON object: NULL when its content type or encoding say it is not, or
 * it cannot be read. *out: sk_json_free. */
struct sk_json *sk_route_body_read(const struct sk_route_message *m);
/* NULL: nothing there. */
const struct sk_json *sk_route_body_find(const struct sk_json *body,
                                         const struct sk_route_step *steps);

struct sk_route_value sk_route_eval(const struct sk_route_node *condition,
                                    const struct sk_route_message *m);

#endif
