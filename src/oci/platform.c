/*
 * platform.c - OS/ARCHITECTURE[/VARIANT], in the names of Go, and which manifest of an index fits.
 *
 * An entry that names a variant fits a wish without one; of several the first is taken. arm64 and
 * arm64/v8 are the same machine.
 */
#include "oci/oci_priv.h"

#include <sys/utsname.h>

int sk_oci_platform_parse(const char *text, struct sk_oci_platform *out, struct sk_err *err)
{
    struct sk_oci_platform p = { 0 };
    char *const parts[] = { p.os, p.architecture, p.variant };
    const char *at = text;

    for (size_t i = 0; i < 3 && at; i++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || len >= sizeof p.os)
            break;
        memcpy(parts[i], at, len);
        at = at[len] == '/' ? at + len + 1 : NULL;
    }
    if (at || !p.architecture[0])
        return sk_fail(err, SK_INVALID,
                       "'%.100s' is no platform: OS/ARCHITECTURE[/VARIANT], such as linux/arm64",
                       text);
    *out = p;
    return 0;
}

void sk_oci_platform_own(struct sk_oci_platform *out)
{
    static const struct {
        const char *machine, *architecture, *variant;
    } rows[] = {
        { "x86_64", "amd64", "" },    { "aarch64", "arm64", "" }, { "armv7l", "arm", "v7" },
        { "armv6l", "arm", "v6" },    { "i686", "386", "" },      { "riscv64", "riscv64", "" },
        { "ppc64le", "ppc64le", "" }, { "s390x", "s390x", "" },
    };
    struct utsname u;

    *out = (struct sk_oci_platform){ .os = "linux", .architecture = "unknown" };
    if (uname(&u) < 0)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(u.machine, rows[i].machine) == 0) {
            (void)snprintf(out->architecture, sizeof out->architecture, "%s", rows[i].architecture);
            (void)snprintf(out->variant, sizeof out->variant, "%s", rows[i].variant);
        }
}

static const char *variant_of(const char *architecture, const char *variant)
{
    return strcmp(architecture, "arm64") == 0 && strcmp(variant, "v8") == 0 ? "" : variant;
}

bool sk_oci_platform_fits(const struct sk_oci_platform *wish, const char *os,
                          const char *architecture, const char *variant)
{
    const char *wanted = variant_of(wish->architecture, wish->variant);

    if (strcmp(wish->os, os) != 0 || strcmp(wish->architecture, architecture) != 0)
        return false;
    return wanted[0] == '\0' || strcmp(wanted, variant_of(architecture, variant)) == 0;
}

void sk_oci_platform_print(const struct sk_oci_platform *p, char out[100])
{
    (void)snprintf(out, 100, "%s/%s%s%s", p->os, p->architecture, p->variant[0] ? "/" : "",
                   p->variant);
}
