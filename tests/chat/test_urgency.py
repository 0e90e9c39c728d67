"""Raising and lowering, the alert of who needs help now, protocols, and who is first for a moment."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat import jobs
from chat.models import ChecklistTick, Conversation, QueueRules, Refused, UrgencyChange
from institutions.models import AuditEvent, Brand, Institution, StaffMail, User
from roster.models import ConsultationHour, ServiceLine
from tests.people import be_present, begin_visit, make_user, rights_of, sign_in

pytestmark = pytest.mark.django_db


# --- Raising and lowering -------------------------------------------------------------------------


def test_any_worker_raises_somebody_who_waits_and_the_reason_is_kept_sealed(
    waiting_conversation: Conversation, carla: User
) -> None:
    waiting_conversation.change_urgency(rights_of(carla), urgency="now", reason="Klinkt erger")
    assert waiting_conversation.urgency == "now"
    change = UrgencyChange.objects.get()
    assert (change.old, change.new, change.worker) == ("normal", "now", carla)
    assert change.reason() == "Klinkt erger"
    assert b"Klinkt" not in bytes(change.sealed_reason or b"")
    audit = AuditEvent.objects.get(verb="urgency")
    assert (audit.actor, audit.detail) == (carla, "normal now")
    assert "Klinkt" not in str(audit.explanation)
    assert audit.explanation == "gewoon → nu hulp nodig"


@pytest.mark.parametrize(
    ("urgency", "reason", "code"),
    [
        ("normal", "Zo was het al", "taken"),
        ("now", "", "not_understood"),
        ("x", "y", "not_understood"),
    ],
)
def test_no_change_no_reason_or_no_such_urgency_is_refused(
    waiting_conversation: Conversation, anna: User, urgency: str, reason: str, code: str
) -> None:
    with pytest.raises(Refused, match=code):
        waiting_conversation.change_urgency(rights_of(anna), urgency=urgency, reason=reason)
    assert not UrgencyChange.objects.exists()


def test_of_a_chat_that_goes_on_only_its_worker_changes_the_urgency(
    active_conversation: Conversation, anna: User, bilal: User, dirk: User
) -> None:
    for other in (bilal, dirk):
        with pytest.raises(Refused, match="forbidden"):
            active_conversation.change_urgency(rights_of(other), urgency="now", reason="Zomaar")
    active_conversation.change_urgency(rights_of(anna), urgency="soon", reason="Rustiger")
    assert active_conversation.urgency == "soon"
    active_conversation.abandon(reason="closed")
    with pytest.raises(Refused, match="wrong_state"):
        active_conversation.change_urgency(rights_of(anna), urgency="now", reason="Te laat")


def test_the_reason_goes_with_the_text_and_the_change_stays(
    active_conversation: Conversation, anna: User
) -> None:
    active_conversation.change_urgency(rights_of(anna), urgency="soon", reason="Rustiger")
    active_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="family", risk="d"
    )
    assert active_conversation.risk == "d"
    jobs.erase_old_texts(timezone.now() + timedelta(days=400))
    change = UrgencyChange.objects.get()
    assert (change.new, change.reason()) == ("soon", "")


# --- The alert ------------------------------------------------------------------------------------


def test_coordinators_hear_once_of_who_needs_help_now_and_gets_no_answer(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, dirk: User, maas: Institution
) -> None:
    greta = make_user("Greta", (maas, "coordinator"))  # not on duty tonight
    Conversation.start(visitor=begin_visit(brand), line=line, urgency="soon")
    urgent = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    now = timezone.now()
    assert jobs.alert_coordinators(now + timedelta(seconds=50)) == 0
    assert jobs.alert_coordinators(now + timedelta(seconds=61)) == 1
    assert jobs.alert_coordinators(now + timedelta(seconds=90)) == 0
    mail = StaffMail.objects.get(kind="unanswered")
    assert mail.to == dirk
    assert mail.to != greta
    for word in (urgent.pk, "Klikvoorhulp"):
        assert word not in mail.subject + mail.body


def test_an_answer_or_a_lower_urgency_in_time_keeps_it_quiet(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User, dirk: User
) -> None:
    taken = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    taken.claim(rights_of(anna))
    lowered = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    lowered.change_urgency(rights_of(anna), urgency="soon", reason="Is bij haar moeder")
    assert jobs.alert_coordinators(timezone.now() + timedelta(minutes=5)) == 0
    lowered.change_urgency(rights_of(anna), urgency="now", reason="Toch niet")
    assert lowered.alert_due_at is not None
    assert jobs.alert_coordinators(timezone.now() + timedelta(seconds=30)) == 0
    assert jobs.alert_coordinators(timezone.now() + timedelta(seconds=70)) == 1


def test_the_page_of_today_shows_who_gets_no_answer(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, dirk: User
) -> None:
    browser = sign_in(dirk)
    words = "iemand die nu hulp nodig heeft"
    urgent = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    assert words not in browser.get("/roster/today/").content.decode()
    past = timezone.now() - timedelta(minutes=3)
    Conversation.objects.filter(pk=urgent.pk).update(waiting_since=past, alert_due_at=past)
    text = browser.get("/roster/today/").content.decode()
    assert words in text
    assert "Wacht al 3 minuten zonder antwoord" in text


# --- Protocols ------------------------------------------------------------------------------------


def test_a_step_is_ticked_once_and_unticked_with_an_audit_row_each(
    active_conversation: Conversation, anna: User
) -> None:
    staff = rights_of(anna)
    for on in (True, True, False, False):
        ChecklistTick.put(active_conversation, staff, "meldcode", 2, on=on)
        assert ChecklistTick.objects.exists() == on
    audit = AuditEvent.objects.filter(verb="checklist")
    assert [one.detail for one in audit] == ["meldcode 2 on", "meldcode 2 off"]
    assert audit[0].explanation == "Meldcode, stap 2"


@pytest.mark.parametrize("step", [0, 6])
def test_there_are_five_steps_in_the_meldcode(
    active_conversation: Conversation, anna: User, step: int
) -> None:
    assert len(ChecklistTick.STEPS[ChecklistTick.Checklist.MELDCODE]) == 5
    with pytest.raises(Refused, match="not_understood"):
        ChecklistTick.put(active_conversation, rights_of(anna), "meldcode", step, on=True)


def test_only_who_has_the_chat_ticks(active_conversation: Conversation, bilal: User) -> None:
    with pytest.raises(Refused, match="forbidden"):
        ChecklistTick.put(active_conversation, rights_of(bilal), "crisis", 1, on=True)


# --- The settings ---------------------------------------------------------------------------------


def post(browser: Client, line: ServiceLine, **fields: Any) -> Any:
    data = {
        "region_seconds": 90,
        "wish_seconds": 0,
        "soon_after_minutes": 10,
        "first_after_minutes": 25,
        "alert_seconds": 120,
    }
    return browser.post(f"/staff/queue/{line.pk}/", data | fields)


def test_a_coordinator_of_the_platform_sets_the_queue(line: ServiceLine, dirk: User) -> None:
    browser = sign_in(dirk)
    assert "Eigen regio eerst" in browser.get(f"/staff/queue/{line.pk}/").content.decode()
    assert post(browser, line).status_code == 302
    rules = QueueRules.of(line)
    assert (rules.region_seconds, rules.first_after_minutes) == (90, 25)
    answer = post(browser, line, soon_after_minutes=30)
    assert "minstens zoveel minuten" in answer.content.decode()
    assert QueueRules.of(line).soon_after_minutes == 10


def test_the_deadline_of_the_alert_is_the_lines_own(
    line: ServiceLine, brand: Brand, anna: User
) -> None:
    QueueRules.objects.create(line=line, alert_seconds=300)
    urgent = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    assert urgent.alert_due_at == urgent.waiting_since + timedelta(seconds=300)
    be_present(anna)
