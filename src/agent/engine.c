/*
 * engine.c - what a Docker Engine needs of us: the hub's CA, so that it may pull from there, and a
 * network, whose gateway address is where containers find the local hub.
 *
 * Docker looks for a registry's CA in /etc/docker/certs.d/<host[:port]>/ca.crt, under the name that
 * stands in image references; it reads the file at each pull. A file of somebody else's is left
 * alone.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PEM_BYTES = 256 << 10
};

#define MARK "# The CA of the hub, written by skerry edge\n"

/* Whether the file may be (over)written: it is not there, or is ours. */
static bool is_ours(const char *path)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    if (!sk_is_file(path))
        return true;
    return sk_file_read(path, PEM_BYTES, &text, &len, &err) == 0 && sk_starts_with(text, MARK);
}

static int install(const char *certs_dir, const char *host, const char *pem, size_t len,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 * PEM_BYTES);
    SK_OWN(free) char *folder = sk_path_join(certs_dir, host);
    SK_OWN(free) char *path = folder ? sk_path_join(folder, "ca.crt") : NULL;
    SK_OWN(free) char *there = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    size_t there_len = 0;
    if (!path)
        return sk_nomem(err);
    if (!is_ours(path)) {
        sk_log(SK_INFO, "docker_ca_left", "path=%s reason=\"it is somebody else's\"", path);
        return 0;
    }
    sk_buf_str(&text, MARK);
    sk_buf_add(&text, pem, len);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_is_file(path) && sk_file_read(path, 2 * PEM_BYTES, &there, &there_len, &ignored) == 0 &&
        there_len == text.len && memcmp(there, text.data, there_len) == 0)
        return 0;
    if (sk_mkdirs(folder, 0755, err) < 0 || sk_file_write(path, text.data, text.len, 0644, err) < 0)
        return -1;
    sk_log(SK_INFO, "docker_ca", "path=%s", path);
    return 0;
}

int sk_agent_docker_ca(const char *dir, const struct sk_agent_config *c, const char *certs_dir,
                       struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(dir, "tls", "hub-ca.pem");
    SK_OWN(free) char *pem = NULL;
    char with_port[300];
    size_t len = 0;
    if (!path)
        return sk_nomem(err);
    if (!c->has_hub_ca)
        return 0;
    if (sk_file_read(path, PEM_BYTES, &pem, &len, err) < 0)
        return -1;
    (void)snprintf(with_port, sizeof with_port, "%s:%u", c->hub_name, c->hub_https_port);
    if (c->hub_https_port == 443 && install(certs_dir, c->hub_name, pem, len, err) < 0)
        return -1;
    return install(certs_dir, with_port, pem, len, err);
}

bool sk_agent_engine_look(struct sk_agent *a)
{
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    char gateway[64];
    if (*a->bridge || stat(a->config.docker_socket, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    if (sk_runtime_gateway(&a->host, gateway, &err) < 0) {
        sk_log(SK_DEBUG, "docker_failed", "error=\"%s\"", err.text);
        return false;
    }
    {
        SK_LOCK(&a->lock);
        (void)snprintf(a->bridge, sizeof a->bridge, "%s", gateway);
    }
    sk_log(SK_INFO, "docker_network", "name=" SK_AGENT_NETWORK " gateway=%s", gateway);
    if (geteuid() == 0 && sk_agent_docker_ca(a->dir, &a->config, "/etc/docker/certs.d", &err) < 0)
        sk_log(SK_WARN, "docker_ca_failed",
               "error=\"%s\" what_next=\"the Engine cannot pull from the hub\"", err.text);
    return true;
}
