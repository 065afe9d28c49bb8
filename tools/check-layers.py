#!/usr/bin/env python3
"""Holds src/layers.txt against every #include.

- A module includes only headers of modules in a lower layer, and of these only <module>/<module>.h (base: all).
- A *_priv.h belongs to its folder and that folder's tests.
- A third-party header is included by its door only (and by that module's tests, fuzzers and benches).
- A header that is neither ours, nor the system's, nor behind a door is unknown: give it a door.
"""

import os
import re

from checks import ROOT, Tap, files, read, read_modules

# C17, POSIX and Linux.
SYSTEM = re.compile(r"""(
    sys|linux|net|netinet|arpa)/[\w/]+\.h | (
    assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic|
    stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|tgmath|threads|time|uchar|wchar|wctype|
    dirent|dlfcn|fcntl|fnmatch|ftw|getopt|glob|grp|ifaddrs|langinfo|libgen|link|malloc|netdb|poll|pthread|pwd|regex|
    sched|semaphore|spawn|syslog|termios|unistd|ucontext|execinfo|elf|endian|byteswap|
    cpuid|immintrin|arm_acle|arm_neon)\.h$""", re.X)
TEST_HEADERS = {"cmocka.h", "setjmp.h"}
TEST_DOORS = {"engine/engine_priv.h"}  # tests above it bring engines of their own


def includes(name):
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', read(name), re.M)


def check_ours(modules, module, name, header):
    """Complaint about #include "header" in a file of `module`, or None."""
    if "/" not in header:
        is_generated = not os.path.exists(os.path.join(ROOT, os.path.dirname(name), header))
        if is_generated:
            return None
        return f'"{header}": write "{module.name}/{header}"' if name.startswith("src/") else None
    other = modules.get(header.split("/")[0])
    if not other:
        return None if header.startswith("harness/") else f'"{header}": no such module in src/layers.txt'
    if other is module:
        return None
    if name.startswith("tests/") and other.layer < module.layer and os.path.exists(os.path.join(ROOT, "tests", header)):
        return None
    if other.layer >= module.layer:
        return f'"{header}": {other.name} (layer {other.layer}) is not below {module.name} (layer {module.layer})'
    if name.startswith("tests/") and header in TEST_DOORS:
        return None
    if other.name != "base" and header != f"{other.name}/{other.name}.h":
        return f'"{header}": only {other.name}/{other.name}.h is public'
    return None


def check_foreign(modules, module, header, in_tests):
    door = next((m for m in modules.values() if m.is_door_to(header)), None)
    if door:
        return None if door is module else f"<{header}>: only {door.name} includes it"
    if SYSTEM.match(header) or in_tests and header in TEST_HEADERS:
        return None
    return f"<{header}>: unknown; a third-party header needs a door in src/layers.txt"


def check_module(modules, module):
    complaints = []
    for name in files(f"src/{module.name}/*.[ch]", f"tests/{module.name}/*.[ch]"):
        for quote, header in includes(name):
            complaint = (check_ours(modules, module, name, header) if quote == '"' else
                         check_foreign(modules, module, header, name.startswith("tests/")))
            if complaint:
                complaints.append(f"{name}: {complaint}")
    return complaints


def main():
    modules = read_modules()
    tap = Tap()
    for module in modules.values():
        tap.row(f"includes of {module.name}", check_module(modules, module))
    folders = {n.split("/")[1] for n in files("src/*/*.c")}
    tap.row("every folder of src is in layers.txt", sorted(folders - set(modules)))
    listed = re.search(r"foreach module : \[(.*?)\]", read("src/meson.build"), re.S).group(1)
    order = re.findall(r"'(\w+)'", listed)
    layers = [modules[m].layer for m in order if m in modules]
    tap.row("src/meson.build builds all modules, lower layers first",
            [] if set(order) == set(modules) and layers == sorted(layers) else [f"{order} with layers {layers}"])
    tap.done()


if __name__ == "__main__":
    main()
