#!/usr/bin/env python3
"""Each header compiles alone, and twice in a row; its guard is named after its path."""

import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from checks import ROOT, Tap, files, read

FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-DSK_VERSION=\"0\"", "-Isrc", "-Itests", "-include", "src/base/banned.h", "-Wall",
         "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def guard_of(name):
    words = re.sub(r"\W", "_", name.removeprefix("src/").removeprefix("tests/")).upper()
    return f"SK_{words}"


def complaints_of(name):
    path = name.removeprefix("src/").removeprefix("tests/")
    text = f'#include "{path}"\n#include "{path}"\nint sk_a_declaration;\n'
    cc = shlex.split(os.environ.get("CC", "gcc"))
    done = subprocess.run(cc + FLAGS, input=text, cwd=ROOT, capture_output=True, text=True)
    complaints = done.stderr.splitlines() if done.returncode else []
    guard = guard_of(name)
    if f"#ifndef {guard}\n#define {guard}\n" not in read(name):
        complaints.append(f"guard is not {guard}")
    return complaints


def main():
    names = files("src/*/*.h", "tests/*/*.h")
    folders = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, complaints in zip(names, pool.map(complaints_of, names)):
            folders.setdefault(os.path.dirname(name), []).extend(f"{name}: {c}" for c in complaints)
    tap = Tap()
    for folder, complaints in folders.items():
        tap.row(f"headers of {folder} stand alone", complaints)
    tap.done()


if __name__ == "__main__":
    main()
