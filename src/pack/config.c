/*
 * config.c - the image's config and manifest (OCI image specification 1.1), byte for byte the same
 * for the same image: no spaces, keys in the order that is written here.
 *
 * Healthcheck is Docker's; other runtimes pass over it. The image has no shell and no curl, so the
 * program asks itself. SKERRY_HOST and SKERRY_PORT are options of `serve` and of `health`.
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define SECOND "000000000"

static void add_process(const struct sk_pack_image *image, struct sk_buf *out)
{
    sk_buf_fmt(out, "\"User\":\"%d:%d\",\"ExposedPorts\":{\"%u/tcp\":{}}", SK_PACK_UID, SK_PACK_UID,
               image->port);
    sk_buf_fmt(out,
               ",\"Env\":[\"PATH=/usr/bin\",\"SKERRY_HOST=0.0.0.0\",\"SKERRY_PORT=%u\","
               "\"SKERRY_CACHE_DIR=/tmp/skerry\"]",
               image->port);
    sk_buf_str(out, ",\"Entrypoint\":[\"/usr/bin/skerry\",\"serve\"]");
    if (image->model_path) {
        sk_buf_str(out, ",\"Cmd\":[");
        sk_buf_json_str(out, image->model_path);
        sk_buf_chr(out, ']');
    }
    sk_buf_str(out, ",\"WorkingDir\":\"/\",\"StopSignal\":\"SIGTERM\"");
    sk_buf_str(out, ",\"Healthcheck\":{\"Test\":[\"CMD\",\"/usr/bin/skerry\",\"health\"],"
                    "\"Interval\":10" SECOND ",\"Timeout\":5" SECOND ",\"StartPeriod\":60" SECOND
                    ",\"Retries\":3}");
}

static const char *kind_of(size_t layer)
{
    return layer == 0 ? "base" : "model";
}

void sk_pack_image_config(const struct sk_pack_image *image, struct sk_buf *out)
{
    sk_buf_str(out, "{\"created\":");
    sk_buf_json_str(out, image->created);
    sk_buf_str(out, ",\"architecture\":");
    sk_buf_json_str(out, image->architecture);
    sk_buf_str(out, ",\"os\":\"linux\",\"config\":{");
    add_process(image, out);
    sk_buf_str(out, ",\"Labels\":");
    sk_pack_labels_json(image->labels, out);
    sk_buf_str(out, "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
    for (size_t i = 0; i < image->layer_count; i++)
        sk_buf_fmt(out, "%s\"%s\"", i ? "," : "", image->layers[i].diff_id);
    sk_buf_str(out, "]},\"history\":[");
    for (size_t i = 0; i < image->layer_count; i++) {
        sk_buf_str(out, i ? ",{\"created\":" : "{\"created\":");
        sk_buf_json_str(out, image->created);
        sk_buf_fmt(out, ",\"created_by\":\"skerry package\",\"comment\":\"%s\"}", kind_of(i));
    }
    sk_buf_str(out, "]}");
}

void sk_pack_image_manifest(const struct sk_pack_image *image, const char *config_digest,
                            size_t config_size, struct sk_buf *out)
{
    sk_buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST "\"");
    sk_buf_fmt(out, ",\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
               SK_OCI_CONFIG, config_digest, config_size);
    sk_buf_str(out, ",\"layers\":[");
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct sk_pack_layer *l = &image->layers[i];
        sk_buf_fmt(out, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu", i ? "," : "",
                   l->media_type, l->digest, (unsigned long long)l->bytes);
        sk_buf_fmt(out, ",\"annotations\":{\"skerry.layer\":\"%s\",\"skerry.unpacked\":\"%llu\"}}",
                   kind_of(i), (unsigned long long)l->unpacked);
    }
    sk_buf_str(out, "],\"annotations\":");
    sk_pack_labels_json(image->labels, out);
    sk_buf_chr(out, '}');
}

bool sk_pack_is_rfc3339(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t n = 0;

    for (; form[n]; n++)
        if (form[n] == 'd' ? !isdigit((unsigned char)text[n]) : text[n] != form[n])
            return false;
    if (text[n] == '.') {
        size_t digits = strspn(text + n + 1, "0123456789");
        if (digits == 0 || digits > 9)
            return false;
        n += digits + 1;
    }
    if (strcmp(text + n, "Z") == 0)
        return true;
    return (text[n] == '+' || text[n] == '-') && strlen(text + n) == 6 && text[n + 3] == ':' &&
           isdigit((unsigned char)text[n + 1]) && isdigit((unsigned char)text[n + 2]) &&
           isdigit((unsigned char)text[n + 4]) && isdigit((unsigned char)text[n + 5]);
}
