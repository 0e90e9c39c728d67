"""Reading mail: what was meant, whatever a mail program made of it; and nothing breaks it."""

import time
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.commands import clean_text
from mail.html_text import text_of
from mail.parsing import MAX_MAIL, MAX_TEXT, Mail, original, read, read_head
from mail.quotes import own_words
from tests.mail.letters import a_reply

TO = "brief+abc@klik.example"


def mail_of(body: str | bytes, kind: str = "text/plain; charset=utf-8", **more: str) -> Mail:
    raw = a_reply(TO, "", Content_Type=kind, **more)
    return read(raw.removesuffix(b"\r\n") + (body if isinstance(body, bytes) else body.encode()))


# --- Quotes -------------------------------------------------------------------------------------

QUOTING = {
    "Gmail": "\n\nOp di 24 nov 2026 om 14:03 schreef Klik <post@klik.example>:\n\n> Hoi\n> Dag\n",
    "Gmail, broken": "\n\nOp di 24 nov 2026 om 14:03 schreef Klik <\npost@klik.example>:\n\n> Hoi\n",
    "Gmail in English": "\n\nOn Tue, Nov 24, 2026 at 2:03 PM Klik <post@klik.example> wrote:\n\n> Hi\n",
    "iPhone": (
        "\n\nVerstuurd vanaf mijn iPhone\n\n"
        "> Op 24 nov 2026 om 14:03 heeft Klik <post@klik.example> het volgende geschreven:\n"
        "> \n> Hoi\n"
    ),
    "Outlook": (
        "\n\n________________________________\nVan: Klik <post@klik.example>\n"
        "Verzonden: dinsdag 24 november 2026 14:03\nAan: x@y.example\nOnderwerp: Bericht\n\nHoi\n"
    ),
    "Outlook, bold": (
        "\n\n*Van:* Klik <post@klik.example>\n*Verzonden:* dinsdag 24 november 2026 14:03\n"
        "*Aan:* x@y.example\n*Onderwerp:* Bericht\n\nHoi\nHoe gaat het?\n"
    ),
    "Outlook on a phone": (
        "\n\nOutlook voor iOS downloaden<https://aka.ms/o0ukef>\n"
        "________________________________\nVan: Klik <post@klik.example>\n"
        "Verzonden: dinsdag 24 november 2026 14:03\nAan: x@y.example\nOnderwerp: Bericht\n\nHoi\n"
    ),
    "marks alone": "\n\n> Hoi\n> Hoe gaat het?\n",
    "a signature": "\n\n-- \nSam\n06-12345678\n",
    "Samsung": "\n\nVerzonden vanaf mijn Galaxy\n\n\n-------- Oorspronkelijk bericht --------\nVan: Klik <post@klik.example>\nDatum: 24-11-2026 14:03 (GMT+01:00)\nAan: x@y.example\nOnderwerp: Bericht\n\nHoi\n",
}


@pytest.mark.parametrize("program", QUOTING)
def test_what_programs_quote_is_left_out(program: str) -> None:
    own = "Ja, dat klopt.\n\nIk ga het proberen. Groetjes, Sam"
    assert own_words(own + QUOTING[program]) == own


HER_OWN = {
    "a list": "Dit is er:\n- mijn vader schreeuwt\n- mijn moeder huilt\nWat moet ik doen?",
    "dashes": "Hoi\n-ik weet het niet meer\n-help",
    "speech": "Op school is het erg. Mijn vriendin schreef:\nik haat je",
    "speech with a time": "Om 10:30 zei hij:\nik haat je",
    "what looks like a head": "Dit gebeurde:\nVan: mijn vader krijg ik klappen.\nAan: niemand verteld.",
    "thanks": "Ik wil niet meer.\nDank u, voor alles\nIk ben bang",
    "greetings in the middle": "Ik heb het gezegd.\n\nMet vriendelijke groet\nSam\n\nPS mag ik nog iets vragen?",
    "a warning": "Waarschuwing: dit is een email over mijn vader die slaat.",
    "a line": "Titel\n\n------------------------------------------\n\nHet verhaal begint hier",
    "what somebody else wrote": (
        "Kijk wat hij stuurde.\n\n---------- Forwarded message ---------\n"
        "Van: Kees <kees@x.example>\nik weet waar je woont"
    ),
}


@pytest.mark.parametrize("case", [name for name in HER_OWN if name != "what somebody else wrote"])
def test_her_own_words_are_never_left_out(case: str) -> None:
    assert own_words(HER_OWN[case]) == HER_OWN[case]


def test_what_somebody_else_wrote_to_her_stays() -> None:
    assert "ik weet waar je woont" in own_words(HER_OWN["what somebody else wrote"])


def test_answers_below_and_between_quotes_stay() -> None:
    head = "Op 24-11-2026 om 14:03 schreef Klik:\n"
    assert own_words(f"{head}> Hoe gaat het?\n\nGoed hoor.") == "Goed hoor."
    between = f"Zie onder.\n\n{head}> Hoe gaat het?\nGoed.\n> En thuis?\nMinder."
    assert own_words(between) == "Zie onder.\n\nGoed.\nMinder."


@pytest.mark.parametrize(
    "evil",
    [
        "\n" * 60_000,
        "Op " + "heeft " * 10_000,
        ("Op " + "heeft " * 48 + "\n") * 200,
        "Op a schreef b:\n" * 4000,
        "Van: x@y\n" * 6000,
        ">\n" * 30_000,
        ("_" * 32 + "\n") * 1800,
        "x" * 60_000,
    ],
)
def test_no_text_takes_long(evil: str) -> None:
    begin = time.monotonic()
    mail_of(evil)
    assert time.monotonic() - begin < 5


# --- Kinds of mail ------------------------------------------------------------------------------


def test_plain_text_goes_before_html() -> None:
    message = EmailMessage()
    message.set_content("Gewone tekst.")
    message.add_alternative("<p>Opgemaakte tekst.</p>", subtype="html")
    assert read(message.as_bytes()).text == "Gewone tekst."


def test_html_becomes_text_and_is_never_kept_as_such() -> None:
    html = (
        "<html><head><style>p{color:red}</style><script>steal()</script></head><body>"
        "<div>Hoi,</div><div><br></div><p>Het is <b>erg</b>&nbsp;thuis &lt;3</p>"
        "<ul><li>een</li><li>twee</li></ul><img src='https://spy.example/x.png'>"
        "<div class='gmail_quote'>Op di schreef Klik:<blockquote>Hoi</blockquote></div></body></html>"
    )
    text = mail_of(html, "text/html; charset=utf-8").text
    assert text == "Hoi,\n\nHet is erg thuis <3\n\n- een\n- twee"


def test_empty_plain_text_gives_way_to_html() -> None:
    message = EmailMessage()
    message.set_content("\n")
    message.add_alternative("<p>Hier staat het.</p>", subtype="html")
    assert read(message.as_bytes()).text == "Hier staat het."


def test_outlook_html_is_cut_at_its_quote() -> None:
    html = "<div>Dank je.</div><div id='divRplyFwdMsg'>Van: Klik</div><div>Hoi Sam</div>"
    assert mail_of(html, "text/html").text == "Dank je."


def test_html_that_is_all_quote_is_kept() -> None:
    html = "<blockquote type='cite'>Dit schreef ik op de verkeerde plek.</blockquote>"
    assert "verkeerde plek" in mail_of(html, "text/html").text


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("Ik heb één vraag €", "utf-8"),
        ("Ik heb één vraag", "iso-8859-1"),
        ("Ik heb één vraag €", "windows-1252"),
        ("Ik heb één vraag", "utf-16"),
    ],
)
def test_charsets_are_understood(body: str, charset: str) -> None:
    assert mail_of(body.encode(charset), f"text/plain; charset={charset}").text == body


@pytest.mark.parametrize(
    "lie",
    ["us-ascii", "iso-8859-1", "nonsense", "utf-16", "", "punycode", "idna", "unicode_escape"],
)
def test_lies_about_the_charset_are_seen_through(lie: str) -> None:
    text = mail_of("één vraag".encode(), f"text/plain; charset={lie}").text
    assert text == "één vraag" or lie == "utf-16"


def test_files_are_counted_and_logos_are_not() -> None:
    message = EmailMessage()
    message.set_content("Kijk.")
    message.add_attachment(b"x" * 100, maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment("gegevens", filename="b.txt")
    message.add_attachment(
        b"x" * 100, maintype="image", subtype="png", cid="<logo@x>", disposition="inline"
    )
    found = read(message.as_bytes())
    assert (found.text, found.files) == ("Kijk.", 2)


def test_a_mail_with_nothing_but_a_file() -> None:
    found = mail_of(b"\xff\xd8\xff" * 100, "image/jpeg")
    assert (found.text, found.files) == ("", 1)


def test_a_mail_in_a_mail_is_a_file() -> None:
    inner = EmailMessage()
    inner.set_content("Van een ander.")
    message = EmailMessage()
    message.set_content("Kijk.")
    message.add_attachment(inner)
    found = read(message.as_bytes())
    assert (found.text, found.files) == ("Kijk.", 1)


def test_control_characters_and_hidden_direction_go() -> None:
    found = mail_of("Hoi\x00\x07 \u202eomgekeerd\u2066 daar\r\nen verder")
    assert found.text == "Hoi omgekeerd daar\nen verder"


def test_addresses_are_found_in_every_header() -> None:
    found = read_head(
        f"Delivered-To: {TO}\r\nTo: =?utf-8?q?x?= <a@b.example>,\r\n brief+def@klik.example\r\n\r\n".encode()
    )
    assert found.recipients == (TO, "a@b.example", "brief+def@klik.example")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("<a@b.example>", "<a@b.example>"),
        ("  <a@b.example> (comment)", "<a@b.example>"),
        ("nothing", ""),
        ("<é@b.example>", ""),
        ("<" + "a" * 2000 + ">", ""),
        ("<a b>", ""),
    ],
)
def test_only_plain_message_ids_count(header: str, expected: str) -> None:
    assert read_head(f"Message-ID: {header}\r\n\r\n".encode()).message_id == expected


# --- Whatever comes in --------------------------------------------------------------------------


def check(raw: bytes) -> None:
    """What holds for every mail there is: no error, and text that chat can store."""
    found = read(raw)
    assert len(found.text) <= MAX_TEXT
    if found.text:
        assert clean_text(found.text, limit=MAX_TEXT) == found.text
    kept = original(raw, found)
    assert len(kept) < 300_000
    kept.encode()
    found.message_id.encode("ascii")


@given(st.binary(max_size=3000))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_a_mail(raw: bytes) -> None:
    check(raw)


VALID = EmailMessage()
VALID["Subject"] = "Re: één vraag"
VALID["Message-ID"] = "<x@y.example>"
VALID.set_content("Ik heb één vraag.\n\nOp 24-11-2026 om 14:03 schreef Klik:\n> Hoi\n")
VALID.add_alternative("<p>Ik heb <b>één</b> vraag.</p><blockquote>Hoi</blockquote>", subtype="html")
VALID.add_attachment(b"\x00\xff" * 50, maintype="image", subtype="png", filename="é.png")
BYTES = VALID.as_bytes()
SPLINTERS = [
    b"\r\n", b"\n\n", b"--", b'boundary="', b"charset=", b"utf-7", b"=?utf-8?b?", b"?=", b"\x00",
    b"Content-Type: multipart/mixed", b"Content-Transfer-Encoding: base64\n", b"=", b"\xff\xfe",
    b"Content-Type: message/rfc822\n\n", b"message/delivery-status", b"<blockquote>", b"&#55296;",
]  # fmt: skip


@st.composite
def mutated(draw: Any) -> bytes:
    """A real mail with pieces taken out, doubled, moved and put in."""
    raw = bytearray(BYTES)
    for _change in range(draw(st.integers(1, 8))):
        at, length = draw(st.integers(0, len(raw))), draw(st.integers(0, 60))
        piece = draw(st.one_of(st.sampled_from(SPLINTERS), st.binary(max_size=20)))
        match draw(st.sampled_from(["cut", "put", "double", "replace"])):
            case "cut":
                del raw[at : at + length]
            case "put":
                raw[at:at] = piece
            case "double":
                raw[at:at] = raw[at : at + length]
            case _:
                raw[at : at + length] = piece
    return bytes(raw)


@given(mutated())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_mails_are_read(raw: bytes) -> None:
    check(raw)


@given(st.text(max_size=2000))
@settings(max_examples=150, deadline=None)
def test_any_text_can_be_html(html: str) -> None:
    text_of(html)
    text_of(f"<div>{html}</div>", quotes=False)


@given(st.lists(st.text(alphabet="> Op0123:@schreefVan\nabc_-", max_size=40), max_size=30))
@settings(max_examples=150, deadline=None)
def test_own_words_are_part_of_what_was_sent(lines: list[str]) -> None:
    text = "\n".join(lines)
    own = own_words(text)
    assert set(own.split()) <= set(text.split())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
        b"".join(
            b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
            for n in range(1500)
        ),
        b"".join(
            b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
            for n in range(150)
        )
        + b"Hoi\r\n" * 2000,
        b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!" * 200_000,
        b"Content-Type: text/html\r\n\r\n" + b"&" * 400_000,
        b"Subject: " + b"=?utf-8?b?" * 10_000 + b"\r\n\r\nx",
        b"To: " + b"a@" * 50_000 + b"\r\n\r\nx",
        b"X: y\r\n" * 200_000 + b"\r\nx",
        b"Content-Type: text/plain; charset=" + b"x" * 10_000 + b"\r\n\r\nHoi",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * 1_000_000,
        b"Content-Type: text/plain\r\n\r\n" + b"woord " * (MAX_MAIL // 6),
        b"\r\n\r\n" + b"\x00" * MAX_MAIL,
    ],
)
def test_what_was_made_to_hurt_is_read_in_seconds(raw: bytes) -> None:
    begin = time.monotonic()
    check(raw)
    assert time.monotonic() - begin < 8
