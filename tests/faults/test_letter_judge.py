"""What is planted in a good run of letters is found, and nothing is found in the good run."""

import copy
from collections.abc import Callable

import pytest

from tests.faults.checker import judge
from tests.faults.memory import Fault, Heard, Letter, Memory, Move, Page, Person, Post, Said

L, GONE = "letter", "gone"
FIRST, SECOND = "writer 1 says 1 in a letter", "writer 1 says 2 in a letter"
ANSWER = "answerer 1 says 1 in an answer"
NOTE, PARTING = "answerer 1 says 2 in a note", "answerer 1 says 3 at parting"
HERS = "writer1@letters.example"


def good_run() -> Memory:
    """She wrote, Anna of institution 1 answered and asked, she said yes: now it is Carla's of 2.

    Somebody else wrote a letter, too, and erased everything.
    """
    young, other = Person("writer 1", "visitor"), Person("writer 2", "visitor")
    anna = Person("answerer 1", "worker", id=7, institution=1)
    carla = Person("answerer 2", "worker", id=9, institution=2)
    rows = [
        [L, 1, "a", "visitor", None, FIRST],
        [L, 2, "b", "worker", 7, ANSWER],
        [L, 3, "c", "visitor", None, SECOND],
    ]
    for (_, _, client_id, _, _, text), writer, at in zip(
        rows, (young, anna, young), (10, 20, 30), strict=True
    ):
        said = Said(L, str(client_id), str(text), at, "sent", acknowledged_at=at + 1, by_form=True)
        writer.said[str(client_id)] = said
    erased = Said(GONE, "d", "writer 2 says 1 in a letter", 10, "sent", by_form=True)
    erased.acknowledged_at = 11
    other.said["d"] = erased
    young.own_letters, other.own_letters = {L}, {GONE}
    anna.notes["n"] = Said(L, "n", NOTE, 22, "sent", acknowledged_at=23, by_form=True)
    young.pages = [
        Page(25, 25.1, L, [FIRST, ANSWER]),
        Page(90, 91, L, [FIRST, ANSWER, SECOND], True),
    ]
    anna.pages = [Page(18, 18.1, L, [FIRST]), Page(24, 24.1, L, [FIRST, ANSWER, NOTE])]
    carla.pages = [Page(45, 45.1, L, [FIRST, ANSWER, SECOND, PARTING], True)]
    for worker in (anna, carla):
        worker.opens_sent[L] = worker.opens_answered[L] = 1
    return Memory(
        people=[young, other, anna, carla],
        faults=[Fault("kill -9", 20, 21)],
        letters={
            L: Letter("writer 1", 10, 11, [Move(2, 40, 41)], {HERS}),
            GONE: Letter("writer 2", 10, 11, erase_asked_at=50, erased_at=51),
        },
        erased={GONE},
        posts=[Post(26, "<1@x>", HERS, f"Er is een antwoord\n{ANSWER}")],
        stored={
            "messages": rows,
            "conversations": {
                L: {
                    "status": "waiting",
                    "top": 3,
                    "worker": None,
                    "institution": 2,
                    "readable": True,
                },
                GONE: {
                    "status": "closed",
                    "top": 1,
                    "worker": None,
                    "institution": 1,
                    "readable": False,
                },
            },
            "changes": [
                [L, "", "waiting", None, "letter", "visitor"],
                [L, "waiting", "active", 7, "", "worker"],
                [L, "active", "waiting", 7, "transferred", "visitor"],
                [GONE, "", "waiting", None, "letter", "visitor"],
                [GONE, "waiting", "closed", None, "erased", "visitor"],
            ],
            "audit": [
                ["claim", L, 7, ""],
                ["read", L, 7, ""],
                ["letter", L, 7, "answered"],
                ["letter", L, 7, "transfer_asked"],
                ["hand_over", L, 7, "transferred"],
                ["hand_over", L, 7, "transferred"],
                ["read", L, 9, ""],
            ],
            "notes": [[L, "n"]],
            "transfers": [[L, 7, 2, "yes"]],
            "invitations": [],
            "mails": [mail("<1@x>", 0, 2)],
            "untold": [],
            "left": {"intakes": 0, "codes": 0},
        },
    )


def mail(message_id: str, after: int, seq: int) -> dict[str, object]:
    return {
        "conversation": L,
        "kind": "answer",
        "after": after,
        "seq": seq,
        "message_id": message_id,
        "is_sent": True,
        "attempts": 1,
        "is_given_up": False,
    }


def test_a_good_run_has_nothing_to_complain_about() -> None:
    verdict = judge(good_run())
    assert verdict.is_safe, verdict.summary()
    assert (verdict.letters, verdict.letter_words, verdict.erased, verdict.mails) == (2, 4, 1, 1)


def people(run: Memory) -> tuple[Person, Person, Person, Person]:
    young, other, anna, carla = run.people
    return young, other, anna, carla


def lose_a_word(run: Memory) -> None:
    run.stored["messages"].pop()
    run.stored["conversations"][L]["top"] = 2


def store_a_form_twice(run: Memory) -> None:
    run.stored["messages"].append([L, 4, "c", "visitor", None, SECOND])
    run.stored["conversations"][L]["top"] = 4


def swap_what_came_after(run: Memory) -> None:
    first, _, second = run.stored["messages"]
    first[1], second[1] = 3, 1


def give_no_answer(run: Memory) -> None:
    people(run)[0].said["c"].state = "sending"


def show_it_in_another_order(run: Memory) -> None:
    people(run)[0].pages[0].words.reverse()


def hide_a_word(run: Memory) -> None:
    people(run)[0].pages[-1].words.pop()


def show_what_is_not_stored(run: Memory) -> None:
    people(run)[2].pages[0].words.append("writer 1 says 9 in a letter")


def show_it_to_another_institution(run: Memory) -> None:
    people(run)[3].pages.append(Page(20, 20.1, L, [FIRST]))


def show_it_to_who_gave_it_away(run: Memory) -> None:
    people(run)[2].pages.append(Page(60, 60.1, L, [FIRST]))


def list_it_for_a_stranger(run: Memory) -> None:
    people(run)[3].pages.append(Page(20, 20.1, L, []))


def show_it_to_another_young_person(run: Memory) -> None:
    people(run)[1].pages.append(Page(20, 20.1, L, [FIRST]))


def show_her_a_note(run: Memory) -> None:
    people(run)[0].pages[0].words.append(NOTE)


def show_the_note_to_the_next_institution(run: Memory) -> None:
    people(run)[3].pages[0].words.append(NOTE)


def let_a_wrong_code_in(run: Memory) -> None:
    people(run)[1].wrong_doors = 1


def lock_her_out(run: Memory) -> None:
    people(run)[0].locked_out = 1


def tell_the_socket_of_who_gave_it_away(run: Memory) -> None:
    people(run)[2].heard.append(Heard(60, "message.posted", L, 3))


def move_it_without_a_yes(run: Memory) -> None:
    run.letters[L].moves.clear()


def forget_her_yes(run: Memory) -> None:
    run.stored["changes"].pop(2)
    run.stored["conversations"][L]["institution"] = 1


def lose_a_note(run: Memory) -> None:
    run.stored["notes"].clear()


def store_a_note_twice(run: Memory) -> None:
    run.stored["notes"].append([L, "n"])


def keep_a_key(run: Memory) -> None:
    run.stored["conversations"][GONE]["readable"] = True


def keep_answers_of_nobody(run: Memory) -> None:
    run.stored["left"]["intakes"] = 1


def keep_a_code_of_nobody(run: Memory) -> None:
    run.stored["left"]["codes"] = 1


def read_what_was_erased(run: Memory) -> None:
    people(run)[2].pages.append(Page(60, 60.1, GONE, ["writer 2 says 1 in a letter"]))


def forget_the_audit_of_an_answer(run: Memory) -> None:
    run.stored["audit"].pop(2)


def forget_one_of_two_trails(run: Memory) -> None:
    run.stored["audit"].pop(4)


def audit_a_word(run: Memory) -> None:
    run.stored["audit"][2][3] = f"answered {ANSWER}"


def lose_a_mail(run: Memory) -> None:
    run.posts.clear()


def forget_to_tell(run: Memory) -> None:
    run.stored["untold"].append(L)


def leave_a_mail(run: Memory) -> None:
    run.stored["mails"].append(mail("<2@x>", 2, 3) | {"is_sent": False, "attempts": 0})


def send_a_mail_three_times(run: Memory) -> None:
    run.posts += run.posts * 2


def tell_of_one_answer_in_two_mails(run: Memory) -> None:
    run.stored["mails"].append(mail("<2@x>", 1, 3))
    run.posts.append(Post(27, "<2@x>", HERS, ""))


def send_it_to_somebody_else(run: Memory) -> None:
    run.posts[0].to = "writer2@letters.example"


def send_a_mail_of_no_event(run: Memory) -> None:
    run.posts.append(Post(27, "<9@x>", HERS, ""))


def mail_words_to_staff(run: Memory) -> None:
    run.posts.append(Post(27, "<9@x>", "worker1@faults.example", FIRST))


def mail_her_a_note(run: Memory) -> None:
    run.posts[0].text += NOTE


def mail_after_erasing(run: Memory) -> None:
    run.letters[GONE].addresses.add("writer2@letters.example")
    run.posts.append(Post(70, "<9@x>", "writer2@letters.example", ""))


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lose_a_word, "lost"),
        (store_a_form_twice, "doubled"),
        (swap_what_came_after, "order"),
        (give_no_answer, "silence"),
        (show_it_in_another_order, "order"),
        (hide_a_word, "unseen"),
        (show_what_is_not_stored, "lost"),
        (show_it_to_another_institution, "misdelivered"),
        (show_it_to_who_gave_it_away, "misdelivered"),
        (list_it_for_a_stranger, "misdelivered"),
        (show_it_to_another_young_person, "misdelivered"),
        (show_her_a_note, "misdelivered"),
        (show_the_note_to_the_next_institution, "misdelivered"),
        (let_a_wrong_code_in, "misdelivered"),
        (lock_her_out, "locked out"),
        (tell_the_socket_of_who_gave_it_away, "misdelivered"),
        (move_it_without_a_yes, "misdelivered"),
        (forget_her_yes, "lost"),
        (lose_a_note, "lost"),
        (store_a_note_twice, "doubled"),
        (keep_a_key, "erased"),
        (keep_answers_of_nobody, "erased"),
        (keep_a_code_of_nobody, "erased"),
        (read_what_was_erased, "erased"),
        (forget_the_audit_of_an_answer, "audit"),
        (forget_one_of_two_trails, "audit"),
        (audit_a_word, "audit"),
        (lose_a_mail, "lost"),
        (forget_to_tell, "lost"),
        (leave_a_mail, "lost"),
        (send_a_mail_three_times, "doubled"),
        (tell_of_one_answer_in_two_mails, "doubled"),
        (send_it_to_somebody_else, "misdelivered"),
        (send_a_mail_of_no_event, "misdelivered"),
        (mail_words_to_staff, "misdelivered"),
        (mail_her_a_note, "misdelivered"),
        (mail_after_erasing, "erased"),
    ],
)
def test_what_is_planted_is_found(plant: Callable[[Memory], None], kind: str) -> None:
    run = copy.deepcopy(good_run())
    plant(run)
    found = {violation.kind for violation in judge(run).violations}
    assert kind in found


def test_a_doubled_mail_with_the_same_id_is_no_broken_promise() -> None:
    run = good_run()
    run.posts += run.posts
    assert judge(run).is_safe
    run.faults.clear()
    assert not judge(run).is_safe
