"""Own words: a table of what young people write, and what holds whatever they write.

`first_words.tsv` has one a line: the wanted urgency, of what kind it is, language, and the text (\\n is
a new line). A + behind the urgency: raised on purpose although it may be nothing, because it is about
somebody else, long ago, a joke, or denied in a way that a person may mean otherwise. A worker reads
it sooner then, and that is all.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import rules
from triage.models import default_data
from triage.words import found_in, is_typo

DATA = default_data()
ROWS = [
    line.split("\t")
    for line in (Path(__file__).parent / "first_words.tsv").read_text("utf-8").splitlines()
]
TEXTS = [text.replace("\\n", "\n") for _urgency, _kind, _language, text in ROWS]


def assess(words: str, name: str = "jongeren") -> rules.Assessment:
    return rules.assess(default_data(name), {"words": words})


@pytest.mark.parametrize(("urgency", "kind", "language", "text"), ROWS)
def test_first_words_get_the_urgency_that_they_ask_for(
    urgency: str, kind: str, language: str, text: str
) -> None:
    found = assess(text.replace("\\n", "\n"))
    assert found.urgency == urgency.removesuffix("+"), (kind, language, found.reasons)


def test_the_table_has_every_kind_in_both_languages() -> None:
    assert len(ROWS) >= 120
    kinds = Counter((kind, language) for _urgency, kind, language, _text in ROWS)
    for kind in ("meant", "spelling", "denied", "other", "past", "joke", "school", "harmless"):
        for language in ("nl", "en"):
            assert kinds[kind, language], (kind, language)


def test_what_was_found_is_quoted_as_it_was_written() -> None:
    found = assess("Dus ik wil echt DOOOOD, en mn pa slaat me egt")
    assert [reason.found for reason in found.reasons] == [("wil echt DOOOOD",), ("slaat me",)]
    assert found.reasons[0].sentences() == {
        "nl": "Eerste woorden noemen dood willen of zelfmoord: “wil echt DOOOOD”",
        "en": "First words mention wanting to die or suicide: “wil echt DOOOOD”",
    }


def test_parents_write_about_their_child() -> None:
    assert assess("mijn dochter snijdt zichzelf", "ouders").urgency == "soon"
    assert assess("my son says he will kill himself", "ouders").urgency == "now"
    assert assess("mijn ex slaat de kinderen", "ouders").urgency == "now"
    assert assess("mijn zoon slaat zijn bord leeg", "ouders").urgency == "normal"


@pytest.mark.parametrize(
    ("written", "meant", "is_one"),
    [
        ("selfmord", "selfmord", True),
        ("sefmord", "selfmord", True),
        ("seelfmord", "selfmord", True),
        ("selfmrod", "selfmord", True),
        ("selfmort", "selfmord", True),
        ("selfmordt", "selfmord", True),
        ("melfmord", "selfmord", False),
        ("sefmrod", "selfmord", False),
        ("", "selfmord", False),
    ],
)
def test_one_typing_error_is_seen_as_such(written: str, meant: str, is_one: bool) -> None:
    assert is_typo(written, meant) is is_one


def test_words_are_glued_and_cut_only_where_that_can_be_meant() -> None:
    assert found_in("ikwildood", ["wil dood"]) == ["ikwildood"]
    assert found_in("zelf moord", ["zelfmoord"]) == ["zelf moord"]
    assert found_in("wildoodgewoon", ["wil dood"]) == []
    assert found_in("het mes laan", ["me slaan"]) == []


def test_an_exception_does_not_reach_over_lines() -> None:
    assert assess("mijn oom heeft zelfmoord gepleegd").urgency == "soon"
    assert assess("mijn oom heeft\nzelfmoord gepleegd").urgency == "now"


# --- What holds for all words -------------------------------------------------------------------

pieces = st.sampled_from(
    [
        *TEXTS,
        "niet",
        "geen",
        "ik",
        "spreekbeurt over",
        "heeft",
        "gepleegd",
        ",",
        "zelf",
        "en ",
        "\n",
    ]
)
writing = st.one_of(
    st.text(max_size=60), st.lists(pieces, max_size=4).map(" ".join), st.sampled_from(TEXTS)
)


def level(assessment: rules.Assessment) -> int:
    return rules.LEVELS.index(assessment.urgency)


@given(writing, writing, st.sampled_from([". ", "! ", "\n", ".\n", "?? "]))
def test_another_sentence_never_lowers_the_urgency(one: str, other: str, between: str) -> None:
    both = assess(one + between + other)
    assert level(both) >= max(level(assess(one)), level(assess(other)))
    assert both.danger >= (assess(one).danger or assess(other).danger)


@given(st.text(max_size=500))
def test_any_text_can_be_read(text: str) -> None:
    for reason in assess(text).reasons:
        assert all(reason.found)


@given(writing)
def test_how_it_is_written_large_or_small_does_not_matter(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert assess(plain.upper()).urgency == assess(plain.lower()).urgency
