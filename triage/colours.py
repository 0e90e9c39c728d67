"""A brand's one colour made into the tokens of base.css, readable in light and dark.

A brand chooses a hue, not a contrast: the colour moves towards black or white until text in it is
readable on everything that it stands on (4.5:1, WCAG 2.2 AA).
"""

import re
from dataclasses import dataclass

READABLE = 4.5
DEFAULT = "#0b6b6b"

Colour = tuple[int, int, int]
BLACK: Colour = (0x0D, 0x1A, 0x1A)
WHITE: Colour = (0xFF, 0xFF, 0xFF)


@dataclass(frozen=True)
class Ground:
    """What base.css paints in one scheme: keep both in step."""

    paper: Colour
    surface: Colour
    tint: float
    towards: Colour


LIGHT = Ground(paper=(0xFA, 0xF6, 0xF0), surface=(0xFF, 0xFD, 0xFA), tint=0.12, towards=BLACK)
DARK = Ground(paper=(0x14, 0x18, 0x1A), surface=(0x1D, 0x23, 0x26), tint=0.14, towards=WHITE)


def parse(text: str) -> Colour:
    """Return the colour of "#rrggbb"; the default one for anything else, so nothing slips into CSS."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        text = DEFAULT
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return `other` with a share of `one` in it."""
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the WCAG contrast ratio, 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def tokens(accent: Colour, ground: Ground) -> dict[str, Colour]:
    """Return accent, the ink on it, and its soft tint, for one scheme."""
    soft = mix(accent, ground.surface, ground.tint)
    colour = accent
    for step in range(21):
        colour = mix(ground.towards, accent, step / 20)
        if all(contrast(colour, on) >= READABLE for on in (ground.paper, ground.surface, soft)):
            break
    ink = max((WHITE, BLACK), key=lambda candidate: contrast(candidate, colour))
    return {"accent": colour, "accent-ink": ink, "accent-soft": soft}


def stylesheet(accent: str) -> str:
    """Return the brand's small stylesheet."""

    def rule(ground: Ground) -> str:
        return ";".join(
            f"--{name}:#{red:02x}{green:02x}{blue:02x}"
            for name, (red, green, blue) in tokens(parse(accent), ground).items()
        )

    return f":root{{{rule(LIGHT)}}}\n@media (prefers-color-scheme:dark){{:root{{{rule(DARK)}}}}}\n"
