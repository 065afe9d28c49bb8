#!/usr/bin/env python3
"""Turns a file into a C array of bytes: embed.py INPUT OUTPUT NAME [--text]. --text: chars, with a NUL behind."""
import sys

source, target, name = sys.argv[1:4]
is_text = sys.argv[4:] == ["--text"]
with open(source, "rb") as f:
    data = f.read() + (b"\0" if is_text else b"")
if is_text and any(b > 126 for b in data):
    sys.exit(f"{source}: not plain ASCII")
kind = "char" if is_text else "unsigned char"
with open(target, "w", encoding="ascii") as f:
    f.write(f"/* Made by tools/embed.py. */\nstatic const {kind} {name}[{len(data)}] = {{\n")
    for i in range(0, len(data), 20):
        f.write("    " + " ".join(f"{b}," for b in data[i : i + 20]) + "\n")
    f.write("};\n")
