"""People who write letters instead of waiting, and workers who answer them: on pages, with forms.

A form that got no answer is sent again as it was, some are sent twice at once, and lines break in
the middle. Each remembers what was acknowledged, what pages showed, and when.
"""

import asyncio
import base64
import hashlib
import html
import itertools
import json
import random
import re
import time
import uuid
from typing import TYPE_CHECKING

from tests.faults.browser import Browser, NoAnswer, Reply
from tests.faults.memory import Letter, Move, Page, Person, Said

if TYPE_CHECKING:
    from tests.faults.world import World

DOUBLE = 0.10
# Words for her and her worker, and words that only workers of one institution may see.
TO_HER = ("in a letter", "in an answer", "in the queue")
FOR_STAFF = ("in a note", "in a draft", "at parting")
WORDS = re.compile(
    r"(?:writer|answerer) \d+ says \d+ (?:" + "|".join(TO_HER + FOR_STAFF) + r")"
    r"|worker \d+ says \d+"
)
LETTER = re.compile(r'href="/desk/letters/([\w-]{22})/"')
# How often a person presses the button again when a page says that it cannot be stored now.
PATIENCE = 12


class Correspondent:
    """What both sides have in common."""

    def __init__(
        self, world: "World", person: Person, rng: random.Random, cookie: str = ""
    ) -> None:
        self.world = world
        self.person = person
        self.rng = rng
        self.browser = Browser(world, cookie)
        self.numbers = itertools.count(1)
        self.is_done = False

    async def run(self) -> None:
        try:
            await self.live()
        finally:
            self.is_done = True

    async def live(self) -> None:
        raise NotImplementedError

    async def look(self) -> None:
        """Read everything of one's own once more, when nothing goes wrong any more."""
        raise NotImplementedError

    def says(self, where: str) -> str:
        return f"{self.person.name} says {next(self.numbers)} {where}"

    async def pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self.rng.uniform(least, most) * self.world.pace)

    async def get(self, path: str) -> Reply:
        """Ask for a page until there is one."""
        while True:
            try:
                reply = await self.browser.get(path)
                if reply.status < 500:
                    return reply
            except NoAnswer:
                pass
            await self.pause(0.2, 1.2)

    async def press(self, path: str, fields: dict[str, str], *, once: bool = False) -> Reply:
        """Send a form, the same again until somebody answers, and now and then twice at once."""
        while True:
            times = 2 if not once and self.rng.random() < DOUBLE else 1
            asked = [self.browser.post(path, fields) for _ in range(times)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            replies = [one for one in answers if isinstance(one, Reply) and one.status < 500]
            if replies:
                # Of two answers the one to what was done; the other one only says that it was.
                return min(replies, key=lambda one: one.status)
            for one in answers:
                if isinstance(one, BaseException) and not isinstance(one, NoAnswer):
                    raise one
            await self.pause(0.2, 1.2)

    def want(self, conversation: str, text: str, client_id: str) -> Said:
        said = Said(conversation, client_id, text, time.monotonic(), by_form=True)
        self.person.said[client_id] = said
        return said

    def saw(self, reply: Reply, conversation: str, asked_at: float, *, whole: bool = False) -> None:
        words = [html.unescape(one) for one in WORDS.findall(reply.text)]
        page = Page(asked_at, time.monotonic(), conversation, words, whole)
        self.person.pages.append(page)


def acknowledged(said: Said) -> None:
    said.state, said.acknowledged_at = "sent", time.monotonic()


def refused(said: Said, code: str) -> None:
    said.state, said.code = "not sent", code


def solved(reply: Reply) -> str:
    """Do the work that a page asks for under pressure, as `proof.js` does."""
    challenge, salt = reply.data("challenge"), reply.data("salt")
    for number in range(int(reply.data("max")) + 1):
        if hashlib.sha256(f"{salt}{number}".encode()).hexdigest() == challenge:
            break
    answer = {
        "algorithm": "SHA-256",
        "challenge": challenge,
        "number": number,
        "salt": salt,
        "signature": reply.data("signature"),
    }
    return base64.b64encode(json.dumps(answer).encode()).decode()


class Writer(Correspondent):
    """A young person who writes a letter; with a cookie she waits in the queue already."""

    def __init__(
        self, world: "World", person: Person, rng: random.Random, cookie: str = "", chat: str = ""
    ) -> None:
        super().__init__(world, person, rng, cookie)
        self.chat = chat
        self.letter = ""
        self.code = ""
        self.patience = rng.randint(5, 14)
        # Does not look by herself, but waits for a mail.
        self.waits_for_mail = rng.random() < 0.4

    async def live(self) -> None:
        await self.pause(0, 3)
        if self.world.is_closing:
            return
        if not await self.begin():
            self.world.has_written(self)
            return
        await self.learn_code()
        while not self.world.is_closing and self.patience > 0:
            self.patience -= 1
            await self.pause(0.6, 2.4)
            await self.do_something()
        if not self.world.is_closing:
            await self.leave()

    @property
    def memory(self) -> Letter:
        return self.world.memory.letters[self.letter]

    async def act(self, action: str, *, once: bool = False, **fields: str) -> Reply:
        return await self.press("/", {"action": action, **fields}, once=once)

    # --- A new letter ---------------------------------------------------------------------------

    async def begin(self) -> bool:
        """Send a letter; False when somebody was free for her before that."""
        if self.chat:
            if self.rng.random() < 0.6:
                await self.post(self.chat, "post", "in the queue")
            paper = await self.act("letter")
            if paper.status != 200:
                return await self.taken()
        else:
            while not self.browser.cookies:
                await self.act("letter", once=True)
            await self.act("skip_all")
            paper = await self.get("/")
        return await self.send(paper)

    async def send(self, paper: Reply) -> bool:
        fields = {
            "client_id": paper.value_of("client_id"),
            "text": self.says("in a letter"),
            "answer_by": self.rng.choice(
                ["notice", "mail"] if self.waits_for_mail else ["code", "notice", "mail"]
            ),
            "address": f"{self.person.name.replace(' ', '')}@letters.example",
        }
        said = self.want(self.chat, fields["text"], fields["client_id"])
        reply = await self.act("letter_send", **fields)
        for _ in range(PATIENCE):
            if reply.status != 429:
                break
            reply = await self.act("letter_send", **fields | {"altcha": solved(reply)})
        if reply.status == 409 and self.chat:
            refused(said, "taken")
            return await self.taken()
        if reply.status != 303:
            refused(said, str(reply.status))
            return False
        acknowledged(said)
        while not self.letter:
            page = await self.get("/")
            if 'id="letter-watch"' in page.text:
                self.letter = said.conversation = page.data("conversation")
            elif self.chat:
                # Clicked twice, and the second click found a worker.
                refused(said, "taken")
                return await self.taken()
        self.person.own_letters.add(self.letter)
        letter = Letter(self.person.name, said.at, time.monotonic())
        if fields["answer_by"] != "code":
            letter.addresses.add(fields["address"])
        self.world.memory.letters[self.letter] = letter
        self.world.waiting.discard(self.chat)
        return True

    async def taken(self) -> bool:
        """A worker was first: out of the chat again."""
        await self.act("leave")
        self.world.over(self.chat)
        return False

    # --- Afterwards -----------------------------------------------------------------------------

    async def learn_code(self) -> None:
        while not self.code:
            self.code = (await self.act("code")).data("code")

    async def do_something(self) -> None:
        dice = self.rng.random()
        if self.waits_for_mail:
            if dice < 0.15:
                await self.post(self.letter, "letter_post", "in a letter")
        elif dice < 0.35:
            await self.read()
        elif dice < 0.65:
            await self.post(self.letter, "letter_post", "in a letter")
        elif dice < 0.80:
            await self.come_back()
        elif dice < 0.85:
            await self.try_a_wrong_code()
        elif dice < 0.90:
            await self.change_address()
        elif dice < 0.94:
            self.code = (await self.act("code_new", once=True)).data("code") or self.code
        else:
            await self.act("letter_close")

    async def read(self, *, older: bool = False, whole: bool = False) -> None:
        asked_at = time.monotonic()
        page = await (self.act("letter_older") if older else self.get("/"))
        found = page.data("conversation")
        if found:
            self.saw(page, found, asked_at, whole=whole)
        else:
            self.person.locked_out += 1
        if transfer := page.value_of("transfer"):
            await self.decide(page, transfer)

    async def decide(self, page: Reply, transfer: str) -> None:
        named = re.search(r"Institution (\d+) je beter", page.text)
        if self.rng.random() < 0.25 or named is None:
            await self.act("transfer_no", transfer=transfer)
            return
        asked_at = time.monotonic()
        reply = await self.act("transfer_yes", transfer=transfer)
        institution = self.world.institutions[int(named[1])]
        is_sure = reply.status == 303
        self.memory.moves.append(Move(institution, asked_at, time.monotonic(), is_sure))

    async def post(self, conversation: str, action: str, where: str) -> None:
        """Write on. What cannot be stored now is on the page still, under its number."""
        client_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        said = self.want(conversation, self.says(where), client_id)
        for _ in range(PATIENCE):
            reply = await self.act(action, client_id=client_id, text=said.text)
            if reply.status == 303:
                acknowledged(said)
                return
            if reply.value_of("client_id") != client_id:
                break
            await self.pause(0.5, 2)
        refused(said, str(reply.status))

    async def change_address(self) -> None:
        address = f"{self.person.name.replace(' ', '')}x{self.rng.randrange(99)}@letters.example"
        self.memory.addresses.add(address)
        answer_by = self.rng.choice(["code", "notice", "mail"])
        await self.act("letter_answer", answer_by=answer_by, address=address)

    async def come_back(self) -> None:
        """With the code, in another browser; the one before it sees nothing any more."""
        before = self.browser
        if self.rng.random() < 0.5:
            await self.act("new")
        self.browser = Browser(self.world)
        reply = await self.enter(self.code)
        if reply.status != 303:
            self.person.locked_out += 1
            self.browser = before
            return
        await self.read()
        old = Correspondent(self.world, self.person, self.rng)
        old.browser = before
        page = await old.get("/")
        self.person.wrong_doors += bool(page.data("conversation"))

    async def enter(self, code: str) -> Reply:
        reply = await self.press("/terug/", {"words": code}, once=True)
        for _ in range(PATIENCE):
            if reply.status != 429:
                break
            fields = {"words": code, "altcha": solved(reply)}
            reply = await self.press("/terug/", fields, once=True)
        return reply

    async def try_a_wrong_code(self) -> None:
        """Seven right words in another order lead nowhere."""
        words = self.code.split()
        mine, self.browser = self.browser, Browser(self.world)
        reply = await self.enter(" ".join([*words[1:], words[0]]))
        if reply.status == 303 and len(set(words)) > 1:
            self.person.wrong_doors += 1
        self.browser = mine

    # --- The end --------------------------------------------------------------------------------

    async def leave(self) -> None:
        if self.rng.random() < 0.5:
            await self.erase()
        self.world.has_written(self)

    async def erase(self) -> None:
        memory = self.memory
        memory.erase_asked_at = time.monotonic()
        self.world.memory.erased |= {self.letter, self.chat} - {""}
        await self.act("erase")
        reply = await self.act("erase_now")
        if reply.status not in (200, 409):
            return
        memory.erased_at = time.monotonic()
        self.person.wrong_doors += bool((await self.get("/")).data("conversation"))
        self.browser = Browser(self.world)
        if (await self.enter(self.code)).status == 303:
            self.person.wrong_doors += 1

    async def look(self) -> None:
        if self.letter and not self.memory.erase_asked_at:
            # Where the lost answer to a code that was given left her.
            self.browser = Browser(self.world)
            if (await self.enter(self.code)).status != 303:
                self.person.locked_out += 1
                return
            await self.read(older=True, whole=True)


class Answerer(Correspondent):
    """A worker who answers letters."""

    async def live(self) -> None:
        while not self.world.is_closing:
            await self.pause(0.4, 1.6)
            dice = self.rng.random()
            own = sorted(self.person.own_letters)
            if dice < 0.06:
                await self.pry()
            elif own and (len(own) >= 3 or dice < 0.7):
                await self.work_on(self.rng.choice(own))
            else:
                await self.take_one()

    async def open(self, pk: str, *, whole: bool = False) -> Reply:
        """Read a letter. Each time that it was asked for may have left a row of the audit."""
        person = self.person
        while True:
            asked_at = time.monotonic()
            person.opens_sent[pk] = person.opens_sent.get(pk, 0) + 1
            try:
                page = await self.browser.get(f"/desk/letters/{pk}/")
            except NoAnswer:
                page = Reply(500)
            if page.status < 500:
                break
            await self.pause(0.2, 1.2)
        if page.status == 200:
            person.opens_answered[pk] = 1
            self.saw(page, pk, asked_at, whole=whole)
            if 'id="answer"' in page.text:
                person.own_letters.add(pk)
        if page.status != 200 or 'id="answer"' not in page.text:
            person.own_letters.discard(pk)
        return page

    async def do(self, page: Reply, pk: str, deed: str, **fields: str) -> Reply:
        token = page.value_of("csrfmiddlewaretoken")
        return await self.press(
            f"/desk/letters/{pk}/{deed}/", {"csrfmiddlewaretoken": token, **fields}
        )

    async def box(self, name: str) -> tuple[Reply, list[str]]:
        asked_at = time.monotonic()
        page = await self.get(f"/desk/letters/?box={name}")
        found = list(dict.fromkeys(LETTER.findall(page.text)))
        for pk in found:
            # That it is there is something that strangers do not hear either.
            self.saw(Reply(200), pk, asked_at)
        return page, found

    async def take_one(self) -> None:
        """From the inbox, or over from a colleague; or read somebody's draft along."""
        name = self.rng.choice(["new", "new", "new", "asked", "institution"])
        page, found = await self.box(name)
        if not found:
            return
        pk = self.rng.choice(found)
        if name == "new":
            await self.do(page, pk, "claim")
        page = await self.open(pk)
        if "/read-along/" in page.text:
            await self.do(page, pk, "read-along", verdict="agreed", note="")
        elif name == "institution" and "/claim/" in page.text and self.rng.random() < 0.3:
            await self.do(page, pk, "claim")
            await self.open(pk)

    async def pry(self) -> None:
        """Somebody else's letter, by its address."""
        if known := sorted(self.world.memory.letters):
            await self.open(self.rng.choice(known))

    async def work_on(self, pk: str) -> None:
        page = await self.open(pk)
        if 'id="answer"' not in page.text:
            return
        dice = self.rng.random()
        if dice < 0.5:
            await self.answer(page, pk)
        elif dice < 0.62:
            await self.note(page, pk)
        elif dice < 0.76:
            others = [one for one in self.world.institutions if one != self.person.institution]
            to = str(self.rng.choice(others))
            await self.do(page, pk, "transfer", to=to, note=self.says("at parting"))
        elif dice < 0.80:
            await self.do(page, pk, "withdraw-transfer")
        elif dice < 0.86:
            if hour := re.search(r'<select id="hour".*?value="(\d+)"', page.text, re.S):
                await self.do(page, pk, "invite", hour=hour[1])
        elif dice < 0.90:
            draft = self.form(page) | {"text": self.says("in a draft")}
            await self.do(page, pk, "ask-reader", reader="", **draft)
        elif dice < 0.95:
            await self.do(page, pk, "return")
        else:
            await self.do(
                page,
                pk,
                "close",
                reason="finished",
                contact_kind="about_self",
                topic="peers",
                topic_detail="",
                risk="",
                seen=page.value_of("seen"),
            )

    def form(self, page: Reply) -> dict[str, str]:
        return {name: page.value_of(name) for name in ("version", "seen", "client_id")}

    async def answer(self, page: Reply, pk: str) -> None:
        form = self.form(page)
        said = self.want(pk, self.says("in an answer"), form["client_id"])
        reply = await self.do(page, pk, "send", text=said.text, **form)
        if reply.status == 302:
            acknowledged(said)
        else:
            # Something new came, or it is not theirs any more: the page shows it, unsent.
            refused(said, str(reply.status))

    async def note(self, page: Reply, pk: str) -> None:
        client_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        said = Said(pk, client_id, self.says("in a note"), time.monotonic(), by_form=True)
        self.person.notes[client_id] = said
        reply = await self.do(page, pk, "note", client_id=client_id, note=said.text)
        if reply.status == 302:
            acknowledged(said)
        else:
            refused(said, str(reply.status))

    async def look(self) -> None:
        for pk in sorted(self.person.own_letters):
            await self.open(pk, whole=True)
