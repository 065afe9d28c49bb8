#!/usr/bin/env python3
"""Documents that repeat what the program knows are compared with it.

    tools/check-docs.py [--skerry PATH] [--update]

docs/commands.md must equal `skerry man --markdown`; every option of `skerry serve` must be named in docs/spec/serve.md;
every file that a document names must exist. --update rewrites docs/commands.md.
"""

import argparse
import os
import re
import subprocess

from checks import ROOT, Tap, files, read

COMMANDS = "docs/commands.md"
DOCUMENTS = ("*.md", "docs/*.md")


def printed_by(skerry, *words):
    return subprocess.run([skerry, *words], capture_output=True, text=True, check=True).stdout


def unnamed_options(skerry):
    spec = read("docs/spec/serve.md") if os.path.exists(os.path.join(ROOT, "docs/spec/serve.md")) else ""
    options = re.findall(r"^ .*?(--[a-z][a-z0-9-]+)", printed_by(skerry, "serve", "--help"), re.M)
    return [f"docs/spec/serve.md does not name {o}" for o in sorted(set(options)) if o not in spec and o != "--help"]


def dead_paths():
    """`path/like.this` in a document, and relative links."""
    dead = []
    for name in files(*DOCUMENTS):
        text = read(name)
        paths = re.findall(r"`((?:src|tests|tools|docs|fuzz|bench|examples|web|packaging)/[\w./-]+\w)`", text)
        paths += [os.path.relpath(os.path.join(ROOT, os.path.dirname(name), p), ROOT)
                  for p in re.findall(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", text)]
        dead += [f"{name}: {p} does not exist" for p in paths if not os.path.exists(os.path.join(ROOT, p))]
    return dead


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--skerry", default=os.path.join(ROOT, "build", "skerry"))
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    if args.update:
        with open(os.path.join(ROOT, COMMANDS), "w") as f:
            f.write(printed_by(args.skerry, "man", "--markdown"))
        return
    tap = Tap()
    tap.row("documents name files that exist", dead_paths())
    try:
        is_same = read(COMMANDS) == printed_by(args.skerry, "man", "--markdown")
        tap.row("docs/commands.md equals the command table", [] if is_same else ["run `make docs`"])
        tap.row("docs/spec/serve.md names every option of serve", unnamed_options(args.skerry))
    except (OSError, subprocess.CalledProcessError) as e:
        tap.row("docs/commands.md equals the command table", [str(e)])
    tap.done()


if __name__ == "__main__":
    main()
