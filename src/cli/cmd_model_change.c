/*
 * cmd_model_change.c - `skerry model tag`, `alias`, `describe`, `archive`, `restore`, `delete`.
 *
 * Each is one call of MLflow's interface; the reference is resolved first, so NAME@champion works
 * everywhere.
 */
#include "catalog/catalog.h"
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"

#include <stdlib.h>
#include <string.h>

struct change_args {
    const char *hub;
    bool remove, all, yes, model;
};

#define REST "/api/2.0/mlflow/"

/* The version that an operand names. */
struct target {
    struct sk_remote *remote;
    struct sk_json *version;
    const char *name, *number; /* of it; number NULL: the model as a whole */
};

static void target_done(struct target *t)
{
    sk_json_free(t->version);
    sk_remote_free(t->remote);
}

static int open_target(const char *hub, const char *reference, bool is_model, struct target *t,
                       struct sk_err *err)
{
    if (sk_cli_remote(hub, &t->remote, err) < 0)
        return -1;
    t->name = reference;
    if (is_model)
        return 0;
    if (sk_catalog_resolve(t->remote, reference, &t->version, err) < 0)
        return -1;
    t->name = sk_json_get_text(t->version, "name", "");
    t->number = sk_json_get_text(t->version, "version", "");
    return 0;
}

static void add(struct sk_buf *body, const char *key, const char *value)
{
    if (!value)
        return;
    sk_buf_fmt(body, "%s\"%s\": ", body->len > 1 ? ", " : "", key);
    sk_buf_json_str(body, value);
}

/* {"name", "version", key: value, ...} to path; keys and values are a list ended by NULL. */
static int call(const struct target *t, const char *method, const char *path,
                const char *const *pairs, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 20);

    sk_buf_chr(&body, '{');
    add(&body, "name", t->name);
    add(&body, "version", t->number);
    for (; *pairs; pairs += 2)
        add(&body, pairs[0], pairs[1]);
    sk_buf_chr(&body, '}');
    if (!sk_buf_ok(&body))
        return sk_buf_fail(&body, err);
    return sk_remote_call(t->remote, method, path, body.data, NULL, err);
}

static int say(const struct target *t, const char *what, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&out, "%s%s%s %s\n", t->name, t->number ? ":" : "", t->number ? t->number : "",
               what);
    return sk_cli_print(&out, err);
}

/* clang-format off */
#define HUB SK_CLI_HUB_OPTION(struct change_args)
static const struct sk_opt plain_options[] = { HUB, { .name = NULL } };

static const struct sk_opt tag_options[] = {
    { "remove", 0, SK_OPT_FLAG, NULL, "take the tags away: KEY instead of KEY=VALUE", .offset = offsetof(struct change_args, remove) },
    { "model", 0, SK_OPT_FLAG, NULL, "of the model as a whole, not of one version", .offset = offsetof(struct change_args, model) },
    HUB, { .name = NULL },
};

static const struct sk_opt alias_options[] = {
    { "remove", 0, SK_OPT_FLAG, NULL, "take the alias away", .offset = offsetof(struct change_args, remove) },
    HUB, { .name = NULL },
};

static const struct sk_opt describe_options[] = {
    { "model", 0, SK_OPT_FLAG, NULL, "of the model as a whole, not of one version", .offset = offsetof(struct change_args, model) },
    HUB, { .name = NULL },
};

static const struct sk_opt delete_options[] = {
    { "all-versions", 0, SK_OPT_FLAG, NULL, "the model with all its versions; MODEL is its name", .offset = offsetof(struct change_args, all) },
    { "yes", 'y', SK_OPT_FLAG, NULL, "do not ask", .offset = offsetof(struct change_args, yes) },
    HUB, { .name = NULL },
};

/* clang-format on */

/* ---- tag ---- */

static int run_tag(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct change_args *a = args;
    SK_AUTO(target_done) struct target t = { 0 };
    const char *kind = a->model ? "registered-models" : "model-versions";
    char path[96];

    for (unsigned i = 1; i < count; i++) {
        if (!a->remove && (!strchr(operands[i], '=') || operands[i][0] == '='))
            return sk_fail(err, SK_USAGE, "'%s': KEY=VALUE is needed, or --remove KEY",
                           operands[i]);
    }
    if (open_target(a->hub, operands[0], a->model, &t, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), REST "%s/%s", kind, a->remove ? "delete-tag" : "set-tag");
    for (unsigned i = 1; i < count; i++) {
        SK_OWN(free) char *key = strndup(operands[i], strcspn(operands[i], "="));
        const char *value = a->remove ? NULL : operands[i] + strcspn(operands[i], "=") + 1;
        const char *const pairs[] = { "key", key, value ? "value" : NULL, value, NULL };

        if (!key)
            return sk_nomem(err);
        if (call(&t, a->remove ? "DELETE" : "POST", path, pairs, err) < 0)
            return -1;
    }
    return say(&t, a->remove ? "has lost the tag" : "is tagged", err);
}

const struct sk_cmd sk_cli_model_tag = {
    .name = "model tag",
    .operands = "MODEL KEY=VALUE...",
    .summary = "Sets or removes tags of a version or model",
    .examples = "skerry model tag defect-detector:3 site=north line=2\n"
                "skerry model tag defect-detector:3 line --remove\n"
                "skerry model tag defect-detector team=vision --model\n",
    .options = tag_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 2,
    .max_operands = 64,
    .run = run_tag,
};

/* ---- alias ---- */

static int run_alias(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct change_args *a = args;
    SK_AUTO(target_done) struct target t = { 0 };
    const char *const pairs[] = { "alias", operands[1], NULL };
    SK_AUTO(sk_buf_done) struct sk_buf what = SK_BUF_INIT(1 << 16);

    (void)count;
    sk_buf_fmt(&what, "has %sthe alias %s", a->remove ? "lost " : "", operands[1]);
    if (!sk_buf_ok(&what))
        return sk_buf_fail(&what, err);
    if (open_target(a->hub, operands[0], a->remove, &t, err) < 0 ||
        call(&t, a->remove ? "DELETE" : "POST", REST "registered-models/alias", pairs, err) < 0)
        return -1;
    return say(&t, what.data, err);
}

const struct sk_cmd sk_cli_model_alias = {
    .name = "model alias",
    .operands = "MODEL ALIAS",
    .summary = "Points an alias such as champion to a version",
    .details = "NAME@ALIAS then means that version, until the alias is set again. With --remove "
               "MODEL is the model's name.",
    .examples = "skerry model alias defect-detector:3 champion\n"
                "skerry model alias defect-detector champion --remove\n",
    .options = alias_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run_alias,
};

/* ---- describe ---- */

static int run_describe(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct change_args *a = args;
    SK_AUTO(target_done) struct target t = { 0 };
    const char *const pairs[] = { "description", operands[1], NULL };

    (void)count;
    if (open_target(a->hub, operands[0], a->model, &t, err) < 0 ||
        call(&t, "PATCH", a->model ? REST "registered-models/update" : REST "model-versions/update",
             pairs, err) < 0)
        return -1;
    return say(&t, "is described", err);
}

const struct sk_cmd sk_cli_model_describe = {
    .name = "model describe",
    .operands = "MODEL TEXT",
    .summary = "Sets the description of a version or model",
    .examples = "skerry model describe defect-detector:3 'new lamps in hall 3'\n",
    .options = describe_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run_describe,
};

/* ---- archive, restore ---- */

static int set_stage(const struct change_args *a, const char *reference, const char *stage,
                     const char *what, struct sk_err *err)
{
    SK_AUTO(target_done) struct target t = { 0 };
    const char *const pairs[] = { "stage", stage, NULL };

    if (open_target(a->hub, reference, false, &t, err) < 0 ||
        call(&t, "POST", REST "model-versions/transition-stage", pairs, err) < 0)
        return -1;
    return say(&t, what, err);
}

static int run_archive(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)count;
    return set_stage(args, operands[0], "Archived", "is archived: NAME alone no longer means it",
                     err);
}

static int run_restore(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)count;
    return set_stage(args, operands[0], "None", "is no longer archived", err);
}

const struct sk_cmd sk_cli_model_archive = {
    .name = "model archive",
    .operands = "MODEL",
    .summary = "Takes a version out of use without deleting it",
    .examples = "skerry model archive defect-detector:1\n",
    .options = plain_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_archive,
};

const struct sk_cmd sk_cli_model_restore = {
    .name = "model restore",
    .operands = "MODEL",
    .summary = "Takes an archived version back into use",
    .examples = "skerry model restore defect-detector:1\n",
    .options = plain_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_restore,
};

/* ---- delete ---- */

static int ask(const struct target *t, struct sk_err *err)
{
    char answer[16];

    if (!isatty(STDIN_FILENO))
        return sk_fail(err, SK_USAGE, "--yes is needed where nobody can be asked");
    (void)fprintf(stderr, "delete %s%s%s? This cannot be undone. [y/N] ", t->name,
                  t->number ? ":" : " with all its versions", t->number ? t->number : "");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return sk_fail(err, SK_CANCELLED, "nothing was deleted");
    return 0;
}

static int run_delete(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct change_args *a = args;
    SK_AUTO(target_done) struct target t = { 0 };
    const char *const none[] = { NULL };

    (void)count;
    if (!a->all && !strpbrk(operands[0], ":@"))
        return sk_fail(err, SK_USAGE,
                       "'%s': name one version (%s:1), or give --all-versions to delete the model",
                       operands[0], operands[0]);
    if (open_target(a->hub, operands[0], a->all, &t, err) < 0 || (!a->yes && ask(&t, err) < 0) ||
        call(&t, "DELETE", a->all ? REST "registered-models/delete" : REST "model-versions/delete",
             none, err) < 0)
        return -1;
    return say(&t, "is deleted", err);
}

const struct sk_cmd sk_cli_model_delete = {
    .name = "model delete",
    .operands = "MODEL",
    .summary = "Deletes a version, or a model with all its versions",
    .details = "The number of a deleted version is not given out again.",
    .examples = "skerry model delete defect-detector:2\n"
                "skerry model delete defect-detector --all-versions --yes\n",
    .options = delete_options,
    .args_size = sizeof(struct change_args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_delete,
};
