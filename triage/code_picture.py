"""The seven words of a return code as a picture: dark letters on white, and nothing else.

A PNG, because that is what the photographs of a phone are kept with; no name, no site, no date, and
nothing between its bytes but the pixels.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path(__file__).parent.parent / "static/fonts/atkinson-hyperlegible-next-400.woff2"
PAPER, INK, PALE = 255, 34, 110
WIDTH, MARGIN, LINE, LETTERS = 900, 96, 118, 64


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, LETTERS)


def code_picture(words: str) -> bytes:
    """Return the picture of these words, numbered, each on a line of its own."""
    lines = words.split()
    picture = Image.new("L", (WIDTH, 2 * MARGIN + len(lines) * LINE), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, word in enumerate(lines, start=1):
        middle = MARGIN + (number - 0.5) * LINE
        draw.text((MARGIN, middle), f"{number}.", font=_font(), fill=PALE, anchor="lm")
        draw.text((MARGIN + 90, middle), word, font=_font(), fill=INK, anchor="lm")
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()
