/* package_priv.h - the parts of `skerry package`. */
#ifndef SK_CLI_PACKAGE_PRIV_H
#define SK_CLI_PACKAGE_PRIV_H

#include "base/err.h"
#include "json/json.h"

/* What is packed: a bundle on disk, or a registered version that is fetched into a folder of its
 * own. */
struct sk_package_source {
    char *scratch;           /* everything below is removed; NULL before it is needed */
    char *bundle;            /* path */
    struct sk_json *version; /* of the hub; NULL: a path */
};

/* model: a path when there is one, else NAME, NAME:3, NAME@champion of the hub. */
int sk_package_open(const char *model, const char *hub, struct sk_package_source *out,
                    struct sk_err *err) SK_CHECK;
void sk_package_done(struct sk_package_source *s);
/* SK_INVALID when output (NULL: none) lies in the folder that is packed. */
int sk_package_check_output(const struct sk_package_source *s, const char *output,
                            struct sk_err *err) SK_CHECK;
/* A path in its scratch folder, which is made by the first call. *out: free(). */
int sk_package_scratch(struct sk_package_source *s, const char *name, char **out,
                       struct sk_err *err) SK_CHECK;

#endif
