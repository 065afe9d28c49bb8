/*
 * bundle_priv.h - the parts of the bundle reader that know each other.
 */
#ifndef SK_BUNDLE_PRIV_H
#define SK_BUNDLE_PRIV_H

#include "base/buf.h"
#include "base/file.h"
#include "bundle/bundle.h"
#include "json/json.h"

/* ---- find.c ---- */

/* What was found under a path. folder is where the files beside the model are looked for;
 * has_sidecars says whether they belong to this model (a lone .onnx among others has none). */
struct sk_bundle_place {
    char *folder, *model_path;
    bool has_sidecars;
};

/* warnings gets a line when a choice was made. */
int sk_bundle_find(const char *path, struct sk_bundle_place *out, struct sk_buf *warnings,
                   struct sk_err *err) SK_CHECK;
void sk_bundle_place_done(struct sk_bundle_place *p);

/* ---- labels.c ---- */

struct sk_labels {
    char **names;
    size_t count;
};

void sk_labels_done(struct sk_labels *l);
/* A file given by the user: one label a line, a JSON array, or an object (see sk_labels_from_json).
 */
int sk_labels_from_file(const char *path, struct sk_labels *out, struct sk_err *err) SK_CHECK;
/* id2label {"0": "cat"}, label2id {"cat": 0}, a list of names; what names the value in errors. */
int sk_labels_from_json(const struct sk_json *v, const char *what, struct sk_labels *out,
                        struct sk_err *err) SK_CHECK;
/* From config.json: id2label, else label2id, else timm's label_names; none of them leaves *out
 * empty. */
int sk_labels_from_config(const struct sk_json *config, struct sk_labels *out,
                          struct sk_err *err) SK_CHECK;

/* ---- settings.c ---- */

/* skerry.json into the bundle; unknown keys become warnings. */
int sk_bundle_settings(const struct sk_json *doc, struct sk_bundle *b, struct sk_buf *warnings,
                       struct sk_err *err) SK_CHECK;

/* The path of a file inside the bundle; key: in messages. */
int sk_bundle_inside(const struct sk_bundle *b, const char *key, const char *text, char **out,
                     struct sk_err *err) SK_CHECK;

/* ---- record.c ---- */

/* "test" of skerry.json, when it is there. */
int sk_bundle_read_test(const struct sk_json *doc, struct sk_bundle *b,
                        struct sk_err *err) SK_CHECK;
void sk_bundle_test_free(struct sk_bundle_test *t);
SK_DEFINE_OWN(struct sk_bundle_test, sk_bundle_test_free);

/* One more line. */
void sk_bundle_warn(struct sk_buf *warnings, const char *fmt, ...) SK_PRINTF(2, 3);

#endif
