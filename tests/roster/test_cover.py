"""Asking for cover, taking over, approving, giving back: who may, and where the duty is then."""

from datetime import time, timedelta

import pytest
from django.db import transaction

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster import reminders
from roster.models import ConsultationHour, CoverRequest, Duty, RosterRefused, ServiceLine
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour

BEFORE = NOW - timedelta(days=10)
Status = Duty.Status
ENDED = ("withdrawn", "declined", "expired", "void")


@pytest.fixture
def duty(line: ServiceLine, anna: User) -> Duty:
    return make_duty(line, anna)


@pytest.fixture
def request_to_all(duty: Duty, anna: User) -> CoverRequest:
    return duty.ask_cover(anna, kind="give_away", now=BEFORE)


def mails_to(person: User) -> list[str]:
    return list(StaffMail.objects.filter(to=person).values_list("kind", flat=True))


def policy(line: ServiceLine, policy: str) -> None:
    ServiceLine.objects.filter(pk=line.pk).update(cover_policy=policy)


# --- Asking --------------------------------------------------------------------------------------


def test_the_giver_stays_responsible_until_somebody_took_it(
    duty: Duty, request_to_all: CoverRequest
) -> None:
    assert (request_to_all.state, duty.status) == ("open", Status.COVER_WANTED)
    assert duty.status in Duty.ACTIVE
    assert not Duty.objects.covered().exists()


def test_one_is_asked_by_mail_at_once_and_all_of_them_in_their_digest(
    duty: Duty, anna: User, bilal: User, carla: User
) -> None:
    duty.ask_cover(anna, kind="give_away", to_worker=bilal, now=BEFORE)
    assert mails_to(bilal) == ["cover_asked"]
    assert not mails_to(carla)
    assert "Anna" not in StaffMail.objects.get().body


def test_within_two_days_everybody_who_can_is_asked_at_once(
    duty: Duty, anna: User, bilal: User, carla: User
) -> None:
    duty.ask_cover(anna, kind="give_away", now=NOW - timedelta(days=2))
    assert mails_to(bilal) == mails_to(carla) == ["cover_asked"]


def test_a_duty_has_one_question_at_a_time(
    duty: Duty, request_to_all: CoverRequest, anna: User
) -> None:
    with pytest.raises(RosterRefused, match="asked"):
        duty.ask_cover(anna, kind="give_away", now=BEFORE)


def test_what_makes_no_sense_is_not_asked(
    line: ServiceLine, duty: Duty, anna: User, bilal: User, dirk: User
) -> None:
    theirs = make_duty(line, bilal, NOW + timedelta(days=1))
    half = (NOW, NOW + timedelta(seconds=90))
    outside = (NOW - HOUR, NOW + HOUR)
    for code, how in (
        ("past", {"kind": "give_away", "now": NOW}),
        ("self", {"kind": "give_away", "to_worker": anna}),
        ("elsewhere", {"kind": "give_away", "to_worker": dirk}),
        ("outside", {"kind": "part"}),
        ("outside", {"kind": "part", "part": half}),
        ("outside", {"kind": "part", "part": outside}),
        ("no_offer", {"kind": "give_away", "offered_duty": theirs}),
        ("no_offer", {"kind": "exchange", "offered_duty": theirs, "now": NOW - HOUR}),
    ):
        if "now" in how and how["kind"] == "exchange":
            Duty.objects.filter(pk=theirs.pk).update(status=Status.RELEASED)
        with pytest.raises(RosterRefused, match=code):
            duty.ask_cover(anna, **{"now": BEFORE, **how})
    duty.release(anna, BEFORE)
    with pytest.raises(RosterRefused, match="wrong_state"):
        duty.ask_cover(anna, kind="give_away", now=BEFORE)
    assert not CoverRequest.objects.exists()


def test_a_coordinator_asks_for_somebody_visibly(duty: Duty, anna: User, dirk: User) -> None:
    request = duty.ask_cover(dirk, kind="give_away", now=BEFORE)
    assert request.requested_by == dirk
    assert AuditEvent.objects.get().detail == "cover_asked 2026-03-02"


# --- Taking over ---------------------------------------------------------------------------------


def test_a_colleague_takes_it_over_at_once(
    duty: Duty, request_to_all: CoverRequest, anna: User, bilal: User, zuid: Institution
) -> None:
    request_to_all.claim(bilal, zuid, BEFORE)
    new = Duty.objects.get(worker=bilal)
    duty.refresh_from_db()
    assert (request_to_all.state, request_to_all.claimed_by) == ("done", bilal)
    assert (duty.status, duty.replaced_by) == (Status.REPLACED, new)
    assert (new.seat, new.start, new.end, new.source) == (duty.seat, NOW, duty.end, "cover")
    assert (new.credited_to, new.status) == (zuid, Status.CONFIRMED)
    assert [change.new for change in request_to_all.changes.all()] == ["claimed", "done"]
    assert mails_to(anna) == ["cover_done"]
    assert "Bilal Voorbeeld" in StaffMail.objects.get(to=anna).body
    assert mails_to(bilal) == ["cover_yours"]


@pytest.mark.parametrize("how", ["automatic", "notice", "approval"])
def test_across_institutions_the_line_says_who_decides(
    line: ServiceLine, duty: Duty, request_to_all: CoverRequest, carla: User, maas: Institution,
    dirk: User, anna: User, how: str,
) -> None:  # fmt: skip
    policy(line, how)
    max_ = make_user("Max", (maas, "coordinator"))
    request_to_all.claim(carla, maas, BEFORE)
    duty.refresh_from_db()
    if how == "approval":
        assert (request_to_all.state, duty.status) == ("awaiting_approval", Status.COVER_WANTED)
        assert mails_to(dirk) == mails_to(max_) == ["cover_to_decide"]
        return
    assert (request_to_all.state, duty.status) == ("done", Status.REPLACED)
    assert Duty.objects.get(worker=carla).credited_to == maas
    assert mails_to(dirk) == mails_to(max_) == ([] if how == "automatic" else ["cover_notice"])
    # The giver reads which institution it is, not who.
    body = StaffMail.objects.get(to=anna).body
    assert "Maaskracht" in body
    assert "Carla" not in body


def test_of_two_the_first_has_it(
    request_to_all: CoverRequest, bilal: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    late = CoverRequest.objects.get()
    request_to_all.claim(bilal, zuid, BEFORE)
    with pytest.raises(RosterRefused, match="taken"):
        late.claim(carla, maas, BEFORE)
    assert not Duty.objects.filter(worker=carla).exists()


def test_who_may_not_be_on_duty_takes_nothing_over(
    line: ServiceLine,
    request_to_all: CoverRequest,
    anna: User,
    bilal: User,
    zuid: Institution,
    maas: Institution,
) -> None:
    make_duty(line, bilal)
    for worker, institution, now, code in (
        (bilal, zuid, BEFORE, "overlap"),
        (bilal, maas, BEFORE, "elsewhere"),
        (anna, zuid, BEFORE, "self"),
        (make_user("Eva", (zuid, "worker")), zuid, NOW, "past"),
    ):
        with pytest.raises(RosterRefused, match=code):
            request_to_all.claim(worker, institution, now)
        request_to_all.refresh_from_db()
        assert (request_to_all.state, request_to_all.claimed_by) == ("open", None)
    assert not request_to_all.changes.exists()


def test_what_is_asked_of_one_is_not_anothers(
    duty: Duty, anna: User, bilal: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    request = duty.ask_cover(anna, kind="give_away", to_worker=bilal, now=BEFORE)
    with pytest.raises(RosterRefused, match="not_asked"):
        request.claim(carla, maas, BEFORE)
    with pytest.raises(RosterRefused, match="not_asked"):
        request.decline(carla, BEFORE)
    request.claim(bilal, zuid, BEFORE)
    assert request.state == "done"


def test_a_coordinator_takes_it_over_for_their_worker_and_nobody_elses(
    request_to_all: CoverRequest, carla: User, maas: Institution, zuid: Institution
) -> None:
    zoe = make_user("Zoë", (zuid, "coordinator"))
    with pytest.raises(RosterRefused, match="not_yours"):
        request_to_all.claim(carla, maas, BEFORE, by=zoe)
    request_to_all.claim(carla, maas, BEFORE, by=make_user("Max", (maas, "coordinator")))
    assert request_to_all.state == "done"
    assert AuditEvent.objects.get().person == carla


# --- Deciding ------------------------------------------------------------------------------------


@pytest.fixture
def waiting(
    line: ServiceLine, request_to_all: CoverRequest, carla: User, maas: Institution
) -> CoverRequest:
    policy(line, "approval")
    request_to_all = CoverRequest.objects.get()
    request_to_all.claim(carla, maas, BEFORE)
    return request_to_all


@pytest.mark.parametrize("side", ["giver", "taker", "platform"])
def test_a_coordinator_of_either_side_approves(
    waiting: CoverRequest, duty: Duty, zuid: Institution, maas: Institution, carla: User, side: str
) -> None:
    institution = {"giver": zuid, "taker": maas, "platform": None}[side]
    by = make_user("Zoë", (institution, "coordinator"))
    waiting.approve(by, BEFORE)
    duty.refresh_from_db()
    assert (waiting.state, waiting.approved_by, duty.status) == ("done", by, Status.REPLACED)
    assert Duty.objects.get(worker=carla).status == Status.CONFIRMED
    assert AuditEvent.objects.get().detail == "cover_approved 2026-03-02"


def test_nobody_else_decides(
    waiting: CoverRequest, anna: User, bilal: User, carla: User, zuid: Institution
) -> None:
    stranger = make_user("Max", (Institution.objects.create(name="Ver weg"), "coordinator"))
    zuid.memberships.create(user=anna, role="coordinator")
    for deed in (waiting.approve, waiting.reject):
        for by, code in ((bilal, "not_yours"), (carla, "not_yours"), (stranger, "not_yours"),
                         (anna, "self")):  # fmt: skip
            with pytest.raises(RosterRefused, match=code):
                deed(by, BEFORE)
    assert not Duty.objects.filter(worker=carla).exists()


def test_approval_asks_again_whether_they_may(
    line: ServiceLine, waiting: CoverRequest, carla: User, dirk: User
) -> None:
    make_duty(line, carla)
    with pytest.raises(RosterRefused, match="overlap"):
        waiting.approve(dirk, BEFORE)
    with pytest.raises(RosterRefused, match="past"):
        waiting.approve(dirk, NOW)
    waiting.refresh_from_db()
    assert waiting.state == "awaiting_approval"


def test_who_was_rejected_is_told_and_others_may_have_it(
    waiting: CoverRequest, duty: Duty, carla: User, dirk: User, bilal: User, zuid: Institution
) -> None:
    waiting.reject(dirk, BEFORE)
    duty.refresh_from_db()
    assert (waiting.state, waiting.claimed_by, duty.status) == ("open", None, Status.COVER_WANTED)
    assert waiting.declines.get().worker == carla
    assert "cover_off" in mails_to(carla)
    waiting.claim(bilal, zuid, BEFORE)
    assert waiting.state == "done"


def test_what_was_asked_of_one_ends_when_it_is_rejected(
    line: ServiceLine, duty: Duty, anna: User, carla: User, maas: Institution, dirk: User
) -> None:
    policy(line, "approval")
    request = Duty.objects.get().ask_cover(anna, kind="give_away", to_worker=carla, now=BEFORE)
    request.claim(carla, maas, BEFORE)
    request.reject(dirk, BEFORE)
    duty.refresh_from_db()
    assert (request.state, duty.status) == ("declined", Status.CONFIRMED)
    assert mails_to(anna) == ["cover_rejected"]


# --- Saying no, stopping, running out ------------------------------------------------------------


def test_who_says_no_is_remembered_and_others_go_on(
    duty: Duty, request_to_all: CoverRequest, bilal: User
) -> None:
    request_to_all.decline(bilal, BEFORE)
    request_to_all.decline(bilal, BEFORE)
    assert request_to_all.state == "open"
    assert request_to_all.declines.get().worker == bilal


def test_when_the_one_says_no_the_giver_hears_it(duty: Duty, anna: User, bilal: User) -> None:
    request = duty.ask_cover(anna, kind="give_away", to_worker=bilal, now=BEFORE)
    request.decline(bilal, BEFORE)
    duty.refresh_from_db()
    assert (request.state, duty.status) == ("declined", Status.CONFIRMED)
    assert mails_to(anna) == ["cover_declined"]
    with pytest.raises(RosterRefused, match="wrong_state"):
        request.decline(bilal, BEFORE)


def test_the_giver_stops_asking_and_strangers_cannot(
    duty: Duty, request_to_all: CoverRequest, anna: User, bilal: User, carla: User
) -> None:
    for stranger in (bilal, carla):
        with pytest.raises(RosterRefused, match="not_yours"):
            request_to_all.withdraw(stranger, BEFORE)
    request_to_all.withdraw(anna, BEFORE)
    duty.refresh_from_db()
    assert (request_to_all.state, duty.status) == ("withdrawn", Status.CONFIRMED)
    with pytest.raises(RosterRefused, match="wrong_state"):
        request_to_all.claim(bilal, bilal.memberships.get().institution, BEFORE)


def test_when_it_is_too_late_the_giver_stays_and_the_coordinator_hears_it(
    duty: Duty, request_to_all: CoverRequest, anna: User, dirk: User
) -> None:
    with pytest.raises(RosterRefused, match="wrong_state"):
        request_to_all.expire(NOW - HOUR)
    assert reminders.expire_requests(NOW - HOUR) == 0
    assert reminders.expire_requests(NOW) == 1
    assert reminders.expire_requests(NOW) == 0
    duty.refresh_from_db()
    request_to_all.refresh_from_db()
    assert (request_to_all.state, duty.status) == ("expired", Status.CONFIRMED)
    assert mails_to(anna) == mails_to(dirk) == ["cover_expired"]


@pytest.mark.parametrize("state", ["open", "awaiting_approval", "sick"])
def test_a_cancelled_hour_ends_its_questions(
    line: ServiceLine, duty: Duty, anna: User, carla: User, maas: Institution, dirk: User,
    state: str,
) -> None:  # fmt: skip
    policy(line, "approval")
    duty = Duty.objects.get()
    if state == "sick":
        request = duty.cannot_come(anna, BEFORE)
    else:
        request = duty.ask_cover(anna, kind="give_away", now=BEFORE)
    if state == "awaiting_approval":
        request.claim(carla, maas, BEFORE)
    duty.hour.cancel(dirk, "Storing", now=BEFORE)
    reminders.expire_requests(BEFORE)
    request.refresh_from_db()
    assert request.state == "void"
    with pytest.raises(RosterRefused):
        request.claim(carla, maas, BEFORE)


def test_the_call_for_somebody_absent_ends_when_the_hour_moves_away_from_it(
    duty: Duty, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    request = duty.cannot_come(anna, BEFORE)
    duty.hour.move(dirk, MONDAY + timedelta(days=1), time(12), time(14), now=BEFORE)
    with pytest.raises(RosterRefused, match="changed"):
        request.claim(bilal, zuid, BEFORE)
    assert reminders.expire_requests(BEFORE) == 1
    request.refresh_from_db()
    assert request.state == "void"


def test_a_request_of_a_cancelled_hour_is_not_claimed_even_before_it_is_void(
    request_to_all: CoverRequest, bilal: User, zuid: Institution
) -> None:
    ConsultationHour.objects.update(status="cancelled", cancelled_at=NOW)
    with pytest.raises(RosterRefused, match="cancelled"):
        request_to_all.claim(bilal, zuid, BEFORE)
    with transaction.atomic():
        assert CoverRequest.objects.all().void(None, BEFORE) == 1
        assert CoverRequest.objects.all().void(None, BEFORE) == 0


# --- Giving back what was taken over -------------------------------------------------------------


@pytest.mark.parametrize("by_duty", [True, False])
def test_the_taker_gives_it_back_in_time_and_it_is_asked_again(
    duty: Duty, request_to_all: CoverRequest, anna: User, bilal: User, zuid: Institution,
    by_duty: bool,
) -> None:  # fmt: skip
    request_to_all.claim(bilal, zuid, BEFORE)
    taken = Duty.objects.get(worker=bilal)
    if by_duty:
        taken.release(bilal, BEFORE)
    else:
        request_to_all.release(bilal, BEFORE)
    for row in (taken, duty, request_to_all):
        row.refresh_from_db()
    assert (taken.status, duty.status, request_to_all.state) == ("released", "cover_wanted", "open")
    assert duty.replaced_by is None
    assert mails_to(anna) == ["cover_done", "cover_returned"]
    # And again, by the same and by others.
    request_to_all.claim(bilal, zuid, BEFORE)
    assert Duty.objects.active().get().worker == bilal


def test_not_too_late_not_by_others_and_not_when_the_giver_has_other_plans(
    line: ServiceLine,
    duty: Duty,
    request_to_all: CoverRequest,
    anna: User,
    bilal: User,
    carla: User,
    zuid: Institution,
) -> None:
    request_to_all.claim(bilal, zuid, BEFORE)
    for by, now, code in (
        (carla, BEFORE, "not_yours"),
        (anna, BEFORE, "not_yours"),
        (bilal, NOW - HOUR, "too_late"),
        (bilal, NOW, "past"),
    ):
        with pytest.raises(RosterRefused, match=code):
            request_to_all.release(by, now)
    elsewhere = make_duty(line, anna)
    with pytest.raises(RosterRefused, match="overlap"):
        request_to_all.release(bilal, BEFORE)
    request_to_all.refresh_from_db()
    assert request_to_all.state == "done"
    # The duty itself can be given back all the same: then the seat is free.
    Duty.objects.get(worker=bilal).release(bilal, BEFORE)
    assert list(Duty.objects.active()) == [elsewhere]


# --- A part, and an exchange ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "left"), [(0, 60, 1), (60, 120, 1), (30, 60, 2)], ids=["first", "last", "mid"]
)
def test_a_part_goes_and_the_rest_stays(
    duty: Duty, anna: User, bilal: User, zuid: Institution, begin: int, end: int, left: int
) -> None:
    part = (NOW + timedelta(minutes=begin), NOW + timedelta(minutes=end))
    request = duty.ask_cover(anna, kind="part", part=part, now=BEFORE)
    request.claim(bilal, zuid, BEFORE)
    taken = Duty.objects.active().get(worker=bilal)
    assert (taken.start, taken.end, taken.seat) == (*part, duty.seat)
    mine = Duty.objects.active().filter(worker=anna).order_by("start")
    assert len(mine) == left
    assert {one.status for one in mine} == {Status.CONFIRMED}
    assert sum(one.minutes for one in Duty.objects.active()) == 120
    # Back again: anna has the part, and asks for it again.
    request.release(bilal, BEFORE)
    duty.refresh_from_db()
    assert duty.status == Status.COVER_WANTED
    assert duty.start <= part[0] < part[1] <= duty.end
    assert {one.worker for one in Duty.objects.active()} == {anna}
    assert sum(one.minutes for one in Duty.objects.active()) == 120


def test_a_part_that_is_all_of_it_is_giving_away(duty: Duty, anna: User) -> None:
    request = duty.ask_cover(anna, kind="part", part=(duty.start, duty.end), now=BEFORE)
    assert (request.kind, request.part_start) == ("give_away", None)


@pytest.mark.parametrize("is_named", [True, False])
def test_two_exchange_their_duties(
    line: ServiceLine,
    duty: Duty,
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    is_named: bool,
) -> None:
    theirs = make_duty(line, carla, NOW + timedelta(days=1))
    request = duty.ask_cover(
        anna, kind="exchange", offered_duty=theirs if is_named else None, now=BEFORE
    )
    if not is_named:
        with pytest.raises(RosterRefused, match="no_offer"):
            request.claim(carla, maas, BEFORE)
    request.claim(carla, maas, BEFORE, offered_duty=None if is_named else theirs)
    active = Duty.objects.active()
    mine, hers = active.get(worker=anna), active.get(worker=carla)
    assert (mine.seat, mine.credited_to) == (theirs.seat, zuid)
    assert (hers.seat, hers.credited_to) == (duty.seat, maas)
    assert "cover_exchanged" in mails_to(anna)
    # And back.
    request.release(carla, BEFORE)
    assert {(one.worker, one.seat) for one in Duty.objects.active()} == {
        (anna, duty.seat),
        (carla, theirs.seat),
    }
    duty.refresh_from_db()
    theirs.refresh_from_db()
    assert (duty.status, theirs.status) == (Status.COVER_WANTED, Status.CONFIRMED)


def test_two_exchange_duties_in_one_hour_or_that_overlap(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    hour = make_hour(line)
    mine = hour.fill(anna, zuid, now=BEFORE)
    theirs = make_hour(line, NOW + HOUR).fill(bilal, zuid, now=BEFORE)
    request = mine.ask_cover(anna, kind="exchange", offered_duty=theirs, now=BEFORE)
    request.claim(bilal, zuid, BEFORE)
    assert Duty.objects.active().get(worker=anna).hour == theirs.hour


def test_nobody_exchanges_what_is_not_theirs(
    line: ServiceLine, duty: Duty, anna: User, bilal: User, carla: User, zuid: Institution
) -> None:
    theirs = make_duty(line, carla, NOW + timedelta(days=1))
    request = duty.ask_cover(anna, kind="exchange", now=BEFORE)
    with pytest.raises(RosterRefused, match="no_offer"):
        request.claim(bilal, zuid, BEFORE, offered_duty=theirs)
    # Nor when the giver cannot have it.
    make_duty(line, anna, NOW + timedelta(days=1))
    mine = make_duty(line, bilal, NOW + timedelta(days=1))
    with pytest.raises(RosterRefused, match="overlap"):
        request.claim(bilal, zuid, BEFORE, offered_duty=mine)
    request.refresh_from_db()
    assert request.state == "open"
