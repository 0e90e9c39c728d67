"""Whatever a request holds, from anybody, to every address: an answer that is no failure of ours,
and nothing of it in a log.

The addresses are those of the table of permissions, so that a new one is tried by itself; the names
of fields come from the pages. `REQUESTS=20000 SEED=1 pytest tests/faults/test_http_fuzz.py` goes on
longer.
"""

import json
import os
import random
import re
import uuid
from collections import Counter
from io import StringIO
from urllib.parse import quote, urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import NoReverseMatch, reverse

from chat.models import Conversation, Visitor
from institutions.models import User
from roster.models import ConsultationHour, ServiceLine
from tests.chat.letters import write_letter
from tests.faults.grammar import PLANTED, STRANGE, Speaker
from tests.klikvoor.test_permissions import ADDRESSES, PEOPLE, VISITORS, World, world
from tests.people import begin_visit, sign_in, visit_cookie
from triage.models import Intake
from triage.views import ACTIONS

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = int(os.environ.get("REQUESTS", "500"))
SEED = int(os.environ.get("SEED", "7431"))
# Everything that a young person can reach; half of all requests go there.
VISITOR_ADDRESSES = [
    *("visit", "visit", "visit", "visit", "come_back", "privacy", "brand_css", "places"),
    *("stop_mail", "visit_frames"),
]
METHODS = [
    *["POST"] * 24,
    "GET",
    "GET",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "KLIK",
]
FIELDS = {
    "action": [*ACTIONS, "", "constructor"],
    "client_id": [],
    "text": [],
    "words": ["adres " * 7, "adres " * 100],
    "answer_by": ["code", "notice", "mail", ""],
    "address": ["ik@example.org", "a@b\r\nBcc: c@d.example", "@", "x" * 300 + "@example.org"],
    "transfer": ["1", "-1", "9" * 30, "²"],
    "step": ["0", "1", "-1", "99999999999999999999", "1.5", "²"],
    "language": ["nl", "en", "xx"],
    "heard": ["1", "9", "²"],
    "altcha": ["e30=", "bm90IGpzb24=", "é"],
    "wait": ["x:y:z"],
}
NAMED = re.compile(r'<(?:input|select|textarea|button)[^>]* name="([^"]+)"')
CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=onzin",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="é"',
    "application/json",
    "text/plain; charset=latin1",
    "",
    "onzin/é",
]


class Noise:
    """Makes requests: right in most, wrong in something."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.names: dict[str, list[str]] = {}

    # --- Who ------------------------------------------------------------------------------------

    def browser(self, person: str) -> Client:
        world, rng = self.world, self.rng
        if person in VISITORS:
            world.cookies[person] = visit_cookie(self.visitor())
        elif person in world.staff and rng.random() < 0.3:
            # Whoever signed out, or was shut out, comes back.
            User.objects.filter(pk=world.staff[person].pk).update(is_active=person != "hugo")
            session = sign_in(world.staff[person]).session
            world.cookies[person] = f"session={session.session_key}"
        browser = world.browser(person)
        browser.raise_request_exception = False
        if rng.random() < 0.05:
            browser.cookies["visit"] = rng.choice([PLANTED, "x" * 5000, "\xff", '"\\"'])
        return browser

    def visitor(self) -> Visitor:
        """Somebody in any state that a visit can be in."""
        line, brand = self.world.line, self.world.line.brands.get()
        match self.rng.randrange(7):
            case 0:
                return begin_visit(brand)
            case 1 | 2:
                visitor = begin_visit(brand, self.rng.choice(["nl", "en"]))
                intake = Intake.begin(visitor, is_letter=self.rng.random() < 0.5)
                if self.rng.random() < 0.3:
                    intake.skip_rest()
                return visitor
            case 3:
                visitor = begin_visit(brand)
                Conversation.start(visitor=visitor, line=line)
                return visitor
            case 4:
                visitor = begin_visit(brand)
                Conversation.start(visitor=visitor, line=line).abandon(reason="left")
                return visitor
        letter = write_letter(line)
        if self.rng.random() < 0.3:
            letter.end_letter(by="visitor", reason="by_visitor")
        assert letter.visitor is not None
        letter.visitor.token = letter.visitor.come_back()  # type: ignore[attr-defined]
        return letter.visitor

    # --- Where ----------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        rng = self.rng
        kwargs = ADDRESSES[name].kwargs(self.world) if name in ADDRESSES else {}
        if kwargs and rng.random() < 0.2:
            some = rng.choice(list(kwargs))
            kwargs[some] = rng.choice([0, 2**31, 10**30, "x", "\x00", "é", "..", PLANTED])
        try:
            path = reverse(name, kwargs=kwargs)
        except NoReverseMatch:
            path = reverse(name, kwargs=ADDRESSES[name].kwargs(self.world))
        if rng.random() < 0.15:
            path += rng.choice(["%ff", "%00", "/..//", "é", "x" * 3000, "%c0%af"])
        if rng.random() < 0.3:
            noise = (
                quote(self.value().encode(errors="replace"), safe="=&")
                if rng.random() < 0.5
                else "%ff%fe=%00&&=&box"
            )
            path += "?" + rng.choice(["box=", "start=", "page=", "q=", "week=", "day=", ""]) + noise
        return path

    # --- What -----------------------------------------------------------------------------------

    def value(self, name: str = "") -> str:
        rng = self.rng
        if rng.random() < 0.5 and FIELDS.get(name):
            return rng.choice(FIELDS[name])
        if name == "client_id" and rng.random() < 0.7:
            return str(uuid.UUID(int=rng.getrandbits(128), version=4))
        usual = ["", "1", "0", "-1", "nl", "2026-03-02", "19:00", "9" * 25, "1e5", "²", "on", "x"]
        return rng.choice([f"{PLANTED} {rng.choice(STRANGE)}", rng.choice(usual)])

    def fields(self, name: str) -> dict[str, str]:
        known = [*FIELDS] if name in VISITOR_ADDRESSES else self.names.get(name, ["text", "pk"])
        some = self.rng.sample(known, min(len(known), self.rng.randint(1, 12)))
        fields = {one: self.value(one) for one in some}
        if name == "visit":
            fields["action"] = self.rng.choice(FIELDS["action"])
        elif name in ADDRESSES and self.rng.random() < 0.5:
            fields = {
                one: str(value) for one, value in ADDRESSES[name].data(self.world).items()
            } | fields
        return fields

    def body(self, name: str) -> tuple[bytes, str]:
        rng = self.rng
        dice = rng.random()
        if "frames" in name and dice < 0.7:
            speaker = Speaker("visitor" if name == "visit_frames" else "worker", rng)
            frames = ",".join(self._text(speaker.frame()) for _ in range(rng.randint(0, 25)))
            return f'{{"frames":[{frames}]}}'.encode(errors="replace"), "application/json"
        fields = {key: value.encode(errors="replace") for key, value in self.fields(name).items()}
        if dice < 0.55:
            return urlencode(fields).encode(), CONTENT_TYPES[0]
        if dice < 0.70:
            files = {"file": ("é\x00.txt", rng.randbytes(50))} if rng.random() < 0.3 else {}
            multipart = encode_multipart(
                BOUNDARY, {**fields, **{one: two[1] for one, two in files.items()}}
            )
            return multipart, MULTIPART_CONTENT
        if dice < 0.78:
            return b"&".join(
                b"%s=\xff\xfe\x00\xc0\xaf" % one.encode() for one in fields
            ), CONTENT_TYPES[0]
        if dice < 0.82:
            return b"text=" + b"x" * rng.choice([63_000, 65_536, 70_000, 300_000]), CONTENT_TYPES[0]
        if dice < 0.85:
            return b"&".join(
                b"a%d=1" % n for n in range(rng.choice([99, 101, 5_000]))
            ), CONTENT_TYPES[0]
        noise = [urlencode(fields).encode(), rng.randbytes(200), json.dumps({"a": [[]]}).encode()]
        return rng.choice(noise), rng.choice(CONTENT_TYPES)

    @staticmethod
    def _text(frame: str | bytes) -> str:
        return frame if isinstance(frame, str) else frame.decode(errors="replace")

    def headers(self) -> dict[str, str]:
        rng = self.rng
        headers = {}
        if rng.random() < 0.1:
            headers["origin"] = rng.choice(["http://kwaad.example", "null", "", "\x00"])
        if rng.random() < 0.1:
            headers["sec-fetch-site"] = rng.choice(["cross-site", "none", "é"])
        if rng.random() < 0.1:
            headers["accept-language"] = rng.choice(["en;q=é", "x" * 5000, ",,,"])
        if rng.random() < 0.05:
            headers["host"] = rng.choice(["kwaad.example", "testserver:99999", "[::1", ""])
        return headers

    def learn(self, name: str, response: HttpResponse) -> None:
        """The fields of a page are what the next request to it fills in."""
        if response.status_code == 200 and response.headers["Content-Type"].startswith("text/html"):
            self.names[name] = list(dict.fromkeys(NAMED.findall(response.content.decode()))) or [
                "x"
            ]


def test_no_request_makes_us_fail_or_reaches_a_log(
    world: World, log: StringIO, kind_of_database: str
) -> None:
    rng = random.Random(SEED)
    noise = Noise(world, rng)
    answers: Counter[int] = Counter()
    every = [*ADDRESSES, "desk_frames", "visit_frames"]
    for number in range(REQUESTS):
        name = rng.choice(VISITOR_ADDRESSES if rng.random() < 0.5 else every)
        person = rng.choice(VISITORS if name in VISITOR_ADDRESSES else PEOPLE)
        browser = noise.browser(person)
        try:
            path = noise.path(name)
        except (Conversation.DoesNotExist, ConsultationHour.DoesNotExist, ServiceLine.DoesNotExist):
            continue
        if name not in noise.names:
            noise.learn(name, browser.get(path))
        method = rng.choice(METHODS)
        body, content_type = noise.body(name)
        try:
            response = browser.generic(
                method, path, body, content_type=content_type, headers=noise.headers()
            )
        except UnicodeError:  # the client's own: no browser can write that
            continue
        answers[response.status_code] += 1
        what = f"request {number}, seed {SEED}: {method} {path[:80]} by {person}, {content_type}"
        assert response.status_code < 500, (
            f"{what}: {response.status_code}\n{log.getvalue()[-2000:]}"
        )
        assert PLANTED not in log.getvalue(), what
    print(f"{sum(answers.values())} requests, answers {dict(sorted(answers.items()))}")
    assert "Traceback" not in log.getvalue()
    assert Client().get("/", headers={"host": "testserver"}).status_code == 200


__all__ = ["world"]
