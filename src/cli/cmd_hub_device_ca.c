/*
 * cmd_hub_device_ca.c - `skerry hub device-ca add`, `list`, `remove`: the authorities whose
 * certificates devices may show.
 *
 * The hub has one text of PEM certificates; it is read, changed here, and written whole.
 */
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli_priv.h"
#include "cli/remote_priv.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

struct args {
    const char *hub;
    bool all, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    PEM_BYTES = 1 << 20,
    FINGERPRINT_MIN = 8
};

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"
#define ROUTE "/api/v1/device-ca"

/* clang-format off */
static const struct sk_opt add_options[] = {
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt list_options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON, one certificate a line", AT(json) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

static const struct sk_opt remove_options[] = {
    { "all", 0, SK_OPT_FLAG, NULL, "all of them; then no device comes in by an authority", AT(all) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

/* One certificate of a PEM text. */
struct piece {
    const char *text;
    size_t len; /* without the line break behind it */
    struct sk_cert_info info;
};

/* Moves *at behind the next certificate. 1: there is one, 0: there are no more, -1. */
static int next_piece(const char **at, struct piece *out, struct sk_err *err)
{
    const char *begin = strstr(*at, BEGIN);
    const char *end = begin ? strstr(begin, END) : NULL;

    if (!begin)
        return 0;
    if (!end)
        return sk_fail(err, SK_INVALID, "a certificate has no end");
    out->text = begin;
    out->len = (size_t)(end - begin) + sizeof END - 1;
    *at = begin + out->len;
    return sk_cert_info(out->text, out->len, &out->info, err) < 0 ? -1 : 1;
}

static int read_hub(struct sk_remote *r, struct sk_buf *out, struct sk_err *err)
{
    const struct sk_remote_request q = { .method = "GET", .path = ROUTE };

    if (sk_remote_send(r, &q, out, err) < 0)
        return -1;
    sk_buf_chr(out, '\0'); /* a text, also when it is empty */
    if (!sk_buf_ok(out))
        return sk_buf_fail(out, err);
    out->len--;
    return 0;
}

static int write_hub(struct sk_remote *r, const struct sk_buf *pem, struct sk_err *err)
{
    if (!sk_buf_ok(pem))
        return sk_buf_fail(pem, err);
    const struct sk_remote_request q = { .method = "PUT",
                                         .path = ROUTE,
                                         .body = pem->data ? pem->data : "",
                                         .body_len = pem->len,
                                         .type = "application/x-pem-file" };
    return sk_remote_send(r, &q, NULL, err);
}

/* 1: it has a certificate of this fingerprint. */
static int has(const char *pem, const char *sha256, struct sk_err *err)
{
    struct piece p;
    int more;

    while ((more = next_piece(&pem, &p, err)) == 1)
        if (strcmp(p.info.sha256, sha256) == 0)
            return 1;
    return more;
}

/* ---- add ---- */

static int merge(const char *file, const char *given, struct sk_buf *pem, unsigned *added,
                 struct sk_err *err)
{
    struct piece p;
    int more;
    unsigned count = 0;

    while ((more = next_piece(&given, &p, err)) == 1) {
        int is_there = has(pem->data, p.info.sha256, err);
        if (is_there < 0)
            return -1;
        count++;
        if (is_there)
            continue;
        if (pem->len > 0 && pem->data[pem->len - 1] != '\n')
            sk_buf_chr(pem, '\n');
        sk_buf_add(pem, p.text, p.len);
        sk_buf_chr(pem, '\n');
        if (!sk_buf_ok(pem))
            return sk_buf_fail(pem, err);
        ++*added;
    }
    if (more < 0)
        return sk_wrap(err, "%s", file);
    return count > 0 ? 0 : sk_fail(err, SK_INVALID, "%s: there is no certificate in it", file);
}

static int run_add(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(free) char *given = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(256);
    size_t len = 0;
    unsigned added = 0;

    (void)count;
    if (sk_file_read(operands[0], PEM_BYTES, &given, &len, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0 || read_hub(r, &pem, err) < 0 ||
        merge(operands[0], given, &pem, &added, err) < 0 ||
        (added > 0 && write_hub(r, &pem, err) < 0))
        return -1;
    if (added > 0)
        sk_buf_fmt(&out, "%u certificate%s added\n", added, added > 1 ? "s are" : " is");
    else
        sk_buf_str(&out, "nothing is added: the hub has it\n");
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_hub_device_ca_add = {
    .name = "hub device-ca add",
    .operands = "FILE",
    .summary = "Lets devices come in with certificates of an authority",
    .details = "FILE has the authority's certificate in PEM form. A device made with --auth "
               "x509-ca comes in with a certificate below it whose common name is the device.",
    .examples = "skerry hub device-ca add factory-ca.pem\n",
    .options = add_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_add,
};

/* ---- list ---- */

static void add_row(const struct piece *p, bool as_json, struct sk_buf *out)
{
    char until[SK_TIME_TEXT];

    sk_time_text(p->info.not_after > 0 ? (uint64_t)p->info.not_after * 1000 : 0, until);
    if (as_json) {
        sk_buf_fmt(out, "{\"sha256\":\"%s\",\"notAfter\":\"%s\",\"subject\":", p->info.sha256,
                   until);
        sk_buf_json_str(out, p->info.subject);
        sk_buf_str(out, "}\n");
        return;
    }
    sk_buf_fmt(out, "%.16s  %.10s  ", p->info.sha256, until);
    sk_cli_cell(out, p->info.subject, 0);
    sk_buf_chr(out, '\n');
}

static int run_list(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    struct piece p;
    int more;

    (void)operands;
    (void)count;
    if (sk_cli_remote(a->hub, &r, err) < 0 || read_hub(r, &pem, err) < 0)
        return -1;
    if (!a->json)
        sk_buf_str(&out, "FINGERPRINT       UNTIL       SUBJECT\n");
    for (const char *at = pem.data; (more = next_piece(&at, &p, err)) == 1;)
        add_row(&p, a->json, &out);
    return more < 0 ? -1 : sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_hub_device_ca_list = {
    .name = "hub device-ca list",
    .summary = "Lists the authorities of devices' certificates",
    .examples = "skerry hub device-ca list\n",
    .options = list_options,
    .args_size = sizeof(struct args),
    .run = run_list,
};

/* ---- remove ---- */

/* Copies those that stay. */
static int drop(const char *pem, const char *fingerprint, struct sk_buf *out, unsigned *dropped,
                struct sk_err *err)
{
    struct piece p;
    int more;

    while ((more = next_piece(&pem, &p, err)) == 1) {
        if (!fingerprint || strncasecmp(p.info.sha256, fingerprint, strlen(fingerprint)) == 0) {
            ++*dropped;
            continue;
        }
        sk_buf_add(out, p.text, p.len);
        sk_buf_chr(out, '\n');
    }
    return more;
}

static int run_remove(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf rest = SK_BUF_INIT(PEM_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(256);
    unsigned dropped = 0;

    if (a->all == (count == 1))
        return sk_fail(err, SK_USAGE, "give a FINGERPRINT, or --all");
    if (count == 1 && strlen(operands[0]) < FINGERPRINT_MIN)
        return sk_fail(err, SK_USAGE, "'%s': at least %d digits of the fingerprint are needed",
                       operands[0], FINGERPRINT_MIN);
    if (sk_cli_remote(a->hub, &r, err) < 0 || read_hub(r, &pem, err) < 0 ||
        drop(pem.data, count == 1 ? operands[0] : NULL, &rest, &dropped, err) < 0)
        return -1;
    if (dropped == 0 && count == 1)
        return sk_fail(err, SK_NOT_FOUND, "no certificate begins with '%s': see hub device-ca list",
                       operands[0]);
    if (write_hub(r, &rest, err) < 0)
        return -1;
    sk_buf_fmt(&out, "%u certificate%s removed\n", dropped, dropped == 1 ? " is" : "s are");
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_hub_device_ca_remove = {
    .name = "hub device-ca remove",
    .operands = "[FINGERPRINT]",
    .summary = "Lets no more devices come in by an authority",
    .examples = "skerry hub device-ca remove 3f2a90c1d4e5b607 # as hub device-ca list shows it\n"
                "skerry hub device-ca remove --all\n",
    .options = remove_options,
    .args_size = sizeof(struct args),
    .max_operands = 1,
    .run = run_remove,
};
