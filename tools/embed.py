#!/usr/bin/env python3
"""Turns a file into a C string constant: embed.py INPUT OUTPUT NAME."""
import sys

source, target, name = sys.argv[1:4]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as f:
    f.write(f"/* Made by tools/embed.py. */\nstatic const char {name}[] =\n")
    for i in range(0, len(data), 32):
        text = "".join(f"\\{b:03o}" if b < 32 or b > 126 or b in b'"\\?' else chr(b) for b in data[i : i + 32])
        f.write(f'    "{text}"\n')
    f.write("    ;\n")
