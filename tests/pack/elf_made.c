/* elf_made.c - one PT_LOAD from the file's beginning at address 0, so offsets are addresses. */
#include "pack/elf_made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    STRINGS_AT = 512, /* the dynamic section lies before, behind the headers */
    DYNAMIC_AT = 256,
    LOADED = 1024
};

#ifdef __aarch64__
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_X86_64
#endif

struct making {
    unsigned char bytes[LOADED];
    size_t strings, entries;
};

static uint64_t add_string(struct making *m, const char *text)
{
    size_t n = strlen(text) + 1, at = m->strings;

    assert_true(STRINGS_AT + at + n <= LOADED);
    memcpy(m->bytes + STRINGS_AT + at, text, n);
    m->strings += n;
    return at;
}

static void add_dynamic(struct making *m, int64_t tag, uint64_t value)
{
    const Elf64_Dyn d = { .d_tag = tag, .d_un.d_val = value };
    size_t at = DYNAMIC_AT + m->entries++ * sizeof d;

    assert_true(at + sizeof d <= STRINGS_AT);
    memcpy(m->bytes + at, &d, sizeof d);
}

void sk_elf_make(const struct sk_elf_made *e, struct sk_buf *out)
{
    struct making m = { .strings = 1 };
    Elf64_Ehdr h = { .e_type = ET_DYN,
                     .e_machine = e->machine ? e->machine : OWN_MACHINE,
                     .e_version = EV_CURRENT,
                     .e_phoff = sizeof h,
                     .e_shoff = LOADED,
                     .e_ehsize = sizeof h,
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = 3,
                     .e_shentsize = sizeof(Elf64_Shdr),
                     .e_shnum = 1,
                     .e_shstrndx = 1 };
    Elf64_Phdr p[3] = { { .p_type = PT_LOAD, .p_filesz = LOADED, .p_memsz = LOADED } };

    memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    for (size_t i = 0; i < 4 && e->needed[i]; i++)
        add_dynamic(&m, DT_NEEDED, add_string(&m, e->needed[i]));
    if (e->runpath)
        add_dynamic(&m, DT_RUNPATH, add_string(&m, e->runpath));
    if (e->rpath)
        add_dynamic(&m, DT_RPATH, add_string(&m, e->rpath));
    if (e->interp) {
        uint64_t at = add_string(&m, e->interp);
        p[2] = (Elf64_Phdr){ .p_type = PT_INTERP,
                             .p_offset = STRINGS_AT + at,
                             .p_vaddr = STRINGS_AT + at,
                             .p_filesz = strlen(e->interp) + 1 };
    }
    add_dynamic(&m, DT_STRTAB, STRINGS_AT);
    add_dynamic(&m, DT_STRSZ, m.strings);
    add_dynamic(&m, DT_NULL, 0);
    p[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
                         .p_offset = DYNAMIC_AT,
                         .p_vaddr = DYNAMIC_AT,
                         .p_filesz = m.entries * sizeof(Elf64_Dyn) };
    memcpy(m.bytes, &h, sizeof h);
    memcpy(m.bytes + sizeof h, p, sizeof p);
    sk_buf_add(out, m.bytes, sizeof m.bytes);
    for (size_t i = 0; i < e->junk; i++)
        sk_buf_chr(out, 'j');
    assert_true(sk_buf_ok(out));
}
