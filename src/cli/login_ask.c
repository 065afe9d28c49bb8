/*
 * login_ask.c - tokens and fingerprints: from files, from the words of a user, from a terminal.
 *
 * Questions go to /dev/tty, so that they work while standard input and output are something else,
 * and fail where there is nobody to ask. A token is typed without an echo, which is on again
 * however the question ends.
 */
#include "cli/login_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <termios.h>

enum {
    TOKEN_BYTES = 4096,
    ANSWER_BYTES = 64
};

/* ---- words ---- */

int sk_login_digest(const char *text, char out[65], struct sk_err *err)
{
    char hex[65];
    size_t len = 0;

    for (const char *p = strncasecmp(text, "sha256:", 7) == 0 ? text + 7 : text; *p; p++) {
        if (*p == ':')
            continue;
        if (!isxdigit((unsigned char)*p) || len == 64) {
            len = 0;
            break;
        }
        hex[len++] = (char)tolower((unsigned char)*p);
    }
    if (len != 64)
        return sk_fail(err, SK_USAGE, "'%.100s' is no SHA-256: 64 hex digits are needed", text);
    hex[64] = '\0';
    memcpy(out, hex, sizeof hex);
    return 0;
}

/* The value of a part "Name=value;" into out; false: it has no place there. */
static bool copy_part(struct sk_view value, char *out, size_t cap)
{
    if (value.len == 0 || value.len >= cap)
        return false;
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return true;
}

int sk_login_split(const char *hub, char host[300], char sha256[65], struct sk_err *err)
{
    char name[256] = "", port[8] = "8443", digest[100] = "";

    sha256[0] = '\0';
    if (strncasecmp(hub, "HostName=", 9) != 0) {
        (void)snprintf(host, 300, "%.299s", hub);
        return 0;
    }
    for (const char *p = hub; *p;) {
        size_t len = strcspn(p, ";"), name_len = strcspn(p, "=;");
        struct sk_view key = { p, name_len };
        struct sk_view value = { p + name_len + 1, len > name_len ? len - name_len - 1 : 0 };
        bool ok = true; /* parts that later versions add are not ours to refuse */
        if (sk_view_eq_nocase(key, "HostName"))
            ok = copy_part(value, name, sizeof name);
        else if (sk_view_eq_nocase(key, "Port"))
            ok = copy_part(value, port, sizeof port);
        else if (sk_view_eq_nocase(key, "CaSha256"))
            ok = copy_part(value, digest, sizeof digest);
        if (!ok)
            return sk_fail(err, SK_USAGE, "the connection string is malformed at '%.*s'",
                           (int)(len < 40 ? len : 40), p);
        p += len + (p[len] == ';');
    }
    const char *open = strchr(name, ':') && name[0] != '[' ? "[" : "", *close = open[0] ? "]" : "";
    (void)snprintf(host, 300, "%s%s%s:%s", open, name, close, port);
    return digest[0] ? sk_login_digest(digest, sha256, err) : 0;
}

/* ---- tokens ---- */

/* Cuts at the line's end; what is left must be printable without spaces. */
static int check_token(char *text, const char *where, struct sk_err *err)
{
    text[strcspn(text, "\r\n")] = '\0';
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return sk_fail(err, SK_INVALID, "%s: that is no token", where);
    if (!*text)
        return sk_fail(err, SK_INVALID, "%s: there is no token", where);
    return 0;
}

int sk_login_read_token(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    const bool is_stdin = strcmp(path, "-") == 0;
    size_t len = 0;

    if (sk_file_read(path, TOKEN_BYTES, &text, &len, err) < 0)
        return is_stdin ? sk_wrap(err, "the token on standard input") : -1;
    if (check_token(text, is_stdin ? "standard input" : path, err) < 0)
        return -1;
    *out = SK_TAKE(text);
    return 0;
}

/* ---- the terminal ---- */

static int say(int tty, const char *text)
{
    return sk_write_all(tty, text, strlen(text));
}

/* A line without its end into out[cap]; false: none came, or a signal that `mask` lets through
 * while it waits (NULL: the mask stays).
 */
static bool hear(int tty, const sigset_t *mask, char *out, size_t cap)
{
    struct pollfd typed = { .fd = tty, .events = POLLIN };
    size_t len = 0;
    char c = '\0';

    while (ppoll(&typed, 1, NULL, mask) == 1 && read(tty, &c, 1) == 1 && c != '\n')
        if (len + 1 < cap)
            out[len++] = c;
    out[len] = '\0';
    return c == '\n';
}

int sk_login_ask_ca(const char *host, const char *sha256, bool *yes, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    SK_AUTO(sk_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    char answer[ANSWER_BYTES];

    if (tty < 0)
        return sk_fail(
            err, SK_DENIED,
            "the CA of %s is not known, and there is no terminal to ask: give --ca-file, "
            "or --ca-sha256 with the fingerprint that 'skerry hub init' printed",
            host);
    sk_buf_fmt(&b,
               "%s is certified by a CA that this machine does not know, with the fingerprint\n"
               "  sha256:%s\n"
               "Compare it with the one that 'skerry hub init' printed. Is it the same? [yes/no] ",
               host, sha256);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    if (say(tty, b.data) < 0)
        return sk_fail_errno(err, "the terminal");
    *yes = hear(tty, NULL, answer, sizeof answer) && strcasecmp(answer, "yes") == 0;
    return 0;
}

static const int endings[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

enum {
    ENDINGS = sizeof endings / sizeof endings[0]
};

static volatile sig_atomic_t ended_by;

static void on_ending(int number)
{
    ended_by = number;
}

/* A line that is typed without an echo: 1; 0: none came; -1: the terminal failed, with errno. The
 * signals that end a program are held from before the echo goes until it is back, but for the wait:
 * so none leaves a silent terminal.
 */
static int hear_quietly(int tty, const struct termios *before, const char *prompt, char *out,
                        size_t cap)
{
    const struct sigaction action = { .sa_handler = on_ending };
    struct sigaction earlier[ENDINGS] = { 0 };
    struct termios quiet = *before;
    sigset_t held, mask;
    int rc = -1, failed = 0;

    (void)sigemptyset(&held);
    for (size_t i = 0; i < ENDINGS; i++)
        (void)sigaddset(&held, endings[i]);
    (void)pthread_sigmask(SIG_BLOCK, &held, &mask);
    ended_by = 0;
    for (size_t i = 0; i < ENDINGS; i++)
        if (sigaction(endings[i], NULL, &earlier[i]) == 0 && earlier[i].sa_handler != SIG_IGN)
            (void)sigaction(endings[i], &action, NULL);
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0 && say(tty, prompt) == 0)
        rc = hear(tty, &mask, out, cap);
    failed = errno;
    (void)tcsetattr(tty, TCSAFLUSH, before);
    (void)say(tty, "\n");
    for (size_t i = 0; i < ENDINGS; i++)
        (void)sigaction(endings[i], &earlier[i], NULL);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (ended_by)
        (void)raise(ended_by);
    errno = failed;
    return rc;
}

int sk_login_ask_token(const char *host, char **out, struct sk_err *err)
{
    SK_OWN(free) char *line = calloc(1, TOKEN_BYTES);
    SK_AUTO(sk_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct termios before;
    char prompt[400];

    if (tty < 0 || tcgetattr(tty, &before) < 0)
        return sk_fail(err, SK_USAGE,
                       "a token is needed: --token-file FILE, --token-stdin, or a terminal to ask");
    if (!line)
        return sk_nomem(err);
    (void)snprintf(prompt, sizeof prompt, "Token for %s: ", host);
    int rc = hear_quietly(tty, &before, prompt, line, TOKEN_BYTES);
    if (rc < 0)
        return sk_fail_errno(err, "the terminal");
    if (rc == 0)
        return sk_fail(err, SK_CANCELLED, "no token was given");
    if (check_token(line, "the terminal", err) < 0)
        return -1;
    *out = SK_TAKE(line);
    return 0;
}
