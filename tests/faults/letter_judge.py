"""What the judge asks of letters: whose they are, what erasing leaves, and which mail went out.

The pages of letters tell no numbers and no ids, so words are found by their text, which everybody
says once only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.letters import FOR_STAFF, WORDS
from tests.faults.memory import Claim, Letter, Memory, Move, Page, Person, Violation

# A mail that was being sent at the moment of erasing.
IN_THE_MAIL = 5.0
STAFF_DOMAIN = "@faults.example"


@dataclass(frozen=True)
class Owned:
    """A letter may have been this institution's from `since` until `until`."""

    institution: int
    since: float
    until: float


class Letters:
    """Everything about the letters of a run, and the questions of the judge."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._find_unnoticed()
        self.stored: dict[str, dict[str, int]] = defaultdict(dict)
        for conversation, seq, _client_id, _author, _worker, text in memory.stored["messages"]:
            self.stored[conversation][text] = seq
        self.place_of = {text: one for one, texts in self.stored.items() for text in texts}
        self.institution_of = {
            one.id: one.institution for one in memory.people if one.kind == "worker"
        }
        self.by_name = {one.name: one for one in memory.people}
        self.owners = {
            pk: list(self._owners(pk, letter))
            for pk, letter in memory.letters.items()
            if pk in memory.stored["conversations"]
        }

    def violations(self) -> Iterator[Violation]:
        yield from self._doors()
        yield from self._order()
        yield from self._pages()
        yield from self._erased()
        yield from self._audit()
        yield from self._notes()
        yield from self._yes()
        yield from self._mail()

    def _find_unnoticed(self) -> None:
        """A form that got no answer may have begun a letter after its writer had given it up.

        It waits on the page of her visit; here it is hers from when she sent the form.
        """
        begun = {
            row[2]: row[0]
            for row in self.memory.stored["messages"]
            if row[1] == 1 and self.memory.stored["conversations"][row[0]].get("kind") == "letter"
        }
        for person in self.memory.people:
            for one in person.said.values():
                pk = begun.get(one.client_id)
                if pk and pk not in self.memory.letters and one.by_form and one.state == "not sent":
                    one.conversation = pk
                    person.own_letters.add(pk)
                    self.memory.letters[pk] = Letter(person.name, one.at, float("inf"))

    # --- Whose it is ----------------------------------------------------------------------------

    def _chain(self, pk: str) -> list[int]:
        """Return the institutions that had it, one after the other."""
        asked = [
            self.institution_of[worker]
            for conversation, _old, _new, worker, reason, _by in self.memory.stored["changes"]
            if conversation == pk and reason == "transferred"
        ]
        return [*asked, self.memory.stored["conversations"][pk]["institution"]]

    def _happened(self, pk: str, letter: Letter) -> list[Move]:
        """Return her answers that moved the letter, in order."""
        targets = self._chain(pk)[1:]
        moved: list[Move] = []
        for move in letter.moves:
            if len(moved) < len(targets) and move.institution == targets[len(moved)]:
                moved.append(move)
        return moved

    def _owners(self, pk: str, letter: Letter) -> Iterator[Owned]:
        since = letter.asked_at
        moved = self._happened(pk, letter)
        for number, institution in enumerate(self._chain(pk)):
            until = moved[number].known_at if number < len(moved) else float("inf")
            yield Owned(institution, since, until)
            if number < len(moved):
                since = moved[number].asked_at

    def claims(self) -> dict[str, list[Claim]]:
        """The same as claims of chats: whoever had the chat before hears nothing more."""
        return {
            pk: [
                Claim("", one.institution, one.since, self._known(pk, one.since)) for one in owners
            ]
            for pk, owners in self.owners.items()
        }

    def _known(self, pk: str, since: float) -> float:
        letter = self.memory.letters[pk]
        known = {letter.asked_at: letter.known_at}
        return (known | {one.asked_at: one.known_at for one in letter.moves})[since]

    def _may_read(self, person: Person, page: Page) -> bool:
        if person.kind == "visitor":
            return page.conversation in person.own_letters
        return any(
            one.institution == person.institution
            and one.since <= page.at
            and page.asked_at <= one.until
            for one in self.owners.get(page.conversation, [])
        )

    # --- Pages ----------------------------------------------------------------------------------

    def _doors(self) -> Iterator[Violation]:
        for person in self.memory.people:
            if person.wrong_doors:
                yield Violation("misdelivered", f"{person.name} came in without a right")
            if person.locked_out:
                yield Violation("locked out", f"{person.name} could not come back")

    def _pages(self) -> Iterator[Violation]:
        for person in self.memory.people:
            for page in person.pages:
                if not self._may_read(person, page):
                    yield Violation(
                        "misdelivered",
                        f"letter {page.conversation} to {person.name} of {person.institution} at"
                        f" {page.at - self.memory.began:.2f} s; owners:"
                        f" {self.owners.get(page.conversation)}",
                    )
                yield from self._words(person, page)

    def _words(self, person: Person, page: Page) -> Iterator[Violation]:
        letter = self.memory.letters.get(page.conversation)
        if letter and page.words and letter.erased_at and page.asked_at > letter.erased_at:
            yield Violation("erased", f"{person.name} still read {page.words}")
        is_gone = bool(letter and letter.erase_asked_at)
        numbers: list[int] = []
        for text in page.words:
            if text.endswith(FOR_STAFF):
                if not self._is_for(person, text):
                    yield Violation("misdelivered", f"{text!r} to {person.name}")
            elif text in self.stored[page.conversation]:
                numbers.append(self.stored[page.conversation][text])
            elif text in self.place_of:
                yield Violation("misdelivered", f"{text!r} of another letter to {person.name}")
            elif not is_gone:
                yield Violation("lost", f"{person.name} read {text!r}, which is not stored")
        if numbers != sorted(set(numbers)):
            yield Violation("order", f"{person.name} read {page.words}")
        if page.is_whole and not is_gone and len(numbers) < len(self.stored[page.conversation]):
            missing = self.stored[page.conversation].keys() - set(page.words)
            yield Violation("unseen", f"{person.name} never saw {sorted(missing)}")

    def _is_for(self, person: Person, text: str) -> bool:
        """Notes and drafts stay in the institution; what is said at parting goes with the letter."""
        if person.kind == "visitor":
            return False
        writer = self.by_name[text.partition(" says ")[0]]
        return writer.institution == person.institution or text.endswith("at parting")

    def _order(self) -> Iterator[Violation]:
        """Who heard that something is stored, before something else was said, said it first."""
        said = [
            (one, self.stored[one.conversation][one.text])
            for person in self.memory.people
            for one in person.said.values()
            if one.by_form and one.text in self.stored[one.conversation]
        ]
        for earlier, first in said:
            for later, second in said:
                if (
                    earlier.conversation == later.conversation
                    and 0 < earlier.acknowledged_at < later.at
                    and first > second
                ):
                    yield Violation("order", f"{later.text!r} came before {earlier.text!r}")

    def _yes(self) -> Iterator[Violation]:
        for pk, letter in self.memory.letters.items():
            moved = self._happened(pk, letter) if pk in self.owners else []
            for move in letter.moves:
                if move.is_sure and move not in moved:
                    yield Violation("lost", f"a yes of {letter.writer}")
            if len(moved) < len(self._chain(pk)) - 1 if pk in self.owners else False:
                yield Violation("misdelivered", f"letter {pk} moved without a yes")

    def _notes(self) -> Iterator[Violation]:
        written = Counter((one, client_id) for one, client_id in self.memory.stored["notes"])
        for person in self.memory.people:
            for note in person.notes.values():
                rows = written[note.conversation, note.client_id]
                letter = self.memory.letters.get(note.conversation)
                if rows > 1:
                    yield Violation("doubled", f"{note.text!r} of {person.name}")
                is_gone = bool(letter and letter.erase_asked_at)
                if note.state == "sent" and not rows and not is_gone:
                    yield Violation("lost", f"{note.text!r} of {person.name}")
                if note.state == "sending":
                    yield Violation("silence", f"{note.text!r} of {person.name} got no answer")

    # --- Erasing --------------------------------------------------------------------------------

    def _erased(self) -> Iterator[Violation]:
        """What was erased cannot be read any more by anybody, with all keys and the database."""
        for pk, letter in self.memory.letters.items():
            if letter.erased_at and self.memory.stored["conversations"][pk]["readable"]:
                yield Violation("erased", f"letter {pk} of {letter.writer} can still be read")
        for what, count in self.memory.stored["left"].items():
            if count:
                yield Violation("erased", f"{count} {what} of nobody")

    # --- Audit ----------------------------------------------------------------------------------

    def _audit(self) -> Iterator[Violation]:
        """One row for each answer, question, invitation and return; and no words in any row."""
        written: Counter[tuple[str, str]] = Counter()
        for verb, conversation, _actor, detail in self.memory.stored["audit"]:
            if WORDS.search(detail) or " says " in detail:
                yield Violation("audit", f"a row holds words: {detail}")
            if verb == "letter":
                written[conversation, detail.partition(" ")[0]] += 1
        done: Counter[tuple[str, str]] = Counter()
        for conversation, _seq, _client_id, author, worker, _text in self.memory.stored["messages"]:
            name = self._names.get(worker, "")
            if author == "worker" and name.startswith("answerer"):
                done[conversation, "answered"] += 1
        for conversation, _old, _new, _worker, reason, _by in self.memory.stored["changes"]:
            if reason == "returned":
                done[conversation, "returned"] += 1
        for conversation, *_ in self.memory.stored["transfers"]:
            done[conversation, "transfer_asked"] += 1
        for conversation, _hour in self.memory.stored["invitations"]:
            done[conversation, "invited"] += 1
        for pk, letter in self.memory.letters.items():
            for deed in ("answered", "returned", "transfer_asked", "invited"):
                is_gone = letter.erase_asked_at and deed != "returned"
                if written[pk, deed] != done[pk, deed] and not is_gone:
                    yield Violation(
                        "audit", f"{pk} {deed}: {written[pk, deed]} rows for {done[pk, deed]} deeds"
                    )

    @property
    def _names(self) -> dict[int, str]:
        return {one.id: one.name for one in self.memory.people if one.kind == "worker"}

    # --- Mail -----------------------------------------------------------------------------------

    def _mail(self) -> Iterator[Violation]:
        """Once for each event, to nobody else, never lost; doubled only under its own Message-ID."""
        memory = self.memory
        times = Counter(post.message_id for post in memory.posts)
        rows = {row["message_id"]: row for row in memory.stored["mails"]}
        for message_id, count in times.items():
            if count > 2:
                yield Violation("doubled", f"{message_id} was sent {count} times")
        doubled = sum(count > 1 for count in times.values())
        if doubled > len(memory.faults):
            yield Violation("doubled", f"{doubled} mails, after {len(memory.faults)} faults")
        told: dict[str, int] = {}
        for row in memory.stored["mails"]:
            if row["is_sent"] and row["message_id"] not in times:
                yield Violation("lost", f"a mail about {row['conversation']} was never sent")
            if not (row["is_sent"] or row["is_given_up"] or row["attempts"]):
                yield Violation("lost", f"a mail about {row['conversation']} was not even tried")
            if row["is_given_up"]:
                yield Violation("lost", f"a mail about {row['conversation']} was given up")
            if row["kind"] == "answer":
                if row["after"] < told.get(row["conversation"], 0):
                    yield Violation("doubled", f"{row['conversation']} was told of an answer twice")
                told[row["conversation"]] = row["seq"]
        for pk in memory.stored["untold"]:
            yield Violation("lost", f"nobody was told of an answer in {pk}")
        for post in memory.posts:
            words = WORDS.findall(post.text)
            if post.to.endswith(STAFF_DOMAIN):
                if words:
                    yield Violation("misdelivered", f"{words} to staff by mail")
                continue
            row_of = rows.get(post.message_id)
            found = [
                (pk, letter)
                for pk, letter in memory.letters.items()
                if post.to in letter.addresses and (not row_of or row_of["conversation"] == pk)
            ]
            if not found:
                yield Violation("misdelivered", f"a mail to {post.to}")
                continue
            pk, letter = found[0]
            if not row_of and not letter.erase_asked_at:
                yield Violation("misdelivered", f"a mail of no event to {post.to}")
            if letter.erased_at and post.at > letter.erased_at + IN_THE_MAIL:
                yield Violation("erased", f"a mail to {post.to} came afterwards")
            if not letter.erase_asked_at and any(one not in self.stored[pk] for one in words):
                yield Violation("misdelivered", f"{words} to {post.to} by mail")


__all__ = ["Letters"]
