/* client.c - see client.h. */
#include "serve/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* is_sent: NULL: nobody asks. */
static void ask(int family, const void *to, socklen_t to_len, const char *line, const char *type,
                const void *body, size_t len, atomic_bool *is_sent, struct answer *out)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char head[512];
    size_t used = 0;

    *out = (struct answer){ 0 };
    int n = snprintf(
        head, sizeof head,
        "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s%sContent-Length: %zu\r\n\r\n", line,
        type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "", len);
    if (connect(fd, to, to_len) == 0 && send_all(fd, head, (size_t)n) == 0 &&
        send_all(fd, body, len) == 0) {
        if (is_sent)
            atomic_store(is_sent, true);
        for (;;) {
            ssize_t got = recv(fd, out->text + used, sizeof out->text - 1 - used, 0);
            if (got <= 0)
                break;
            used += (size_t)got;
        }
        if (used > 12 && memcmp(out->text, "HTTP/1.1 ", 9) == 0)
            out->status = (int)strtol(out->text + 9, NULL, 10);
    }
    (void)close(fd);
}

void client_ask_told(uint16_t port, const char *line, const char *type, const void *body,
                     size_t len, atomic_bool *is_sent, struct answer *out)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    ask(AF_INET, &to, sizeof to, line, type, body, len, is_sent, out);
}

void client_ask(uint16_t port, const char *line, const char *type, const void *body, size_t len,
                struct answer *out)
{
    client_ask_told(port, line, type, body, len, NULL, out);
}

void client_ask_unix(const char *path, const char *line, const char *type, const void *body,
                     size_t len, struct answer *out)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    ask(AF_UNIX, &to, sizeof to, line, type, body, len, NULL, out);
}
