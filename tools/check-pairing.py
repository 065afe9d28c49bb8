#!/usr/bin/env python3
"""tests/<module>/test_<file>.c for every src/<module>/<file>.c, and a corpus for every fuzzer.

A kernel <op>_<isa>.c is covered by test_<op>.c, which runs every kernel that this CPU has. Other exceptions are listed
in tools/pairing.txt, one a line with the reason.
"""

import os
import re

from checks import ROOT, Tap, files, read, read_modules


def exceptions():
    rows = (line.split(None, 1) for line in read("tools/pairing.txt").splitlines() if line and line[0] != "#")
    return {row[0]: row[1] for row in rows if len(row) == 2}


def test_of(name):
    module, file = re.fullmatch(r"src/(\w+)/(\w+)\.c", name).groups()
    return f"tests/{module}/test_{re.sub(r'_(c|avx2|avx512|bmi2|sse41|neon)$', '', file)}.c"


def main():
    tap = Tap()
    excused = exceptions()
    tests = set(files("tests/*/*.c"))
    for module in read_modules():
        sources = files(f"src/{module}/*.c")
        lonely = [f"{s}: no {test_of(s)}" for s in sources if test_of(s) not in tests and s not in excused]
        tap.row(f"tests of {module}", lonely)
    stale = [n for n in excused if not os.path.exists(os.path.join(ROOT, n)) or test_of(n) in tests]
    tap.row("tools/pairing.txt is current", stale)
    fuzzers = [re.sub(r"fuzz/fuzz_(\w+)\.c", r"\1", n) for n in files("fuzz/fuzz_*.c")]
    tap.row("every fuzzer has a corpus", [n for n in fuzzers if not files(f"fuzz/corpus/{n}/*")])
    declared = set(re.findall(r"^  '(\w+)': '\w+',$", read("fuzz/meson.build"), re.M))
    tap.row("every fuzzer is in fuzz/meson.build", sorted(set(fuzzers) - declared))
    tap.done()


if __name__ == "__main__":
    main()
