#!/usr/bin/env python3
"""Turns a file into a C array of bytes: embed.py INPUT OUTPUT NAME."""
import sys

source, target, name = sys.argv[1:4]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as f:
    f.write(f"/* Made by tools/embed.py. */\nstatic const unsigned char {name}[{len(data)}] = {{\n")
    for i in range(0, len(data), 20):
        f.write("    " + " ".join(f"{b}," for b in data[i : i + 20]) + "\n")
    f.write("};\n")
