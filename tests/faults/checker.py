"""The judge: compares what everybody remembers with each other and with what is stored.

Each broken promise is a `Violation` of a kind; `judge` returns them all. It takes nothing from the
application but what the door read out of the database, and is tested with planted violations
(`test_checker.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.letter_judge import Letters
from tests.faults.memory import Claim, Fault, Heard, Memory, Person, Said, Violation

# Between the sending of a frame and its reading: a busy machine, a full buffer.
READING = 1.5
STAFF_ONLY = {"desk", "notes", "intake", "opened", "presence.changed"}
WITH_WORDS = {"message.posted", "notes", "intake"}


@dataclass
class Verdict:
    """The violations, and the figures of a run."""

    violations: list[Violation]
    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    slowest_return: float = 0.0
    letters: int = 0
    letter_words: int = 0
    erased: int = 0
    mails: int = 0
    doubled_mails: int = 0
    forms_in: list[float] = field(default_factory=list)
    acknowledged_in: list[float] = field(default_factory=list)
    delivered_in: list[float] = field(default_factory=list)

    def count(self, *kinds: str) -> int:
        return sum(one.kind in kinds for one in self.violations)

    @property
    def is_safe(self) -> bool:
        return not self.violations

    def p95(self, times: list[float]) -> float:
        return percentile(times, 0.95)

    def summary(self) -> str:
        lines = [
            f"sent {self.sent}, acknowledged {self.acknowledged}, stored {self.stored},"
            f" refused {self.refused}",
            f"lost {self.count('lost')}, doubled {self.count('doubled')}, misdelivered"
            f" {self.count('misdelivered')}, views that differ {self.count('order', 'unseen')},"
            f" other {len(self.violations) - self.count('lost', 'doubled', 'misdelivered', 'order', 'unseen')}",
            "acknowledged in p50 {:.0f} / p95 {:.0f} / p99 {:.0f} ms".format(
                *(1000 * percentile(self.acknowledged_in, share) for share in (0.5, 0.95, 0.99))
            ),
            "delivered in p50 {:.0f} / p95 {:.0f} / p99 {:.0f} ms".format(
                *(1000 * percentile(self.delivered_in, share) for share in (0.5, 0.95, 0.99))
            ),
            f"letters {self.letters}, words {self.letter_words}, erased {self.erased}, mails"
            f" {self.mails} ({self.doubled_mails} twice), forms answered in p50"
            f" {1000 * percentile(self.forms_in, 0.5):.0f} / p95"
            f" {1000 * percentile(self.forms_in, 0.95):.0f} ms",
            f"{self.reconnects} reconnections, the slowest {self.slowest_return:.1f} s after its fault",
            "faults: " + ", ".join(f"{n} × {kind}" for kind, n in sorted(self.faults.items())),
        ]
        return "\n".join([*lines, *map(str, self.violations[:40])])


def percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def judge(memory: Memory) -> Verdict:
    letters = Letters(memory)
    verdict = Verdict(
        [
            *_stored(memory),
            *_views(memory),
            *_entitlement(memory, letters),
            *_endings(memory),
            *_silence(memory),
            *_audit(memory),
            *letters.violations(),
            *(Violation("logged", line) for line in memory.logged),
        ]
    )
    said = [one for person in memory.people for one in person.said.values()]
    verdict.sent = len(said)
    verdict.acknowledged = sum(one.state == "sent" for one in said)
    verdict.refused = sum(one.state == "not sent" for one in said)
    verdict.stored = len(memory.stored["messages"])
    verdict.faults.update(fault.kind for fault in memory.faults)
    answered = [one for one in said if one.acknowledged_at]
    verdict.acknowledged_in = [one.acknowledged_at - one.at for one in answered if not one.by_form]
    verdict.forms_in = [one.acknowledged_at - one.at for one in answered if one.by_form]
    verdict.letters = len(memory.letters)
    verdict.letter_words = len(verdict.forms_in)
    verdict.erased = sum(one.erased_at > 0 for one in memory.letters.values())
    ids = Counter(post.message_id for post in memory.posts)
    verdict.mails, verdict.doubled_mails = len(ids), sum(count > 1 for count in ids.values())
    verdict.delivered_in = list(_deliveries(memory))
    verdict.reconnects = sum(len(person.outages) for person in memory.people)
    verdict.slowest_return = max(
        (_return_after(outage, memory.faults) for p in memory.people for outage in p.outages),
        default=0.0,
    )
    return verdict


def _return_after(outage: tuple[float, float], faults: list[Fault]) -> float:
    """How long somebody was away once the last fault that touched it was over."""
    down, up = outage
    ended = [fault.ended for fault in faults if fault.began <= up and fault.ended <= up]
    return up - max([down, *ended])


def _stored(memory: Memory) -> Iterator[Violation]:
    """Acknowledged is stored, once, under its number, as it was written; without holes."""
    by_id: dict[tuple[str, str], list[list[Any]]] = defaultdict(list)
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in memory.stored["messages"]:
        by_id[row[0], row[2]].append(row)
        numbers[row[0]].append(row[1])
    for person in memory.people:
        for one in person.said.values():
            rows = by_id.pop((one.conversation, one.client_id), [])
            if len(rows) > 1:
                yield Violation("doubled", f"{person.name} said {one.text!r} {len(rows)} times")
            if not rows:
                if one.state == "sent" and one.conversation not in memory.erased:
                    yield Violation("lost", f"{one.text!r} of {person.name}, number {one.seq}")
                continue
            row = rows[0]
            if one.state == "sent" and row[1] != one.seq and not one.by_form:
                yield Violation("order", f"{one.text!r}: told {one.seq}, stored {row[1]}")
            if row[5] != one.text:
                yield Violation("altered", f"{one.text!r} became {row[5]!r}")
            if (row[3], row[4] or 0) != (person.kind, person.id if person.kind == "worker" else 0):
                yield Violation("misattributed", f"{one.text!r} of {person.name}")
    for (conversation, client_id), rows in by_id.items():
        yield Violation("unsaid", f"{len(rows)} × {client_id} in {conversation}")
    for conversation, found in numbers.items():
        top = memory.stored["conversations"][conversation]["top"]
        if sorted(found) != list(range(1, top + 1)):
            yield Violation("hole", f"{conversation} holds {sorted(found)} of {top}")


def _views(memory: Memory) -> Iterator[Violation]:
    """Everybody saw what is stored, at its place; who is there at the end saw all of it."""
    stored: dict[str, dict[int, tuple[str, str, str]]] = defaultdict(dict)
    for conversation, seq, client_id, author, _worker, text in memory.stored["messages"]:
        stored[conversation][seq] = (client_id, author, text)
    for person in memory.people:
        for conversation, view in person.views.items():
            for seq, shown in view.items():
                if stored[conversation].get(seq) != shown and conversation not in memory.erased:
                    yield Violation("order", f"{person.name} saw {shown[2]!r} as number {seq}")
            twice = Counter(shown[0] for shown in view.values())
            for client_id, times in twice.items():
                if times > 1:
                    yield Violation("doubled", f"{person.name} saw {client_id} {times} times")
        for conversation in person.complete:
            missing = stored[conversation].keys() - person.views.get(conversation, {}).keys()
            if missing:
                yield Violation(
                    "unseen", f"{person.name} never saw {sorted(missing)} of {conversation}"
                )


def _entitlement(memory: Memory, letters: Letters) -> Iterator[Violation]:
    """No socket heard of a conversation that its owner could not read at that moment."""
    owned = letters.claims()
    claims = {
        one: [*memory.claims.get(one, []), *owned.get(one, [])]
        for one in memory.claims.keys() | owned.keys()
    }
    for person in memory.people:
        for heard in person.heard:
            if person.kind == "visitor":
                if heard.type in STAFF_ONLY or heard.conversation != person.conversation:
                    yield Violation("misdelivered", f"{heard.type} to {person.name}")
            elif not _may_read(claims.get(heard.conversation, []), person, heard):
                yield Violation(
                    "misdelivered",
                    f"{heard.type} {heard.seq} of {heard.conversation} to {person.name}"
                    f" of {person.institution} at {heard.at - memory.began:.2f} s; claims:"
                    f" {_claims(memory, heard.conversation)}",
                )


def _claims(memory: Memory, conversation: str) -> str:
    return (
        ", ".join(
            f"{one.worker} of {one.institution} {one.asked_at - memory.began:.2f}"
            f" to {one.known_at - memory.began:.2f}"
            for one in memory.claims.get(conversation, [])
        )
        + "; stored: "
        + ", ".join(
            f"{new} {worker or ''}"
            for one, _, new, worker, *_ in memory.stored["changes"]
            if one == conversation
        )
    )


def _may_read(known: list[Claim], worker: Person, heard: Heard) -> bool:
    """Whether this conversation may have been the worker's institution's when the frame was sent.

    It became that of an institution between the asking and the knowing of a claim, and stays so
    until another institution's claim is known.
    """
    if heard.type not in WITH_WORDS:
        # Whose a chat is, changes at once; the lists of the desk follow within a moment.
        return True
    if heard.client_id in worker.said:
        # Own words, sent again after the chat went to somebody else: they were stored.
        return True
    claims = sorted(known, key=lambda one: one.known_at)
    for number, claim in enumerate(claims):
        if claim.institution != worker.institution or heard.at < claim.asked_at:
            continue
        taken = [
            one.known_at for one in claims[number + 1 :] if one.institution != worker.institution
        ]
        if heard.late or not taken or heard.at <= min(taken) + READING:
            return True
    return False


def _endings(memory: Memory) -> Iterator[Violation]:
    """What was first said when somebody knew that it was over is not stored; and the road is legal."""
    held = {(row[0], row[2]) for row in memory.stored["messages"]}
    for person in memory.people:
        for one in person.said.values():
            if one.too_late and (one.conversation, one.client_id) in held:
                yield Violation("after closing", f"{one.text!r} of {person.name}")
    status: dict[str, str] = defaultdict(str)
    for conversation, old, new, *_ in memory.stored["changes"]:
        if status[conversation] != old:
            yield Violation(
                "history", f"{conversation}: {status[conversation]!r}, then {old} to {new}"
            )
        status[conversation] = new
    for conversation, row in memory.stored["conversations"].items():
        if status[conversation] != row["status"]:
            yield Violation(
                "history", f"{conversation} is {row['status']}, its history says otherwise"
            )


def _silence(memory: Memory) -> Iterator[Violation]:
    """Whatever is not acknowledged is shown as not sent, with the reason."""
    for person in memory.people:
        for one in person.said.values():
            if one.state == "sending" or (one.state == "not sent" and not one.code):
                yield Violation("silence", f"{one.text!r} of {person.name} got no answer")
            if one.state == "sent" and not (one.seq or one.by_form):
                yield Violation("silence", f"{one.text!r} of {person.name} counts as sent")


def _audit(memory: Memory) -> Iterator[Violation]:
    """One row for each claim, hand-over and close; for each reading one, answered or not."""
    expected: Counter[tuple[str, str, int]] = Counter()
    for conversation, old, new, worker, reason, by in memory.stored["changes"]:
        if reason == "transferred":  # she said yes: one row for each of the two institutions
            expected["hand_over", conversation, worker] += 2
        if by != "worker":
            continue
        if (old, new) == ("waiting", "active"):
            expected["claim", conversation, worker] += 1
        elif (old, new) == ("active", "waiting") and reason == "handed_over":
            expected["hand_over", conversation, worker] += 1
        elif new == "closed":
            expected["close", conversation, worker] += 1
    written: Counter[tuple[str, str, int]] = Counter()
    for verb, conversation, actor, detail in memory.stored["audit"]:
        if verb in ("claim", "hand_over", "close") and detail != "registered":
            written[verb, conversation, actor] += 1
    for key in expected.keys() | written.keys():
        if expected[key] != written[key]:
            yield Violation("audit", f"{key}: {written[key]} rows for {expected[key]} deeds")
    reads = Counter(
        (conversation, actor)
        for verb, conversation, actor, _ in memory.stored["audit"]
        if verb == "read"
    )
    for person in memory.people:
        for conversation in person.opens_sent:
            rows = reads[conversation, person.id]
            least = person.opens_answered.get(conversation, 0)
            if not least <= rows <= person.opens_sent[conversation]:
                yield Violation(
                    "audit",
                    f"{person.name} read {conversation} {least} times or more,"
                    f" asked {person.opens_sent[conversation]} times, and left {rows} rows",
                )


def _deliveries(memory: Memory) -> Iterator[float]:
    """From the wish to say something until the other side saw it, while they were in one talk."""
    seen: dict[tuple[str, str], float] = {}
    for person in memory.people:
        for heard in person.heard:
            if heard.type == "message.posted":
                seen.setdefault((person.name, heard.client_id), heard.at)
    for person in memory.people:
        for one in person.said.values():
            at = seen.get((one.awaited_by, one.client_id))
            if at is not None:
                yield at - one.at


__all__ = ["Said", "Verdict", "Violation", "judge", "percentile"]
