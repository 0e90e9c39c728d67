"""A questionnaire as a file: out and in again, and nothing dangerous comes in with it."""

import contextlib
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from institutions.models import Brand, User
from tests.triage.drafting import default, small
from triage import exchange
from triage.drafts import QuestionnaireDraft
from triage.models import Questionnaire

# What a text can hold: no surrogates, and none of the characters that YAML forbids.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    max_size=40,
)
CODE = st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)
DATA = st.recursive(
    st.one_of(TEXT, st.booleans(), st.integers(-(10**8), 10**8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(CODE, TEXT), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(DATA)
def test_whatever_is_written_comes_back_the_same(data: Any) -> None:
    assert exchange.parse(exchange.write(data, "een kop").encode())[0] == data


def test_the_questions_that_klikvoor_begins_with_come_back_the_same() -> None:
    data = default() | {"routing": {"wishes": []}}
    text = exchange.write(data, "Vragen vooraf\nversie 1")
    assert text.startswith("# Vragen vooraf\n# versie 1\nname: ")
    assert exchange.read(text.encode()) == data
    assert exchange.read(b"\xef\xbb\xbf" + text.encode()) == data, "with a byte-order mark"


def test_a_file_has_its_own_order_whatever_the_database_made_of_it() -> None:
    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: mixed(value[name]) for name in sorted(value, key=lambda n: (len(n), n))}
        return [mixed(one) for one in value] if isinstance(value, list) else value

    assert exchange.write(mixed(default())) == exchange.write(default())
    assert exchange.write(small()).splitlines()[:5] == [
        "name: klein",
        "steps:",
        "- questions:",
        "  - code: safe",
        "    kind: choice",
    ]


def test_words_stay_words_in_a_file_that_somebody_typed() -> None:
    data, lines = exchange.parse(
        b"code: no\non: yes\nweight: 3\ndanger: true\nquoted: '3'\nempty:\n"
    )
    assert data == {
        "code": "no",
        "on": "yes",
        "weight": 3,
        "danger": True,
        "quoted": "3",
        "empty": "",
    }
    assert lines["weight",] == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: &x [1]\nb: *x", "Regel 1: Verwijzingen"),
        (b"a: 1\nb: *x", "Regel 2: Verwijzingen"),
        (b"a: !!python/object/apply:os.system ['true']", "Regel 1: Typen"),
        (b"a: !!binary aGk=", "Regel 1: Typen"),
        (b"a: 1\nb: 2\na: 3", "Regel 3: “a” staat hier twee keer"),
        (b"[" * 5000, "te diep genest"),
        (b"- " * 100_000, "te diep genest"),
        (b"? [1]\n: 2", "Regel 1: Hier hoort een naam"),
        (b"a: 1\n---\nb: 2", "Regel 2: Er staat meer dan"),
        (b"a: b: c", "Regel 1: Dit is geen goede YAML"),
        (b"a: \x01", "tekens"),
        (b"\xff\xfe", "UTF-8"),
        (b"a" * (exchange.MAX_BYTES + 1), "te groot"),
        (b"- x\n" * 65_000, "te veel"),
        (b"", "Regel 1: Hier horen namen"),
        (b"? " + b"a" * 200_000 + b"\n: x", "Regel 1: " + "a" * 60 + ": Dit kennen we niet"),
    ],
)
def test_what_is_no_sound_file_is_refused_with_its_line(content: bytes, told: str) -> None:
    began = time.perf_counter()
    with pytest.raises(exchange.Unreadable) as refused:
        exchange.read(content)
    assert told in "\n".join(refused.value.told)
    assert time.perf_counter() - began < 3


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = exchange.write(small())
    lines = text.splitlines()
    weight = next(n for n, line in enumerate(lines) if "weight: 2" in line)
    lines[weight] = lines[weight].replace("2", "77")
    lines.append("colour: red")
    with pytest.raises(exchange.Unreadable) as refused:
        exchange.read("\n".join(lines).encode())
    told = "\n".join(refused.value.told)
    assert f"Regel {weight + 1}: " in told
    assert f"Regel {len(lines)}: colour" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("nl: Wat is er?", r'nl: "Wat \0 is er?"', "text.nl: Er staan tekens in"),
        ("nl: Wat is er?", r'nl: "Wat \u202e is er?"', "text.nl: Er staan tekens in"),
        ("name: klein", r'name: "kl\aein"', "name: Er staan tekens in"),
        ("- brand*", r'- "bra\0nd*"', "phrases.0: Er staan tekens in"),
        ("nl: Wat is er?", 'nl: Wat is er?\n      fr: "\\0"', "text.fr: Dit kennen we niet"),
    ],
)
def test_what_a_database_cannot_keep_does_not_come_in(old: str, new: str, told: str) -> None:
    text = exchange.write(small())
    assert old in text
    with pytest.raises(exchange.Unreadable) as refused:
        exchange.read(text.replace(old, new, 1).encode())
    assert told in "\n".join(refused.value.told)


def test_a_text_may_be_missing_in_one_language() -> None:
    data = small()
    del data["steps"][0]["questions"][0]["text"]["en"]
    assert exchange.read(exchange.write(data).encode()) == data


@given(st.binary(max_size=300) | st.text("[]{}:-? &*!|>'\"#\n ab0", max_size=80).map(str.encode))
def test_no_bytes_make_it_fail_in_another_way(content: bytes) -> None:
    with contextlib.suppress(exchange.Unreadable):
        exchange.read(content)


# --- The command --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_carries_a_questionnaire_over_and_publishes_nothing(
    brand: Brand, dirk: User, tmp_path: Path
) -> None:
    Questionnaire.publish(brand, small())
    file = tmp_path / "questions.yaml"
    out = StringIO()
    call_command("questionnaire", "export", brand.host, stdout=out)
    file.write_text(out.getvalue().replace("Wat is er?", "Wat speelt er?"))
    call_command("questionnaire", "import", brand.host, str(file), by=dirk.email, stdout=StringIO())
    assert "Wat speelt er?" in str(QuestionnaireDraft.objects.get().data)
    assert "Wat speelt er?" not in str(Questionnaire.current(brand).data)
    with pytest.raises(CommandError, match="draft already"):
        call_command("questionnaire", "import", brand.host, str(file), by=dirk.email)


@pytest.mark.django_db
def test_the_command_refuses_strangers_and_broken_files(
    brand: Brand, anna: User, dirk: User, tmp_path: Path
) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text("a: *b")
    with pytest.raises(CommandError, match="does not keep"):
        call_command("questionnaire", "import", brand.host, str(file), by=anna.email)
    with pytest.raises(CommandError, match="Regel 1"):
        call_command("questionnaire", "import", brand.host, str(file), by=dirk.email)
    with pytest.raises(CommandError, match="no site"):
        call_command("questionnaire", "export", "elsewhere.example")
