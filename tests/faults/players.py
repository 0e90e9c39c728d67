"""The people of a run: visitors who wait and talk, workers who take, talk, pass on and close."""

import asyncio
import itertools
import time
from typing import Any

from tests.faults.browser import NoAnswer
from tests.faults.line import Line
from tests.faults.memory import Claim, Said

GONE = {"closed", "abandoned"}


class Visitor(Line):
    """A young person: one visit, one conversation."""

    socket_path = "/ws/visit/"
    frames_path = "/visit/frames/"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.conversation = self.person.conversation
        self.person.complete.add(self.conversation)
        self.status = ""
        self.numbers = itertools.count(1)
        self.by_request = self.rng.random() < 0.15
        self.patience = self.rng.randint(6, 30)

    def hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "conversation": self.conversation,
            "after": self.reach(self.conversation),
        }

    def take(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "hello" | "status.changed", "status": status}:
                self.status = status
                if status in GONE:
                    self.world.over(self.conversation)
                else:
                    self.world.waiting_or_not(self.conversation, status == "waiting")
            case {"type": "heartbeat", "top": top}:
                if top.get(self.conversation, 0) > self.reach(self.conversation):
                    self.order(**_as_order(self.hello()))

    async def live(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.4, 1.6) * self.world.pace)
            if self.world.is_closing:
                continue
            if self.status in GONE or self.conversation in self.world.memory.over:
                # Still wanted to say something: that must be refused.
                text = f"{self.person.name} too late"
                known = self.world.memory.over.get(self.conversation, time.monotonic())
                if time.monotonic() > known:
                    self.say(self.conversation, text, too_late=True)
                await self.world.answered(self)
                self.world.has_left(self)
                return
            if self.status == "active" and self.patience <= 0 and self.rng.random() < 0.2:
                self.order("conversation.leave")
                continue
            self.patience -= 1
            self.say(self.conversation, f"{self.person.name} says {next(self.numbers)} é 👩‍👧")
            if self.rng.random() < 0.2:
                self.order("typing", on=True)
            if self.rng.random() < 0.3:
                self.order("seen", seq=self.reach(self.conversation))


class Worker(Line):
    """A social worker at the desk."""

    socket_path = "/ws/desk/"
    frames_path = "/desk/frames/"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.mine: set[str] = set()
        self.open: set[str] = set()
        self.asked: dict[str, float] = {}
        self.last_asked: dict[str, float] = {}
        self.asked_to_read: dict[str, bool] = {}
        self.along: set[str] = set()
        self.greeted: set[str] = set()
        self.numbers = itertools.count(1)
        self.room = 3
        # Two requests at the same moment would be one sign-in that is renewed twice.
        self.page = asyncio.Lock()

    def hello(self) -> dict[str, Any]:
        after = {one: self.reach(one) for one in sorted(self.open | self.mine)[:20]}
        # These are opened again, which is no new reading; their answers come first.
        self.greeted = set(after)
        return {"type": "hello", "after": after}

    def where(self, said: Said) -> dict[str, Any]:
        return {"conversation": said.conversation}

    async def reload(self) -> None:
        async with self.page:
            try:
                reply = await self.browser.get("/desk/")
            except NoAnswer:
                return
            if reply.status == 302:
                self.has_to_sign_in()

    async def post(self, frames: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
        async with self.page:
            return await super().post(frames)

    def has_to_sign_in(self) -> None:
        self.person.locked_out += 1
        self.leave()

    def take(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "hello"}:
                self.order("availability.set", state="available")
            case {"type": "desk", "mine": mine, "queue": queue}:
                active = {one["conversation"] for one in mine if one["status"] == "active"}
                for one in active - self.open:
                    self.read(one)
                self.mine = active
                for card in queue:
                    self.world.waiting_or_not(card["conversation"], True)
                for one in mine:
                    if one["to_register"]:
                        self.world.over(one["conversation"])
                        self.order(
                            "conversation.register",
                            conversation=one["conversation"],
                            contact_kind="about_self",
                            topic="peers",
                        )
            case {"type": "opened", "conversation": conversation, "mine": mine, "status": status}:
                self.open.add(conversation)
                answered = self.person.opens_answered
                if conversation in self.greeted:
                    self.greeted.discard(conversation)
                elif self.asked_to_read.pop(conversation, None):
                    answered[conversation] = answered.get(conversation, 0) + 1
                if mine:
                    self.took(conversation)
                else:
                    # Asked for in vain, or twice: what counts is whose it turns out to be.
                    self.asked.pop(conversation, None)
                if status in GONE:
                    self.world.over(conversation)
                if status != "active":
                    self.mine.discard(conversation)
            case {"type": "status.changed", "conversation": conversation, "status": status}:
                self.world.waiting_or_not(conversation, status == "waiting")
                if status in GONE:
                    self.world.over(conversation)
                if status != "active":
                    self.mine.discard(conversation)
            case {"type": "heartbeat", "top": top}:
                self.open = set(top)
                for one, number in top.items():
                    if number > self.reach(one):
                        self.order("conversation.open", conversation=one, after=self.reach(one))
                        self.count_open(one)
            case {"type": "error", "command": "conversation.open", "conversation": conversation}:
                if conversation in self.greeted:
                    self.greeted.discard(conversation)
                else:
                    self.asked_to_read.pop(conversation, None)
                self.asked.pop(conversation, None)
                self.open.discard(conversation)
                self.along.discard(conversation)

    def read(self, conversation: str) -> None:
        if self.order(
            "conversation.open", conversation=conversation, after=self.reach(conversation)
        ):
            self.count_open(conversation)

    def count_open(self, conversation: str) -> None:
        sent = self.person.opens_sent
        sent[conversation] = sent.get(conversation, 0) + 1
        self.asked_to_read[conversation] = True

    def took(self, conversation: str) -> None:
        self.mine.add(conversation)
        self.along.discard(conversation)
        asked = self.asked.pop(conversation, None)
        now = time.monotonic()
        if asked is None and not self.world.is_held_by(self.person, conversation):
            # Asked for more than once, and one of the refusals came in between.
            asked = self.last_asked.get(conversation, now)
        if asked is not None:
            claim = Claim(self.person.name, self.person.institution, asked, now)
            self.world.claimed(conversation, claim)

    def _went_down(self) -> None:
        super()._went_down()
        # Whatever was asked got no answer; it may have been read all the same.
        self.asked_to_read.clear()

    async def live(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.3, 0.9) * self.world.pace)
            if not self.is_up or self.world.is_closing:
                continue
            for conversation in sorted(self.mine):
                if self.rng.random() < 0.45:
                    self.say(conversation, f"{self.person.name} says {next(self.numbers)}")
                if self.rng.random() < 0.2:
                    self.order("seen", conversation=conversation, seq=self.reach(conversation))
            if len(self.mine) < self.room:
                self.claim()
            self.do_something_rare()

    def claim(self) -> None:
        waiting = self.world.next_waiting(self.rng)
        if waiting is None:
            return
        asked = self.last_asked[waiting] = time.monotonic()
        asked = self.asked.setdefault(waiting, asked)
        if self.order("conversation.claim", conversation=waiting, despite=True):
            self.world.asked_for(waiting, self.person, asked)
            self.read(waiting)

    def do_something_rare(self) -> None:
        dice = self.rng.random()
        own = sorted(self.mine & self.open)
        if not own:
            return
        conversation = self.rng.choice(own)
        if dice < 0.03:
            self.order(
                "conversation.close",
                conversation=conversation,
                reason="finished",
                contact_kind="about_self",
                topic="peers",
            )
        elif dice < 0.06:
            to = self.world.colleague_of(self.person, self.rng) if self.rng.random() < 0.5 else None
            self.order("conversation.hand_over", conversation=conversation, to=to, note="Pas op")
            self.mine.discard(conversation)
        elif dice < 0.10:
            other = self.world.chat_of_institution(self.person, self.rng)
            if other and other not in self.open:
                self.along.add(other)
                self.read(other)
        elif dice < 0.13 and self.along:
            one = self.rng.choice(sorted(self.along))
            self.along.discard(one)
            self.open.discard(one)
            self.order("conversation.leave", conversation=one)


def _as_order(frame: dict[str, Any]) -> dict[str, Any]:
    fields = dict(frame)
    return {"type_": fields.pop("type"), **fields}
