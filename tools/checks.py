"""What the check scripts share: the module table, the list of source files, and rows of TAP."""

import os
import re
import subprocess
import sys

SHOWN = 40  # complaints of one row
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Module:
    def __init__(self, layer, name, doors):
        self.layer, self.name, self.doors = layer, name, doors

    def is_door_to(self, header):
        return any(header.startswith(d) if d.endswith("/") else header == d for d in self.doors)


def read_modules():
    """src/layers.txt as {name: Module}."""
    modules = {}
    with open(os.path.join(ROOT, "src/layers.txt")) as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                modules[words[1]] = Module(int(words[0]), words[1], [w for w in words[2:] if w != "-"])
    return modules


def files(*patterns):
    """Files that git knows or would add, relative to the root: everything but ignored ones."""
    cmd = ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns]
    done = subprocess.run(cmd, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        names = done.stdout.splitlines()
    else:  # an unpacked archive
        names = [os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, found in os.walk(ROOT) for name in found if "/build" not in folder[len(ROOT):]]
        names = [n for n in names if any(re.fullmatch(p.replace(".", r"\.").replace("*", ".*"), n) for p in patterns)]
    return sorted(n for n in names if os.path.exists(os.path.join(ROOT, n)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


class Tap:
    """Prints one row per check; the complaints of a failed one follow as comments."""

    def __init__(self):
        self.count = self.failed = 0

    def row(self, name, complaints):
        self.count += 1
        self.failed += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {self.count} - {name}")
        for c in complaints[:SHOWN]:
            print(f"#   {c}")
        if len(complaints) > SHOWN:
            print(f"#   and {len(complaints) - SHOWN} more")

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)
