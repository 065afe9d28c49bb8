/*
 * init.c - `skerry edge init`: from a connection string to a device's folder.
 *
 * The folder is made under another name and appears in one step, or not at all.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "iot/iot.h"
#include "remote/remote.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PEM_BYTES = 256 << 10,
    HTTPS_PORT = 443,
    MQTT_PORT = 8883,
    METRICS_PORT = 9600
};

/* "hub:8443" into name and port. */
static int take_host(const char *text, uint16_t wanted, struct sk_agent_config *c,
                     struct sk_err *err)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    uint64_t port = HTTPS_PORT;
    if (colon && sk_parse_u64("the port in HostName", colon + 1, 1, 65535, &port, err) < 0)
        return -1;
    if (len == 0 || len >= sizeof c->hub_name)
        return sk_fail(err, SK_INVALID, "HostName '%s' is no host", text);
    memcpy(c->hub_name, text, len);
    memcpy(c->hub_address, text, len);
    c->hub_https_port = wanted ? wanted : (uint16_t)port;
    return 0;
}

static int copy_list(const char *const *from, char **to, size_t max, const char *what,
                     struct sk_err *err)
{
    for (size_t i = 0; from && from[i]; i++) {
        if (i + 1 >= max)
            return sk_fail(err, SK_LIMIT, "more than %zu %s", max - 1, what);
        if (!(to[i] = strdup(from[i])))
            return sk_nomem(err);
    }
    return 0;
}

static int fill_config(const struct sk_agent_init *in, const struct sk_iot_connection *cs,
                       struct sk_agent_config *c, struct sk_err *err)
{
    static const char *const loopback[] = { "127.0.0.1", NULL };
    const char *const *listen = in->listen && in->listen[0] ? in->listen : loopback;
    *c = (struct sk_agent_config){
        .hub_mqtt_port = in->hub_mqtt_port ? in->hub_mqtt_port : MQTT_PORT,
        .is_x509 = cs->is_x509,
        .mqtt_port = in->mqtt_port ? in->mqtt_port : MQTT_PORT,
        .https_port = in->https_port ? in->https_port : HTTPS_PORT,
        .metrics_port = in->metrics_port ? in->metrics_port : METRICS_PORT,
        .disk_bytes = in->disk_bytes ? in->disk_bytes : 8ull << 30,
        .probation_ms = 120000,
        .gate_ms = 60000,
        .has_hub_ca = in->hub_ca_file || in->hub_ca_sha256,
    };
    c->spool_bytes = in->spool_bytes ? in->spool_bytes : c->disk_bytes / 4;
    if (c->spool_bytes > c->disk_bytes)
        return sk_fail(err, SK_USAGE,
                       "--spool-size is more than --disk-size, of which it is a part");
    (void)snprintf(c->device, sizeof c->device, "%s", cs->device);
    (void)snprintf(c->publish, sizeof c->publish, "%s", in->publish ? in->publish : "0.0.0.0");
    (void)snprintf(c->docker_socket, sizeof c->docker_socket, "%s",
                   in->docker_socket ? in->docker_socket : "/var/run/docker.sock");
    if (take_host(cs->host, in->hub_https_port, c, err) < 0 ||
        copy_list(listen, c->listen, sizeof c->listen / sizeof *c->listen, "addresses", err) < 0 ||
        copy_list(in->verify_keys, c->verify_keys, sizeof c->verify_keys / sizeof *c->verify_keys,
                  "keys", err) < 0)
        return -1;
    (void)snprintf(c->gateway, sizeof c->gateway, "%s", in->hostname ? in->hostname : listen[0]);
    return 0;
}

/* Addresses that can be listened on, ports that differ, keys that are some: what would only be
 * found out in the field. */
static int check_network(const struct sk_agent_init *in, const struct sk_agent_config *c,
                         struct sk_err *err)
{
    unsigned char raw[16];
    for (size_t i = 0; c->listen[i]; i++)
        if (inet_pton(AF_INET, c->listen[i], raw) != 1 &&
            inet_pton(AF_INET6, c->listen[i], raw) != 1)
            return sk_fail(err, SK_USAGE, "--listen '%s' is no address", c->listen[i]);
    if (inet_pton(AF_INET, c->publish, raw) != 1 && inet_pton(AF_INET6, c->publish, raw) != 1)
        return sk_fail(err, SK_USAGE, "--publish-address '%s' is no address", c->publish);
    if (c->mqtt_port == c->https_port || c->mqtt_port == c->metrics_port ||
        c->https_port == c->metrics_port)
        return sk_fail(err, SK_USAGE,
                       "--mqtt-port, --https-port and --metrics-port must differ: %u, %u, %u",
                       c->mqtt_port, c->https_port, c->metrics_port);
    for (size_t i = 0; in->verify_keys && in->verify_keys[i]; i++) {
        SK_OWN(free) char *pem = NULL;
        SK_OWN(sk_key_free) struct sk_key *key = NULL;
        size_t len = 0;
        if (sk_file_read(in->verify_keys[i], PEM_BYTES, &pem, &len, err) < 0 ||
            sk_key_parse(pem, len, &key, err) < 0)
            return sk_wrap(err, "--verify-key '%s'", in->verify_keys[i]);
    }
    return 0;
}

static int check_identity(const struct sk_agent_init *in, const struct sk_iot_connection *cs,
                          struct sk_err *err)
{
    if (!*cs->device || *cs->policy)
        return sk_fail(err, SK_USAGE,
                       "that is a connection string of the hub; the edge device's own is needed: "
                       "'skerry device create NAME --edge-enabled' prints it");
    if (*cs->module)
        return sk_fail(err, SK_USAGE,
                       "that is a module's connection string; the device's is needed");
    if (cs->is_x509 && (!in->cert_file || !in->key_file))
        return sk_fail(err, SK_USAGE,
                       "the device logs in by certificate: give --cert-file and --key-file");
    if (!cs->is_x509 && (in->cert_file || in->key_file))
        return sk_fail(err, SK_USAGE, "a device with a key needs no --cert-file and --key-file");
    return 0;
}

/* ---- the hub's CA ---- */

static int pin_ca(const struct sk_agent_init *in, const struct sk_agent_config *c,
                  struct sk_buf *pem, struct sk_err *err)
{
    char url[320], sha256[65];
    const char *want = in->hub_ca_sha256;
    if (sk_starts_with(want, "sha256:"))
        want += strlen("sha256:");
    (void)snprintf(url, sizeof url, "https://%s:%u", c->hub_address, c->hub_https_port);
    if (sk_remote_peek_ca(url, pem, sha256, err) < 0)
        return sk_wrap(err, "the hub's certificate");
    if (!sk_view_eq_nocase(sk_view_of(want), sha256))
        return sk_fail(err, SK_DENIED,
                       "%s shows a CA with the digest %s, not the one that was given: ask who runs "
                       "the hub ('skerry hub init' printed it)",
                       url, sha256);
    return 0;
}

static int write_ca(const char *dir, const struct sk_agent_init *in,
                    const struct sk_agent_config *c, struct sk_agent_made *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(PEM_BYTES);
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", "hub-ca.pem");
    struct sk_cert_info info;
    if (!path)
        return sk_nomem(err);
    if (!c->has_hub_ca)
        return 0;
    if (in->hub_ca_file) {
        SK_OWN(free) char *bytes = NULL;
        size_t len = 0;
        if (sk_file_read(in->hub_ca_file, PEM_BYTES, &bytes, &len, err) < 0)
            return sk_wrap(err, "--hub-ca");
        sk_buf_add(&pem, bytes, len);
    } else if (pin_ca(in, c, &pem, err) < 0) {
        return -1;
    }
    if (!sk_buf_ok(&pem))
        return sk_buf_fail(&pem, err);
    if (sk_cert_info(pem.data, pem.len, &info, err) < 0)
        return sk_wrap(err, "the hub's CA%s%s", in->hub_ca_file ? " " : "",
                       in->hub_ca_file ? in->hub_ca_file : "");
    memcpy(out->ca_sha256, info.sha256, sizeof out->ca_sha256);
    return sk_file_write(path, pem.data, pem.len, 0644, err);
}

/* ---- the folder ---- */

static int copy_secret(const char *dir, const char *from, const char *name, const char *option,
                       struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    SK_OWN(free) char *to = sk_agent_path(dir, "secrets", name);
    size_t len = 0;
    if (!to)
        return sk_nomem(err);
    if (sk_file_read(from, PEM_BYTES, &bytes, &len, err) < 0)
        return sk_wrap(err, "%s", option);
    int rc = sk_file_write(to, bytes, len, 0600, err);
    explicit_bzero(bytes, len);
    return rc;
}

static int fill_folder(const char *dir, const struct sk_agent_init *in,
                       const struct sk_iot_connection *cs, const struct sk_agent_config *c,
                       struct sk_agent_made *out, struct sk_err *err)
{
    bool is_new;
    if (sk_agent_secrets_make(dir, cs->is_x509 ? NULL : cs->key, err) < 0 ||
        (cs->is_x509 && (copy_secret(dir, in->cert_file, "device.pem", "--cert-file", err) < 0 ||
                         copy_secret(dir, in->key_file, "device-key.pem", "--key-file", err) < 0)))
        return -1;
    if (sk_agent_certs(dir, c, "", (int64_t)time(NULL), &is_new, err) < 0 ||
        write_ca(dir, in, c, out, err) < 0)
        return -1;
    return sk_agent_config_save(dir, c, err);
}

/* What is there becomes "<dir>.old-N" with force: nothing is deleted. */
static int make_way(const char *dir, bool force, struct sk_err *err)
{
    SK_OWN(free) char *config = sk_agent_path(dir, "edge.json", NULL);
    struct stat st;
    char aside[512];
    if (!config)
        return sk_nomem(err);
    if (sk_is_file(config) && !force)
        return sk_fail(err, SK_EXISTS,
                       "'%s' is an edge device's folder already; --force sets it aside and makes "
                       "another",
                       dir);
    if (lstat(dir, &st) < 0)
        return 0;
    if (!sk_is_file(config) && rmdir(dir) == 0)
        return 0;
    if (!sk_is_file(config))
        return sk_fail(err, SK_EXISTS, "'%s' is there and not empty", dir);
    for (unsigned i = 1; i < 1000; i++) {
        if ((size_t)snprintf(aside, sizeof aside, "%s.old-%u", dir, i) >= sizeof aside)
            break;
        if (lstat(aside, &st) < 0)
            return rename(dir, aside) == 0 ? 0 : sk_fail_errno(err, "setting '%s' aside", dir);
    }
    return sk_fail(err, SK_EXISTS, "'%s' cannot be set aside", dir);
}

int sk_agent_init(const struct sk_agent_init *in, struct sk_agent_made *out, struct sk_err *err)
{
    struct sk_iot_connection cs;
    SK_AUTO(sk_agent_config_done) struct sk_agent_config c = { .publish = "" };
    char temp[512];
    memset(out, 0, sizeof *out);
    if (sk_iot_connection_parse(in->connection_string, &cs, err) < 0)
        return sk_wrap(err, "the connection string");
    if (check_identity(in, &cs, err) < 0 || fill_config(in, &cs, &c, err) < 0 ||
        check_network(in, &c, err) < 0)
        return -1;
    if ((size_t)snprintf(temp, sizeof temp, "%s.new", in->dir) >= sizeof temp)
        return sk_fail(err, SK_LIMIT, "the folder's path is too long");
    if (sk_remove_tree(temp, err) < 0 || sk_mkdirs(temp, 0711, err) < 0)
        return -1;
    if (fill_folder(temp, in, &cs, &c, out, err) < 0 || make_way(in->dir, in->force, err) < 0) {
        struct sk_err ignored = SK_ERR_INIT;
        (void)!sk_remove_tree(temp, &ignored);
        return -1;
    }
    explicit_bzero(&cs, sizeof cs);
    if (rename(temp, in->dir) < 0)
        return sk_fail_errno(err, "'%s'", in->dir);
    (void)snprintf(out->device, sizeof out->device, "%s", c.device);
    (void)snprintf(out->hub, sizeof out->hub, "%s", c.hub_name);
    (void)snprintf(out->gateway, sizeof out->gateway, "%s", c.gateway);
    (void)snprintf(out->ca_file, sizeof out->ca_file, "%s/tls/ca.pem", in->dir);
    return 0;
}
