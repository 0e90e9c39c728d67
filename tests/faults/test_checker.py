"""The checker finds what is planted, and finds nothing in a run that went well."""

import copy
from collections.abc import Callable

import pytest

from tests.faults.checker import judge
from tests.faults.memory import Claim, Fault, Heard, Memory, Person, Said

C = "conversation"


def message(seq: int, author: str, worker: int | None, text: str) -> list[object]:
    return [C, seq, f"id-{seq}", author, worker, text]


def good_run() -> Memory:
    """A visitor and Anna of institution 1 said two things each; then Anna closed."""
    rows = [
        message(1, "visitor", None, "one"),
        message(2, "worker", 7, "two"),
        message(3, "visitor", None, "three"),
        message(4, "worker", 7, "four"),
    ]
    young = Person("young", "visitor", conversation=C)
    anna = Person("Anna", "worker", id=7, institution=1)
    for row in rows:
        _, seq, client_id, author, _worker, text = row
        writer = young if author == "visitor" else anna
        assert isinstance(seq, int)
        said = Said(C, str(client_id), str(text), 10 + seq, "sent", seq, 10.1 + seq)
        said.awaited_by = "Anna" if writer is young else "young"
        writer.said[str(client_id)] = said
        for person in (young, anna):
            person.views.setdefault(C, {})[seq] = (str(client_id), str(author), str(text))
            person.heard.append(
                Heard(10.2 + seq, "message.posted", C, seq, str(client_id), str(author), str(text))
            )
    young.said["late"] = Said(C, "late", "late", 30, "not sent", code="wrong_state", too_late=True)
    for person in (young, anna):
        person.complete.add(C)
    anna.opens_sent[C] = anna.opens_answered[C] = 1
    return Memory(
        began=0,
        people=[young, anna],
        faults=[Fault("kill -9", 20, 21)],
        claims={C: [Claim("Anna", 1, 9, 9.5)]},
        stored={
            "messages": rows,
            "conversations": {C: {"status": "closed", "top": 4, "worker": 7}},
            "changes": [
                [C, "", "waiting", None, "", "visitor"],
                [C, "waiting", "active", 7, "", "worker"],
                [C, "active", "closed", 7, "finished", "worker"],
            ],
            "audit": [["claim", C, 7, ""], ["read", C, 7, ""], ["close", C, 7, "finished"]],
            "notes": [],
            "transfers": [],
            "invitations": [],
            "mails": [],
            "untold": [],
            "left": {},
        },
    )


def test_a_good_run_has_nothing_to_complain_about() -> None:
    verdict = judge(good_run())
    assert verdict.is_safe, verdict.summary()
    assert (verdict.sent, verdict.acknowledged, verdict.stored) == (5, 4, 4)
    assert len(verdict.delivered_in) == 4


def lose(run: Memory) -> None:
    run.stored["messages"].pop()
    run.stored["conversations"][C]["top"] = 3


def double(run: Memory) -> None:
    run.stored["messages"].append([C, 5, "id-4", "worker", 7, "four"])
    run.stored["conversations"][C]["top"] = 5


def double_on_screen(run: Memory) -> None:
    run.people[0].views[C][5] = run.people[0].views[C][4]


def leave_a_hole(run: Memory) -> None:
    run.stored["messages"][3][1] = 5


def swap(run: Memory) -> None:
    view = run.people[0].views[C]
    view[1], view[2] = view[2], view[1]


def hide(run: Memory) -> None:
    del run.people[1].views[C][3]


def alter(run: Memory) -> None:
    run.stored["messages"][0][5] = "One"


def put_in_another_mouth(run: Memory) -> None:
    run.stored["messages"][1][4] = 8


def invent(run: Memory) -> None:
    run.stored["messages"].append([C, 5, "id-9", "visitor", None, "never said"])
    run.stored["conversations"][C]["top"] = 5


def tell_another_visitor(run: Memory) -> None:
    stranger = Person("stranger", "visitor", conversation="another")
    stranger.heard.append(Heard(12, "message.posted", C, 1))
    run.people.append(stranger)


def tell_the_visitor_a_note(run: Memory) -> None:
    run.people[0].heard.append(Heard(12, "notes", C))


def tell_another_institution(run: Memory) -> None:
    carla = Person("Carla", "worker", id=9, institution=2)
    carla.heard.append(Heard(12, "message.posted", C, 1))
    run.people.append(carla)


def tell_who_lost_the_right(run: Memory) -> None:
    run.claims[C].append(Claim("Carla", 2, 11, 11.5))
    run.people[1].heard.append(Heard(20, "message.posted", C, 4))


def tell_before_the_claim(run: Memory) -> None:
    run.people[1].heard.insert(0, Heard(8, "intake", C))


def store_after_closing(run: Memory) -> None:
    run.stored["messages"].append([C, 5, "late", "visitor", None, "late"])
    run.stored["conversations"][C]["top"] = 5


def say_nothing(run: Memory) -> None:
    run.people[0].said["late"].state = "sending"


def jump_in_the_history(run: Memory) -> None:
    del run.stored["changes"][1]


def forget_the_audit(run: Memory) -> None:
    run.stored["audit"].pop(0)


def audit_twice(run: Memory) -> None:
    run.stored["audit"].append(["close", C, 7, "finished"])


def read_unnoticed(run: Memory) -> None:
    run.stored["audit"].pop(1)


def log_a_word(run: Memory) -> None:
    run.logged.append("ERROR young says 1")


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lose, "lost"),
        (double, "doubled"),
        (double_on_screen, "doubled"),
        (leave_a_hole, "hole"),
        (swap, "order"),
        (hide, "unseen"),
        (alter, "altered"),
        (put_in_another_mouth, "misattributed"),
        (invent, "unsaid"),
        (tell_another_visitor, "misdelivered"),
        (tell_the_visitor_a_note, "misdelivered"),
        (tell_another_institution, "misdelivered"),
        (tell_who_lost_the_right, "misdelivered"),
        (tell_before_the_claim, "misdelivered"),
        (store_after_closing, "after closing"),
        (say_nothing, "silence"),
        (jump_in_the_history, "history"),
        (forget_the_audit, "audit"),
        (audit_twice, "audit"),
        (read_unnoticed, "audit"),
        (log_a_word, "logged"),
    ],
)
def test_what_is_planted_is_found(plant: Callable[[Memory], None], kind: str) -> None:
    run = copy.deepcopy(good_run())
    plant(run)
    found = {violation.kind for violation in judge(run).violations}
    assert kind in found


def test_a_colleague_of_the_same_institution_may_read_along() -> None:
    run = good_run()
    bilal = Person("Bilal", "worker", id=8, institution=1)
    bilal.heard.append(Heard(12, "message.posted", C, 1))
    run.people.append(bilal)
    assert judge(run).is_safe


def test_own_words_are_acknowledged_after_the_right_was_lost() -> None:
    run = good_run()
    run.claims[C].append(Claim("Carla", 2, 19, 19.5))
    run.people[1].heard.append(Heard(30, "message.posted", C, 4, "id-4"))
    assert judge(run).is_safe


def test_the_time_away_counts_from_the_end_of_the_fault() -> None:
    run = good_run()
    run.people[0].outages.append((20.0, 24.0))
    assert judge(run).slowest_return == pytest.approx(3.0)
