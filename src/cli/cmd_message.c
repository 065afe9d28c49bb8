/* cmd_message.c - `skerry message send`: from the hub to a device, or to an input of a module. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli_priv.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <stdlib.h>
#include <string.h>

struct args {
    const char *hub, *module, *input, *body, *file, *type, *ack;
    uint64_t expiry_ms;
    struct sk_opt_list properties;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    BODY_BYTES = 1 << 20,
    HEADER_BYTES = 64 << 10,
    HEADERS_MAX = SK_OPT_LIST_MAX + 3
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "body", 'b', SK_OPT_TEXT, "TEXT", "what it says", AT(body) },
    { "file", 'f', SK_OPT_TEXT, "FILE", "what it says, from a file; - is standard input", AT(file) },
    { "content-type", 0, SK_OPT_TEXT, "TYPE", "of the body; application/json when it is JSON, else text/plain or application/octet-stream", AT(type) },
    { "property", 'p', SK_OPT_LIST, "KEY=VALUE", "a property beside the body", AT(properties) },
    { "module", 'm', SK_OPT_TEXT, "ID", "to this module of it; with --input", AT(module) },
    { "input", 'i', SK_OPT_TEXT, "NAME", "of the module", AT(input) },
    { "ack", 0, SK_OPT_CHOICE, "KIND", "what is told about it afterwards, as feedback", .choices = "none|positive|negative|full", .def = "none", AT(ack) },
    { "expiry", 0, SK_OPT_MS, "T", "how long it may wait for the device; 0: as long as the hub keeps it", .def = "0s", .max = 172800000, AT(expiry_ms) },
    SK_CLI_HUB_OPTION(struct args),
    { .name = NULL },
};

/* clang-format on */

static int check(const struct args *a, struct sk_err *err)
{
    if (!a->body == !a->file)
        return sk_fail(err, SK_USAGE,
                       a->body ? "--body and --file are two bodies"
                               : "--body or --file is missing");
    if (!a->module != !a->input)
        return sk_fail(err, SK_USAGE, "%s is missing: modules have inputs",
                       a->module ? "--input" : "--module");
    return 0;
}

static const char *guess_type(const char *body, size_t len)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err unused = SK_ERR_INIT;

    if (len > 0 && (body[0] == '{' || body[0] == '[') &&
        sk_json_parse(body, len, NULL, &doc, &unused) == 0)
        return "application/json";
    return sk_utf8_valid(body, len) ? "text/plain" : "application/octet-stream";
}

struct fields {
    struct sk_buf texts[HEADERS_MAX];
    const char *lines[HEADERS_MAX + 1];
    size_t count;
};

static void fields_done(struct fields *f)
{
    for (size_t i = 0; i < f->count; i++)
        sk_buf_done(&f->texts[i]);
}

static int add_field(struct fields *f, const char *name, size_t name_len, const char *value,
                     struct sk_err *err)
{
    struct sk_buf *b = &f->texts[f->count];

    *b = (struct sk_buf)SK_BUF_INIT(HEADER_BYTES);
    f->count++;
    sk_buf_add(b, name, name_len);
    sk_buf_fmt(b, ": %s", value);
    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    f->lines[f->count - 1] = b->data;
    return 0;
}

/* A property's name becomes a field's, so it is of the characters that those have. */
static int add_property(struct fields *f, const char *item, struct sk_err *err)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    const size_t len = strcspn(item, "=");
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(HEADER_BYTES);

    if (len == 0 || item[len] != '=')
        return sk_fail(err, SK_USAGE, "--property: '%.60s' is not KEY=VALUE", item);
    if (strspn(item, token) < len)
        return sk_fail(err, SK_USAGE, "--property: '%.*s' is not of letters, digits and %s",
                       (int)(len < 60 ? len : 60), item, token + 62);
    sk_buf_str(&name, "iothub-app-");
    sk_buf_add(&name, item, len);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    return add_field(f, name.data, name.len, item + len + 1, err);
}

static int add_fields(const struct args *a, struct fields *f, struct sk_err *err)
{
    char until[SK_TIME_TEXT];

    for (size_t i = 0; i < a->properties.count; i++)
        if (add_property(f, a->properties.items[i], err) < 0)
            return -1;
    if (add_field(f, "iothub-ack", 10, a->ack, err) < 0)
        return -1;
    if (a->expiry_ms == 0)
        return 0;
    sk_time_text(sk_wall_ms() + a->expiry_ms, until);
    return add_field(f, "iothub-expiry", 13, until, err);
}

static int make_path(const struct args *a, const char *device, struct sk_buf *out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf tail = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);

    sk_buf_str(&tail, a->input ? "/inputs/" : "/messages/deviceBound");
    if (a->input)
        sk_url_escape(&tail, a->input);
    if (!sk_buf_ok(&tail))
        return sk_buf_fail(&tail, err);
    return sk_device_path("/devices/", device, a->module, tail.data, out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *file = NULL;
    SK_AUTO(fields_done) struct fields fields = { .count = 0 };
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(SK_DEVICE_BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DEVICE_PATH_BYTES);
    size_t len = a->body ? strlen(a->body) : 0;

    (void)count;
    if (check(a, err) < 0 || (a->file && sk_file_read(a->file, BODY_BYTES, &file, &len, err) < 0) ||
        add_fields(a, &fields, err) < 0 || make_path(a, operands[0], &path, err) < 0 ||
        sk_cli_remote(a->hub, &r, err) < 0)
        return -1;
    const char *body = file ? file : a->body;
    const struct sk_remote_request q = { .method = "POST",
                                         .path = path.data,
                                         .headers = fields.lines,
                                         .body = body,
                                         .body_len = len,
                                         .type = a->type ? a->type : guess_type(body, len) };
    if (sk_remote_send(r, &q, &answer, err) < 0 ||
        sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, &doc, err) < 0)
        return -1;
    sk_buf_fmt(&out, "message %s is sent to ", sk_json_get_text(doc, "messageId", ""));
    sk_device_name(&out, operands[0], a->module);
    sk_buf_chr(&out, '\n');
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_message_send = {
    .name = "message send",
    .operands = "DEVICE",
    .summary = "Sends a message to a device, or to an input of a module",
    .details = "A device that is not connected gets it when it comes; a module must be there.",
    .examples = "skerry message send line-3 --body '{\"lamp\": \"on\"}' --property kind=command\n"
                "skerry message send cell-7 --module filter --input frames --file frame.bin\n",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
