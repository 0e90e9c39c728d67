"""Every text has an English translation, and who chose English reads no Dutch.

The sources are read here and the catalogue is compiled by Babel, so that nobody needs GNU gettext
to test.
"""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.core import mail
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation.template import templatize

from chat.models import Conversation, Visitor
from chat.reading import Desk
from chat.texts import REFUSALS, refusal
from institutions import mails
from institutions.models import AuditEvent, Brand, Invitation, User
from roster.models import ConsultationHour, Presence, ServiceLine
from roster.opening import Reason, State, label, why
from tests.klikvoor.test_permissions import ADDRESSES, World, world  # noqa: F401
from tests.people import ORIGIN, PASSWORD, rights_of, sign_in, visitor_browser

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("klikvoor", "mail", "triage", "chat", "roster", "institutions")

# A context or none, and one text or singular and plural: what a catalogue knows a text by.
Text = tuple[str | None, str | tuple[str, str]]

# Which arguments of each function are the context and the texts.
ONE, CONTEXT, MANY = (None, 1), (0, 1), (None, 2)
FUNCTIONS = {
    "_": ONE,
    "gettext": ONE,
    "gettext_lazy": ONE,
    "gettext_noop": ONE,
    "ngettext": MANY,
    "ngettext_lazy": MANY,
    "pgettext": CONTEXT,
    "pgettext_lazy": CONTEXT,
}
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf"\b(_|(?:n|p)?gettext)\((({LITERAL})(?:, ?{LITERAL})?)")


# --- The sources --------------------------------------------------------------------------------


def text_of(function: str, arguments: list[str]) -> Text:
    context, count = FUNCTIONS[function]
    if context is not None:
        return arguments[0], arguments[1]
    return None, arguments[0] if count == 1 else (arguments[0], arguments[1])


def texts_of_code(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if function not in FUNCTIONS or not node.args:
            continue
        context, count = FUNCTIONS[function]
        arguments = node.args[: count + (context is not None)]
        assert all(
            isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            for argument in arguments
        ), f"nobody can collect this text: {ast.unparse(node)}"
        yield text_of(function, [ast.literal_eval(argument) for argument in arguments])


def texts_of_template(source: str) -> Iterator[Text]:
    for function, arguments, _first in CALL.findall(templatize(source)):
        yield text_of(function, list(ast.literal_eval(f"({arguments},)")))


def sources() -> Iterator[Text]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            yield from texts_of_code(path.read_text())
    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix in (".html", ".txt"):
            yield from texts_of_template(path.read_text())


def read_catalogue() -> Catalog:
    with (ROOT / "locale/en/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file)


def messages() -> dict[Text, Message]:
    return {(message.context, message.id): message for message in read_catalogue() if message.id}


def strings(message: Message) -> list[tuple[str, str]]:
    """Return each text beside its translation: one pair, or one for singular and for plural."""
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    return list(zip(message.id, message.string, strict=True))


def test_texts_of_code_are_found_however_they_are_said() -> None:
    code = """
    a = _("een" " zin")
    b = translation.gettext_lazy("twee")
    c = pgettext_lazy("chat", "drie")
    d = ngettext("%(n)s dag", "%(n)s dagen", 4)
    for _ in range(3): pass
    """

    assert set(texts_of_code(re.sub(r"(?m)^    ", "", code))) == {
        (None, "een zin"),
        (None, "twee"),
        ("chat", "drie"),
        (None, ("%(n)s dag", "%(n)s dagen")),
    }


def test_a_text_that_is_put_together_is_refused() -> None:
    with pytest.raises(AssertionError, match="nobody can collect"):
        list(texts_of_code("_(f'Hallo {name}')"))


def test_texts_of_templates_are_found_however_they_are_said() -> None:
    template = """{% load i18n %}
    {% translate "Collega's" %} {% translate 'zei "hallo"' as label %}
    {{ name|default:_("niemand") }} {{ _("los") }} {% include "a.html" with b=_("mee") %}
    {% blocktranslate trimmed with day=at|date:"j F" %}
      op {{ day }}
    {% endblocktranslate %}
    {% blocktranslate count n=n %}{{ n }} dag{% plural %}{{ n }} dagen{% endblocktranslate %}
    {% translate "open" context "chat" %}
    {% comment %}{% translate "stil" %}{% endcomment %}
    """

    assert set(texts_of_template(template)) == {
        (None, "Collega's"),
        (None, 'zei "hallo"'),
        (None, "niemand"),
        (None, "los"),
        (None, "mee"),
        (None, "op %(day)s"),
        (None, ("%(n)s dag", "%(n)s dagen")),
        ("chat", "open"),
    }


# --- The catalogue ------------------------------------------------------------------------------


def test_every_text_of_the_sources_is_in_the_english_catalogue() -> None:
    assert not set(sources()) - messages().keys(), "`make translations` collects them"


def test_the_english_catalogue_holds_nothing_that_no_source_says() -> None:
    assert not messages().keys() - set(sources()), "`make translations` takes them out"
    assert not read_catalogue().obsolete


def test_every_text_has_a_translation_that_somebody_looked_at() -> None:
    assert not read_catalogue().fuzzy
    assert not [
        message.id
        for message in messages().values()
        if message.fuzzy or not all(string for _text, string in strings(message))
    ]


# What is filled in, and what makes markup: both have to come out as they went in.
MARKS = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?\w[^>]*>|&#?\w+;|[\"<>&]")


def test_translations_fill_in_and_mark_up_the_same() -> None:
    different = [
        (text, string)
        for message in messages().values()
        for text, string in strings(message)
        if sorted(MARKS.findall(text)) != sorted(MARKS.findall(string))
    ]
    assert not different


def test_no_translation_is_left_in_dutch() -> None:
    assert not [
        string
        for message in messages().values()
        for _text, string in strings(message)
        if DUTCH.search(string)
    ]


# --- English pages ------------------------------------------------------------------------------

# Words that stand in most Dutch sentences and in no English one.
DUTCH = re.compile(
    r"\b(?:aan|bij|dat|deze|een|geen|gesprek|gesprekken|het|hulpverlener|inloggen|instelling|je|jij"
    r"|jongere|kies|maar|naar|niet|notitie|nog|opnieuw|opslaan|plek|spreekuur|terug|uitloggen"
    r"|vandaag|verder|voor|wachtrij|wachtwoord|werkplek|wordt|zijn)\b",
    re.IGNORECASE,
)
NOISE = re.compile(
    # Random letters: pictures, and what passkeys are asked.
    r'data:image[^"]*|<script id="passkey-options".*?</script>'
    # An address that has a Dutch name.
    r'|href="/terug/"'
    # What says itself that it is Dutch, or of no language: a coordinator reads the questions in
    # each, and word lists.
    r'|<(p|span|li|div|dd|textarea)\b[^>]*\b(?:lang="nl"|translate="no")[^>]*>.*?</\1>'
    r'|<input\b[^>]*\blang="nl"[^>]*>',
    re.DOTALL,
)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The catalogue as it is in the repository, whether or not `make` compiled it."""
    locale = tmp_path_factory.mktemp("locale")
    (locale / "en/LC_MESSAGES").mkdir(parents=True)
    with (locale / "en/LC_MESSAGES/django.mo").open("wb") as file:
        write_mo(file, read_catalogue())
    with override_settings(LOCALE_PATHS=[locale]):
        yield


def assert_english(response: HttpResponse, status: int = 200) -> None:
    assert response.status_code == status
    assert not said_in_dutch(response)


def said_in_dutch(response: HttpResponse) -> list[str]:
    """Return the Dutch words of a page, each with what stands around it."""
    page = unescape(NOISE.sub("", response.content.decode()))
    assert '<html lang="en">' in page
    return surroundings(page)


def surroundings(text: str) -> list[str]:
    return [text[max(0, m.start() - 40) : m.end() + 40] for m in DUTCH.finditer(text)]


def is_page(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html") and bool(
        response.content
    )


@pytest.fixture
def young_person(english: None, visitor: Visitor) -> Client:
    """The browser of a visitor who chose English."""
    Visitor.objects.filter(pk=visitor.pk).update(language="en")
    return visitor_browser(visitor)


def act(browser: Client, action: str, **fields: object) -> Any:
    return browser.post("/", {"action": action, **fields})


def test_the_first_page_is_english_once_somebody_chose_so(
    english: None, brand: Brand, open_hour: ConsultationHour
) -> None:
    Brand.objects.update(welcome="Praat met iemand die luistert.")
    browser = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    assert "Praat met iemand" in browser.get("/").content.decode()

    act(browser, "language", language="en")

    assert_english(browser.get("/"))
    assert "Praat met iemand" not in browser.get("/").content.decode()
    assert_english(browser.get("/privacy/"))
    assert_english(act(browser, "nonsense"), status=400)
    assert_english(act(browser, "feedback"), status=409)


def test_every_question_is_english(young_person: Client, open_hour: ConsultationHour) -> None:
    act(young_person, "start")
    for step, answers in enumerate(({"topic": "violence"}, {"safe": "no"}, {"heavy": "5"})):
        assert_english(act(young_person, "answer", step=step), status=400)
        act(young_person, "answer", step=step, **answers)
        assert_english(young_person.get("/"))
    assert_english(act(young_person, "answer", step=3, words="x" * 501), status=400)


def test_the_page_of_who_came_too_late_is_english(
    young_person: Client, open_hour: ConsultationHour
) -> None:
    act(young_person, "start")
    Presence.objects.all().delete()
    assert_english(young_person.get("/"))
    act(young_person, "skip_all")
    assert_english(young_person.get("/"))


def test_waiting_talking_and_looking_back_are_english(
    young_person: Client,
    waiting_conversation: Conversation,
    open_hour: ConsultationHour,
    anna: User,
) -> None:
    assert_english(young_person.get("/"))
    assert_english(act(young_person, "write"))
    waiting_conversation.claim(rights_of(anna))
    assert_english(young_person.get("/"))
    assert_english(act(young_person, "post", client_id="1", text="hi"), status=400)
    waiting_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="family"
    )
    assert_english(young_person.get("/"))
    assert_english(act(young_person, "feedback"), status=400)
    act(young_person, "feedback", heard=4)
    assert_english(young_person.get("/"))


@pytest.mark.parametrize("reason", ["left", "lost", "closing_time"])
def test_leaving_the_queue_is_explained_in_english(
    young_person: Client, waiting_conversation: Conversation, reason: str
) -> None:
    waiting_conversation.abandon(reason=reason)
    assert_english(young_person.get("/"))


def test_the_exit_is_english(young_person: Client) -> None:
    assert_english(act(young_person, "exit"))


# The visit has a language of its own, whoever is signed in; the colours have none.
NOT_OF_STAFF = {"visit", "come_back", "stop_mail", "privacy", "brand_css", "places"}
IN_ENGLISH = ("anna", "edith", "dirk", "ines")


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_works_here_and_chose_english_reads_no_dutch(
    english: None,
    world: World,  # noqa: F811
    method: str,
) -> None:
    """Every address, with what each person may see of it, errors and refusals too."""
    User.objects.update(language="en")
    for verb in AuditEvent.Verb:
        AuditEvent.objects.create(actor=world.staff["anna"], verb=verb)
    read, wrong = set(), []
    for name in ADDRESSES.keys() - NOT_OF_STAFF:
        url = reverse(name, kwargs=ADDRESSES[name].kwargs(world))
        for person in IN_ENGLISH:
            point = transaction.savepoint()
            response = getattr(world.browser(person), method)(url)
            transaction.savepoint_rollback(point)
            if is_page(response):
                read.add(name)
                wrong += [(name, person, words) for words in said_in_dutch(response)]

    assert not wrong
    assert read > {"today", "staff_me", "invite", "person", "account_change_password"}
    if method == "get":
        assert read > {"desk", "staff_home", "people", "audit", "mfa_index", "mfa_list_webauthn"}


def test_changing_a_second_factor_is_english(english: None, anna: User, dirk: User) -> None:
    User.objects.update(language="en")
    browser = sign_in(anna)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert_english(browser.get("/accounts/2fa/webauthn/add/"))
    assert_english(browser.post("/accounts/2fa/webauthn/add/", {"name": ""}))
    passkey = Authenticator.objects.create(
        user=anna, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}}
    )
    one = f"/accounts/2fa/webauthn/keys/{passkey.pk}"

    for path in ("webauthn/", "recovery-codes/generate/", "totp/deactivate/"):
        assert_english(browser.get(f"/accounts/2fa/{path}"))
    assert_english(browser.get(f"{one}/edit/"))
    assert_english(browser.post(f"{one}/edit/", {"name": ""}))
    assert_english(browser.get(f"{one}/remove/"))
    assert_english(browser.post("/accounts/2fa/recovery-codes/generate/", follow=True))
    assert_english(browser.get("/accounts/2fa/recovery-codes/"))
    assert_english(browser.post("/accounts/2fa/totp/deactivate/", follow=True))
    assert_english(browser.get("/accounts/2fa/totp/activate/"))
    assert_english(browser.post("/accounts/2fa/totp/activate/", {"code": "000000"}))
    assert_english(browser.get(f"{one}/remove/"))  # the last one stays, and why
    assert_english(browser.post(f"{one}/remove/", follow=True))
    page = sign_in(dirk).get(f"/staff/people/{anna.pk}/")
    assert_english(page)
    assert "Second step: passkey" in page.content.decode()


def test_what_somebody_just_did_is_told_in_english(english: None, world: World) -> None:  # noqa: F811
    User.objects.update(language="en")
    browser = world.browser("dirk")
    until = timezone.now().astimezone(world.line.zone) + timedelta(hours=1)

    for is_open in ("open", "closed"):
        order = {"is_open": is_open, "until": f"{until:%Y-%m-%dT%H:%M}", "reason": "Testing"}
        assert_english(browser.post("/roster/today/", order, follow=True))
    assert_english(browser.post("/roster/today/", {"action": "withdraw"}, follow=True))
    for deed in ("end-sign-ins", "reset-second-factor", "disable", "enable", "enable"):
        path = f"/staff/people/{world.staff['anna'].pk}/"
        assert_english(browser.post(f"{path}{deed}/", follow=True))
    assert_english(browser.get("/staff/audit/"))


def test_the_details_of_the_audit_trail_are_words_in_both_languages(
    english: None, anna: User
) -> None:
    def explained(verb: str, detail: str) -> str:
        return AuditEvent(actor=anna, verb=verb, detail=detail).explanation

    deeds = {
        ("force", "line 3 closed"): ("chat 3: dicht gezet", "chat 3: closed"),
        ("hand_over", "queue"): ("terug naar de wachtrij", "back to the queue"),
        ("hand_over", "12"): ("aan een collega", "to a colleague"),
        ("close", "registered"): ("geregistreerd", "registered"),
    }
    for (verb, detail), (dutch, in_english) in deeds.items():
        assert explained(verb, detail) == dutch
        with translation.override("en"):
            assert explained(verb, detail) == in_english
    # Named twice, because institutions may not look up at chat.
    reasons = Conversation.ClosingReason
    not_by_staff = {reasons.BY_VISITOR, reasons.QUIET, reasons.ERASED}
    for reason, name in reasons.choices:
        assert reason in not_by_staff or explained("close", reason) == name


def test_sockets_speak_the_language_of_their_owner(
    english: None, line: ServiceLine, anna: User, open_hour: ConsultationHour
) -> None:
    for code in REFUSALS:
        assert not surroundings(refusal(code, "en"))
        assert refusal(code, "nl") == REFUSALS[code] != refusal(code, "en")
    desk = Desk(line, timezone.now(), [anna.pk])
    assert desk.frame(anna.pk, "en")["opening"]["text"].startswith("The chat is open until ")
    assert desk.frame(anna.pk, "nl")["opening"]["text"].startswith("De chat is open tot ")


def test_the_reasons_of_the_opening_follow_the_reader(english: None) -> None:
    with translation.override("en"):
        told = [*(why(reason) for reason in Reason), *(label(state, "") for state in State)]
    assert not [words for sentence in told for words in surroundings(sentence)]
    assert "The consultation hour starts soon." in told


def test_mails_are_in_the_language_of_who_gets_them(
    english: None, anna: User, carla: User, dirk: User, django_capture_on_commit_callbacks: Any
) -> None:
    User.objects.exclude(pk=carla.pk).update(language="en")
    anna.refresh_from_db()
    asked, _token = Invitation.invite(
        rights_of(dirk),
        email=anna.email,
        name=anna.name,
        chat_name=anna.chat_name,
        institution=None,
        role="coordinator",
    )
    passwords = {"password1": "some words in a long row", "password2": "some words in a long row"}

    mails.invite(asked, "https://testserver/staff/invitation/token/")
    mails.second_factor_reset(anna)
    with django_capture_on_commit_callbacks(execute=True):
        # On a Dutch page, because nobody is signed in.
        Client().post("/accounts/password/reset/", {"email": anna.email})
        sign_in(anna).post(
            "/accounts/password/change/",
            {"oldpassword": PASSWORD, **passwords},
        )
    mails.second_factor_reset(carla)

    *english_ones, dutch = mail.outbox
    assert len(english_ones) == 4
    for message in english_ones:
        assert not surroundings(f"{message.subject}\n{message.body}")
    assert surroundings(dutch.body)


def test_who_is_signed_out_reads_dutch(english: None, brand: Brand) -> None:
    assert '<html lang="nl">' in Client().get("/accounts/login/").content.decode()
