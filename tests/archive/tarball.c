/* tarball.c - POSIX ustar, written field by field. */
#include "archive/tarball.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum {
    BLOCK = 512
};

/* Octal with NUL; what is too large in base 256, as GNU tar writes it. */
static void put_number(char *field, size_t width, uint64_t value)
{
    if (value >> (3 * (width - 1)) == 0) {
        (void)snprintf(field, width, "%0*llo", (int)width - 1, (unsigned long long)value);
        return;
    }
    memset(field, 0, width);
    field[0] = (char)0x80;
    for (size_t i = 0; i < 8; i++)
        field[width - 1 - i] = (char)(value >> (8 * i));
}

static void put_text(char *field, size_t width, const char *text)
{
    size_t n = strlen(text);
    memcpy(field, text, n < width ? n : width);
}

void sk_tarball_entry(struct sk_buf *b, const char *name, char type, const char *target,
                      uint64_t size, const void *bytes, size_t len)
{
    char h[BLOCK] = { 0 };
    unsigned sum = 0;

    put_text(h, 100, name);
    put_number(h + 100, 8, type == '5' ? 0755 : 0644);
    put_number(h + 108, 8, 0);
    put_number(h + 116, 8, 0);
    put_number(h + 124, 12, size);
    put_number(h + 136, 12, 0);
    h[156] = type;
    put_text(h + 157, 100, target ? target : "");
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    (void)snprintf(h + 148, 8, "%06o", sum);
    sk_buf_add(b, h, BLOCK);
    sk_buf_add(b, bytes, len);
    memset(h, 0, BLOCK);
    sk_buf_add(b, h, (BLOCK - len % BLOCK) % BLOCK);
}

void sk_tarball_end(struct sk_buf *b)
{
    static const char zeroes[2 * BLOCK];
    sk_buf_add(b, zeroes, sizeof zeroes);
}

void sk_tarball_build(struct sk_buf *b, const struct sk_tarball_part *parts)
{
    for (const struct sk_tarball_part *p = parts; p->name; p++)
        sk_tarball_entry(b, p->name, p->type[0], p->target, strlen(p->bytes), p->bytes,
                         strlen(p->bytes));
    sk_tarball_end(b);
}

int sk_tarball_sink(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sk_buf *b = ctx;
    sk_buf_add(b, bytes, len);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

int sk_tarball_fd(const void *bytes, size_t len)
{
    int fd = memfd_create("tarball", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}
