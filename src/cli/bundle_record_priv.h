/* bundle_record_priv.h - what the model makes of its test picture, found out before it leaves. */
#ifndef SK_CLI_BUNDLE_RECORD_PRIV_H
#define SK_CLI_BUNDLE_RECORD_PRIV_H

#include "base/buf.h"
#include "bundle/bundle.h"
#include "json/json.h"

/* A skerry.json with a record in it, in a folder of its own; the bundle stays as it is. */
struct sk_cli_record {
    char *scratch;  /* removed at the end; NULL: none was made */
    char *settings; /* path of the file; NULL: nothing to record, or it could not be */
};

/* Runs the model once when the bundle has a test or warm-up picture and no record. What keeps it
 * from running (no ONNX Runtime) is a warning on standard error. onnxruntime: library; NULL: the
 * one that is found. b: the bundle, opened. */
int sk_cli_record(const struct sk_bundle *b, const char *onnxruntime, struct sk_cli_record *out,
                  struct sk_err *err) SK_CHECK;
void sk_cli_record_done(struct sk_cli_record *r);
/* skerry.json (NULL: there is none) with this value of "test". */
void sk_cli_record_compose(const struct sk_json *settings, const char *test, struct sk_buf *out);

#endif
