#!/usr/bin/env python3
"""Form: clang-format, an opening comment in each file, no stray bytes, open questions with an issue number."""

import os
import re
import shutil
import subprocess

from checks import ROOT, Tap, files, read

TEXT = ("*.c", "*.h", "*.py", "*.sh", "*.build", "*.txt", "*.md", "Makefile", "*.html", "*.css", "*.js")


def format_complaints():
    names = files("*.c", "*.h")
    done = subprocess.run(["clang-format", "--dry-run", *names], cwd=ROOT, capture_output=True, text=True)
    wrong = re.findall(r"^([^\s:]+):\d+:\d+: warning", done.stderr, re.M)
    return [f"{name}: run `make format` ({wrong.count(name)} places)" for name in sorted(set(wrong))]


def opening_complaints():
    return [n for n in files("src/*/*.c", "src/*/*.h", "fuzz/*.c", "bench/*.c") if not read(n).startswith("/*")]


def stray_complaints():
    complaints = []
    for name in files(*TEXT):
        text = read(name)
        if text and not text.endswith("\n"):
            complaints.append(f"{name}: no newline at the end")
        if re.search(r"[ \t]+$", text, re.M):
            complaints.append(f"{name}: spaces at the end of a line")
        if re.search(r"^ *\t", text, re.M) and not name.endswith("Makefile"):
            complaints.append(f"{name}: indented with tabs")
    return complaints


def todo_complaints():
    marks = re.compile(r"\b(TODO(?!\(#\d+\): )|FIX" r"ME|X" r"XX\b)")
    return [f"{n}: an open question is `TODO(#issue): sentence`" for n in files("src/*", "tests/*.c", "fuzz/*.c", "bench/*")
            if n.endswith((".c", ".h", ".py", ".sh")) and marks.search(read(n))]


def script_complaints():
    complaints = []
    for name in files("*.sh", ".ci/run"):
        done = subprocess.run(["bash", "-n", name], cwd=ROOT, capture_output=True, text=True)
        complaints += done.stderr.splitlines()
        is_program = read(name).startswith("#!")
        if is_program != os.access(os.path.join(ROOT, name), os.X_OK):
            complaints.append(f"{name}: executable bit and #! disagree")
    return complaints


def main():
    tap = Tap()
    if shutil.which("clang-format"):
        tap.row("clang-format", format_complaints())
    else:
        tap.row("clang-format", ["clang-format is not installed"])
    tap.row("each source file opens with a comment", opening_complaints())
    tap.row("no stray white space", stray_complaints())
    tap.row("open questions name an issue", todo_complaints())
    tap.row("shell scripts parse", script_complaints())
    tap.done()


if __name__ == "__main__":
    main()
