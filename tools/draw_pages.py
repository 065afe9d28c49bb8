#!/usr/bin/env python3
"""Draws the pictures of the tests: a page of text as a scanner might see it, turned by each quarter, and one line of text.

    draw_pages.py FOLDER      page-0.jpg page-90.jpg page-180.jpg page-270.jpg line-0.png line-180.png

page-90 is the page turned clockwise by 90 degrees, and so on: the angle that the model answers.
"""

import os
import random
import sys
import textwrap

from PIL import Image, ImageDraw, ImageFilter, ImageFont

TEXT = """A skerry is a rock that stands alone when the tide cuts it off. The harbour master counts them each morning,
writes their names in the book, and marks which of them the water has taken during the night. Most come back with the
next tide. Some do not, and for those a buoy is laid out, painted red, and a line is added to the chart. Ships that
pass in the dark see only the light on the outer rock and trust that somebody has counted well. """


def draw_page(width=1240, height=1754, seed=1):
    noise = random.Random(seed)
    page = Image.new("RGB", (width, height), (246, 244, 238))
    draw = ImageDraw.Draw(page)
    draw.text((120, 110), "Harbour log", font=ImageFont.load_default(64), fill=(25, 25, 30))
    y = 240
    while y < height - 200:
        words = TEXT.split()
        start = noise.randrange(len(words) // 2)
        for line in textwrap.wrap(" ".join(words[start:]), 58):
            draw.text((120, y), line, font=ImageFont.load_default(34), fill=(35, 35, 40))
            y += 52
        y += 44
    return page.filter(ImageFilter.GaussianBlur(0.6))


def draw_line(width=800, height=160):
    line = Image.new("RGB", (width, height), (250, 250, 248))
    ImageDraw.Draw(line).text((24, 20), "Harbour log 1847", font=ImageFont.load_default(96), fill=(20, 20, 20))
    return line


def main(folder):
    os.makedirs(folder, exist_ok=True)
    page = draw_page()
    for angle in (0, 90, 180, 270):
        page.rotate(-angle, expand=True).save(os.path.join(folder, f"page-{angle}.jpg"), quality=88)
    line = draw_line()
    for angle in (0, 180):
        line.rotate(-angle, expand=True).save(os.path.join(folder, f"line-{angle}.png"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
