"""Whatever colour a brand chooses, its text is readable."""

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from institutions.models import Brand
from triage import colours

any_colour = st.tuples(*[st.integers(0, 255)] * 3)


@given(any_colour, st.sampled_from([colours.LIGHT, colours.DARK]))
def test_every_colour_becomes_readable(accent: colours.Colour, ground: colours.Ground) -> None:
    made = colours.tokens(accent, ground)
    for on in (ground.paper, ground.surface, made["accent-soft"]):
        assert colours.contrast(made["accent"], on) >= colours.READABLE
    assert colours.contrast(made["accent-ink"], made["accent"]) >= colours.READABLE


@given(any_colour)
def test_ordinary_text_stays_readable_on_the_tint(accent: colours.Colour) -> None:
    # --ink-soft of base.css, in light and in dark.
    for ground, soft_ink in ((colours.LIGHT, "#515b62"), (colours.DARK, "#b4bbbe")):
        tint = colours.tokens(accent, ground)["accent-soft"]
        assert colours.contrast(colours.parse(soft_ink), tint) >= colours.READABLE


def test_a_readable_colour_stays_as_it_is() -> None:
    assert colours.tokens(colours.parse("#0b6b6b"), colours.LIGHT)["accent"] == (0x0B, 0x6B, 0x6B)


@pytest.mark.parametrize("text", ["", "red", "#12345", "#1234567", "#12345g", "#000;}*{x:y"])
def test_what_is_no_colour_does_not_reach_the_stylesheet(text: str) -> None:
    assert colours.stylesheet(text) == colours.stylesheet(colours.DEFAULT)


def test_a_site_serves_its_own_colour(brand: Brand) -> None:
    Brand.objects.create(host="localhost", name="Andere", accent="#7a1f5c")
    mine = Client().get("/brand.css")
    other = Client(headers={"host": "localhost"}).get("/brand.css")
    assert mine["Content-Type"].startswith("text/css")
    assert "--accent:#0b6b6b" in mine.content.decode()
    assert "--accent:#7a1f5c" in other.content.decode()
    assert "max-age" in mine["Cache-Control"]


@pytest.mark.django_db
def test_without_any_brand_there_are_still_colours() -> None:
    assert Client().get("/brand.css").status_code == 200
