#!/usr/bin/env python3
"""Each header compiles alone, and twice in a row; its guard is SK_<...>_<FILE>_H and nobody else's.

A header of tests may take cmocka for granted, which does not stand alone either. Templates (*_body.h), which a kernel
file includes after defining what they ask for, are left out.
"""

import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from checks import ROOT, Tap, files, read

FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-DSK_VERSION=\"0\"", "-Isrc", "-Itests", "-include", "src/base/banned.h", "-Wall",
         "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c", "-"]
CMOCKA = ["setjmp.h", "stdarg.h", "stddef.h", "stdint.h", "cmocka.h"]


def guard_of(name):
    found = re.search(r"^#ifndef (\w+)\n#define \1$", read(name), re.M)
    return found.group(1) if found else None


def complaints_of(name):
    path = name.removeprefix("src/").removeprefix("tests/")
    cmocka = "".join(f"#include <{h}>\n" for h in CMOCKA) if name.startswith("tests/") else ""
    text = f'{cmocka}#include "{path}"\n#include "{path}"\nint sk_a_declaration;\n'
    cc = shlex.split(os.environ.get("CC", "gcc"))
    done = subprocess.run(cc + FLAGS, input=text, cwd=ROOT, capture_output=True, text=True)
    complaints = done.stderr.splitlines() if done.returncode else []
    guard, file = guard_of(name), re.sub(r"\W", "_", os.path.basename(name)).upper()
    if not guard or not guard.startswith("SK_") or not guard.endswith(file):
        complaints.append(f"the guard is {guard}, not SK_..._{file}")
    return complaints


def main():
    names = [n for n in files("src/*/*.h", "tests/*/*.h") if not n.endswith("_body.h")]
    folders = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, complaints in zip(names, pool.map(complaints_of, names)):
            folders.setdefault(os.path.dirname(name), []).extend(f"{name}: {c}" for c in complaints)
    guards = [guard_of(n) for n in names]
    tap = Tap()
    tap.row("guards are unique", sorted({g for g in guards if g and guards.count(g) > 1}))
    for folder, complaints in folders.items():
        tap.row(f"headers of {folder} stand alone", complaints)
    tap.done()


if __name__ == "__main__":
    main()
