/*
 * fetch.c - the child of a pull (`skerry edge-fetch`): the only process of the edge that speaks to
 * registries, and the only one with libcurl and libarchive.
 *
 * Its order comes on standard input as one JSON object, its answers go to standard output, one JSON
 * object a line. It has a folder to write to, no keys of the device, and a login for this one
 * registry. What it makes is checked here by digest, and taken over by the agent as data only: the
 * config's text, and a folder of plain files.
 *
 *     manifest --(signature)--> config --> native? --no--> {"event":"result","native":false}
 *                                            |
 *                             layer: WORK/HEX, goes on after a cut
 *                                            |
 *                             WORK/tree: what lies below models/ in it
 */
#include "runtime/runtime_priv.h"

#include "archive/archive.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "pack/pack.h"
#include "sign/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LAYER_KEY "skerry.layer"
#define LABEL     "skerry.bundle"
#define MODELS    "models"

enum {
    ORDER_MAX = 8 << 20,
    CONFIG_MAX = 1 << 20,
    KEYS_MAX = 16,
    RETRIES = 3,
    TELL_MS = 500
};

/* ---- is it ours? ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_not(char *why, const char *fmt, ...) SK_PRINTF(2, 3);

static bool is_not(char *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why, 256, fmt, args);
    va_end(args);
    return false;
}

static bool has_model_mark(const struct sk_oci_descriptor *d)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;

    return d->annotations &&
           sk_json_parse(d->annotations, strlen(d->annotations), NULL, &doc, &ignored) == 0 &&
           strcmp(sk_json_get_text(doc, LAYER_KEY, ""), "model") == 0;
}

static bool is_serve(const struct sk_json *config, char *why)
{
    const struct sk_json *entry = sk_json_get(config, "Entrypoint");
    const char *program = sk_json_text(sk_json_at(entry, 0), "");
    const char *word = sk_json_text(sk_json_at(entry, 1), "");

    if (sk_json_type(entry) != SK_JSON_ARRAY || sk_json_count(entry) != 2 ||
        strcmp(base_name(program), "skerry") != 0 || strcmp(word, "serve") != 0)
        return is_not(why, "its entry point is not 'skerry serve'");
    return true;
}

static bool is_known_bundle(const struct sk_json *config, char *why)
{
    const char *text = sk_json_get_text(sk_json_get(config, "Labels"), LABEL, NULL);
    struct sk_err bad = SK_ERR_INIT;
    uint64_t version = 0;

    if (!text)
        return is_not(why, "it has no label " LABEL);
    if (sk_parse_u64(LABEL, text, 1, UINT32_MAX, &version, &bad) < 0)
        return is_not(why, "%.200s", bad.text);
    if (version > SK_PACK_BUNDLE_FORMAT)
        return is_not(why, "its bundle has format %llu, this program knows up to %d",
                      (unsigned long long)version, SK_PACK_BUNDLE_FORMAT);
    return true;
}

bool sk_rt_fetch_is_native(const struct sk_json *config, const struct sk_oci_manifest *m,
                           size_t *layer, char *why)
{
    const struct sk_json *inner = sk_json_get(config, "config");
    size_t found = m->count;

    why[0] = '\0';
    if (!is_serve(inner, why) || !is_known_bundle(inner, why))
        return false;
    for (size_t i = 0; i < m->count; i++) {
        if (!has_model_mark(&m->items[i]))
            continue;
        if (found < m->count)
            return is_not(why, "it has several model layers");
        found = i;
    }
    if (found == m->count)
        return is_not(why, "it has no model layer");
    *layer = found;
    return true;
}

/* ---- the order ---- */

struct order {
    struct sk_json *doc;
    const char *image, *work, *ca, *username, *password;
    const struct sk_json *keys, *layers;
};

static void order_done(struct order *o)
{
    sk_json_free(o->doc);
}

static int read_order(struct order *o, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;

    if (sk_file_read("-", ORDER_MAX, &text, &len, err) < 0 ||
        sk_json_parse(text, len, NULL, &o->doc, err) < 0 ||
        sk_json_want_text(o->doc, "image", &o->image, err) < 0 ||
        sk_json_want_text(o->doc, "work", &o->work, err) < 0 ||
        sk_json_want_text(o->doc, "ca", &o->ca, err) < 0 ||
        sk_json_want_text(o->doc, "username", &o->username, err) < 0 ||
        sk_json_want_text(o->doc, "password", &o->password, err) < 0 ||
        sk_json_want_array(o->doc, "keys", &o->keys, err) < 0 ||
        sk_json_want_array(o->doc, "layers", &o->layers, err) < 0)
        return sk_wrap(err, "order");
    if (!o->image || !o->work)
        return sk_fail(err, SK_INVALID, "order: 'image' and 'work' must be there");
    return 0;
}

/* ---- answers ---- */

static int say(const struct sk_buf *line, struct sk_err *err)
{
    if (!sk_buf_ok(line))
        return sk_buf_fail(line, err);
    return sk_write_all(STDOUT_FILENO, line->data, line->len) == 0
               ? 0
               : sk_fail_errno(err, "standard output");
}

struct teller {
    uint64_t next_ms;
};

static bool progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(4096);
    struct teller *t = ctx;
    struct sk_err ignored = SK_ERR_INIT;

    if (!what || (sk_now_ms() < t->next_ms && done != total))
        return true;
    t->next_ms = sk_now_ms() + TELL_MS;
    sk_buf_str(&line, "{\"event\":\"progress\",\"what\":");
    sk_buf_json_str(&line, what);
    sk_buf_fmt(&line, ",\"done\":%llu,\"total\":%llu}\n", (unsigned long long)done,
               (unsigned long long)total);
    return say(&line, &ignored) == 0; /* nobody listens: stop */
}

/* ---- the work ---- */

struct job {
    const struct order *order;
    struct sk_oci_ref ref;
    struct sk_oci_registry *registry;
    struct sk_oci_manifest manifest;
    struct sk_json *config;
    char digest[SK_OCI_DIGEST_TEXT];
    struct teller teller;
};

static void job_done(struct job *j)
{
    sk_oci_registry_free(j->registry);
    sk_oci_manifest_done(&j->manifest);
    sk_json_free(j->config);
}

static int path_in(const struct job *j, const char *name, char out[SK_RT_PATH], struct sk_err *err)
{
    return snprintf(out, SK_RT_PATH, "%s/%s", j->order->work, name) < SK_RT_PATH
               ? 0
               : sk_fail(err, SK_LIMIT, "'%.200s...' is too long", j->order->work);
}

static int connect_registry(struct job *j, struct sk_err *err)
{
    const struct order *o = j->order;
    char ca[SK_RT_PATH];

    if (sk_oci_ref_parse(o->image, NULL, &j->ref, err) < 0 || path_in(j, "ca.pem", ca, err) < 0)
        return -1;
    if (o->ca && sk_file_write(ca, o->ca, strlen(o->ca), 0600, err) < 0)
        return -1;
    const struct sk_oci_options opts = { .host = j->ref.host,
                                         .ca_file = o->ca ? ca : NULL,
                                         .username = o->username,
                                         .password = o->password,
                                         .retries = RETRIES,
                                         .progress = progress,
                                         .ctx = &j->teller };
    return sk_oci_registry_new(&opts, &j->registry, err);
}

/* digest: what was signed, "" when nothing must be. */
static int verify(struct job *j, char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_OWN(sk_verifier_free) struct sk_verifier *v = NULL;
    SK_OWN(free) char *bytes = NULL;
    char files[KEYS_MAX][SK_RT_PATH], media_type[128];
    const char *names[KEYS_MAX];
    size_t count = sk_json_count(j->order->keys), len = 0;

    digest[0] = '\0';
    if (count == 0)
        return 0;
    if (count > KEYS_MAX)
        return sk_fail(err, SK_LIMIT, "%zu keys, at most %d are taken", count, KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *pem = sk_json_text(sk_json_at(j->order->keys, i), "");
        char name[32];

        (void)snprintf(name, sizeof name, "key-%zu.pem", i);
        if (path_in(j, name, files[i], err) < 0 ||
            sk_file_write(files[i], pem, strlen(pem), 0600, err) < 0)
            return -1;
        names[i] = files[i];
    }
    if (sk_verifier_open(names, count, &v, err) < 0 ||
        sk_oci_get_manifest(j->registry, j->ref.repository,
                            j->ref.digest[0] ? j->ref.digest : j->ref.tag, &bytes, &len, media_type,
                            digest, err) < 0)
        return -1;
    return sk_verify_image(v, j->registry, &j->ref, digest, err);
}

static int find_image(struct job *j, struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    SK_OWN(free) char *config = NULL;
    char wanted[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    if (verify(j, wanted, err) < 0 ||
        sk_oci_find_image(j->registry, &j->ref, NULL, wanted[0] ? wanted : NULL, &bytes, &len,
                          j->digest, err) < 0 ||
        sk_oci_manifest_parse(bytes, len, &j->manifest, err) < 0)
        return -1;
    if (sk_oci_read_blob(j->registry, j->ref.repository, &j->manifest.config, CONFIG_MAX, &config,
                         &len, err) < 0 ||
        sk_json_parse(config, len, NULL, &j->config, err) < 0)
        return sk_wrap(err, "config of the image");
    return 0;
}

static bool is_here(const struct job *j, const char *layer)
{
    for (size_t i = 0; i < sk_json_count(j->order->layers); i++)
        if (strcmp(sk_json_text(sk_json_at(j->order->layers, i), ""), layer) == 0)
            return true;
    return false;
}

/* A layer that is not compressed is its own contents, and the config says of what digest they are:
 * one that says otherwise belongs to another image. */
static int check_contents(const struct job *j, size_t layer, struct sk_err *err)
{
    const struct sk_oci_descriptor *d = &j->manifest.items[layer];
    const struct sk_json *ids = sk_json_get(sk_json_get(j->config, "rootfs"), "diff_ids");
    const char *id = sk_json_text(sk_json_at(ids, layer), "");

    if (sk_json_count(ids) != j->manifest.count)
        return sk_fail(err, SK_CORRUPT, "the image has %zu layers, its config names %zu",
                       j->manifest.count, sk_json_count(ids));
    if (strcmp(d->media_type, SK_OCI_LAYER) == 0 && strcmp(d->digest, id) != 0)
        return sk_fail(err, SK_CORRUPT, "the model layer is %s, the image's config names %.140s",
                       d->digest, id);
    return 0;
}

/* SK_INVALID of archives are of the image's making here. */
static int unpack(const char *layer, const char *tree, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(layer, O_RDONLY | O_CLOEXEC);
    const struct sk_tar_limits limits = { .max_entries = SK_PACK_FILES * 2 };

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", layer);
    if (sk_remove_tree(tree, err) < 0 || sk_mkdirs(tree, 0755, err) < 0)
        return -1;
    if (sk_tar_unpack(fd, &limits, MODELS, tree, true, err) < 0)
        return sk_wrap(err, "the model layer");
    return 0;
}

static int get_layer(struct job *j, size_t layer, struct sk_err *err)
{
    const struct sk_oci_descriptor *d = &j->manifest.items[layer];
    const char *colon = strchr(d->digest, ':');
    char file[SK_RT_PATH], tree[SK_RT_PATH];

    if (path_in(j, colon ? colon + 1 : "layer", file, err) < 0 ||
        path_in(j, "tree", tree, err) < 0 || check_contents(j, layer, err) < 0)
        return -1;
    if (is_here(j, d->digest))
        return 0;
    if (sk_oci_get_blob(j->registry, j->ref.repository, d->digest, d->size, file, err) < 0)
        return -1;
    if (!progress(&j->teller, "unpack", 0, 0) || unpack(file, tree, err) < 0)
        return -1;
    (void)unlink(file);
    return 0;
}

static int work(struct job *j, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(CONFIG_MAX * 2);
    char why[256];
    size_t layer = 0;

    if (connect_registry(j, err) < 0 || find_image(j, err) < 0)
        return -1;
    bool is_native = sk_rt_fetch_is_native(j->config, &j->manifest, &layer, why);
    if (is_native && get_layer(j, layer, err) < 0)
        return -1;
    sk_buf_fmt(&line, "{\"event\":\"result\",\"native\":%s,\"digest\":\"%s\",\"layer\":\"%s\"",
               is_native ? "true" : "false", j->digest,
               is_native ? j->manifest.items[layer].digest : "");
    sk_buf_fmt(&line, ",\"unpacked\":%s,\"why\":",
               is_native && !is_here(j, j->manifest.items[layer].digest) ? "true" : "false");
    sk_buf_json_str(&line, why);
    sk_buf_str(&line, ",\"config\":");
    if (is_native)
        sk_json_dump(sk_json_get(j->config, "config"), &line);
    else
        sk_buf_str(&line, "{}");
    sk_buf_str(&line, "}\n");
    return say(&line, err);
}

void sk_rt_find_full(struct sk_err *err)
{
    if (err->code == SK_IO &&
        (strstr(err->text, strerror(ENOSPC)) || strstr(err->text, strerror(EDQUOT))))
        err->code = SK_FULL;
}

int sk_runtime_fetch_main(struct sk_err *err)
{
    SK_AUTO(order_done) struct order o = { 0 };
    SK_AUTO(job_done) struct job j = { .order = &o };
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(8192);
    struct sk_err failed = SK_ERR_INIT;

    if (read_order(&o, &failed) == 0 && work(&j, &failed) == 0)
        return 0;
    sk_rt_find_full(&failed);
    sk_buf_fmt(&line, "{\"event\":\"error\",\"code\":\"%s\",\"text\":", sk_code_name(failed.code));
    sk_buf_json_str(&line, failed.text);
    sk_buf_str(&line, "}\n");
    return say(&line, err); /* it is told, so it is no failure of ours */
}
