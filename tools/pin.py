#!/usr/bin/env python3
"""Rewrites the hashes in tools/requirements-*.txt.

    build/venv/bin/python tools/pin.py tools/requirements-run.txt tools/requirements-test.txt tools/requirements-source.txt

To change a version, edit its `name==version` line and run this. The lists are complete (deps.sh installs
them with --no-deps), so that nothing is chosen at install time. Hashes cover CPython 3.11 (Debian 12) and
3.13 (Debian 13) on x86_64 and aarch64; a platform for which a package has no wheel is reported. Those of
requirements-source.txt are of the source archives.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

PYTHONS = ["3.11", "3.13"]
MACHINES = ["x86_64", "aarch64"]
GLIBC_MINORS = range(5, 37)  # manylinux_2_5 ... manylinux_2_36: what Debian 12 can load


def wheel_hashes(requirement, python, machine):
    """The hashes of the wheel that pip would choose there; empty when there is none."""
    abi = "cp" + python.replace(".", "")
    cmd = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
           "--only-binary", ":all:", "--report", "-", "--python-version", python, "--implementation", "cp",
           "--abi", abi, "--abi", "abi3", "--abi", "none"]
    for minor in reversed(GLIBC_MINORS):
        cmd += ["--platform", f"manylinux_2_{minor}_{machine}"]
    cmd += ["--platform", f"manylinux2014_{machine}", "--platform", f"manylinux1_{machine}", "--platform", "any"]
    with tempfile.TemporaryDirectory() as target:
        done = subprocess.run(cmd + ["--target", target, requirement], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"pin: {requirement}: no wheel for Python {python} on {machine}", file=sys.stderr)
        return set()
    report = json.loads(done.stdout)
    return {item["download_info"]["archive_info"]["hashes"]["sha256"] for item in report["install"]}


def source_hashes(requirement):
    """The hash of the source archive."""
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
                           "--no-build-isolation", "--no-binary", ":all:", "--report", "-", requirement],
                          capture_output=True, text=True)
    report = json.loads(done.stdout or '{"install": []}')
    return {item["download_info"]["archive_info"]["hashes"]["sha256"] for item in report["install"]}


def hashes_of(path, requirement):
    if os.path.basename(path) == "requirements-source.txt":
        return source_hashes(requirement)
    hashes = set()
    for python in PYTHONS:
        for machine in MACHINES:
            hashes |= wheel_hashes(requirement, python, machine)
    return hashes


def pin(path):
    with open(path) as f:
        lines = f.read().splitlines()
    out = []
    for line in lines:
        if re.match(r"\s+--hash", line):
            continue
        requirement = line.rstrip(" \\")
        if not requirement or requirement.startswith("#"):
            out.append(line)
            continue
        hashes = hashes_of(path, requirement)
        if not hashes:
            sys.exit(f"pin: {requirement}: nothing to install")
        out.append(" \\\n".join([requirement] + [f"    --hash=sha256:{h}" for h in sorted(hashes)]))
        print(requirement)
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or sys.exit(__doc__):
        pin(name)
