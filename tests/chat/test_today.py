"""The page of today: who sees what, and who may open and close by hand."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Conversation
from institutions.models import AuditEvent, Institution, JobRun, User
from roster.models import ConsultationHour, OpeningLog, OpenOverride, Presence, ServiceLine
from roster.opening import Reason
from tests.people import be_present, make_user, open_hour_for, sign_in

PAGE = "/roster/today/"


def wall(line: ServiceLine, moment: datetime) -> str:
    return f"{moment.astimezone(line.zone):%Y-%m-%dT%H:%M}"


def order(line: ServiceLine, **changes: object) -> dict[str, object]:
    later = timezone.now() + timedelta(hours=2)
    return {"is_open": "closed", "until": wall(line, later), "reason": "Storing", **changes}


@pytest.fixture
def coordinator(dirk: User) -> Client:
    return sign_in(dirk)


def page(client: Client) -> str:
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


# --- Looking -------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_sign_in(line: ServiceLine) -> None:
    response = Client().get(PAGE)
    assert response.status_code == 302
    assert "/accounts/login/" in response["Location"]


def test_the_coordinator_sees_hours_people_presence_queue_and_why(
    coordinator: Client,
    line: ServiceLine,
    anna: User,
    bilal: User,
    carla: User,
    waiting_conversation: Conversation,
) -> None:
    hour = open_hour_for(line, anna, bilal, carla, min_staff=2)
    be_present(anna)
    be_present(bilal, state=Presence.State.PAUSED)
    shown = page(coordinator)
    assert f"{hour.start.astimezone(line.zone):%H:%M} – " in shown
    for text in (
        anna.name,
        carla.name,
        "zit klaar, sinds",
        "even pauze",
        "niet aan de werkplek",
        "3 van 6 plekken gevuld. Minimaal 2 om open te gaan.",
        "Er zitten te weinig ingeroosterde mensen klaar aan hun werkplek.",
        "nodig: 2",
        "0 min",
    ):
        assert text in shown


def test_a_worker_on_duty_sees_colleagues_of_the_same_hour_and_no_form(
    line: ServiceLine, anna: User, carla: User
) -> None:
    open_hour_for(line, anna, carla)
    shown = page(sign_in(anna))
    assert carla.name in shown
    assert "(jij)" in shown
    assert "Zelf open of dicht zetten" not in shown


def test_a_worker_sees_no_names_of_another_institution_in_another_hour(
    line: ServiceLine, anna: User, bilal: User, carla: User
) -> None:
    open_hour_for(line, anna, bilal)
    be_present(anna, bilal)
    shown = page(sign_in(carla))
    assert anna.name not in shown
    assert bilal.name not in shown
    assert "Een collega" in shown


def test_who_is_at_the_desk_without_a_duty_is_shown_to_the_platform_by_name(
    coordinator: Client, line: ServiceLine, anna: User, carla: User
) -> None:
    open_hour_for(line, anna)
    be_present(carla)
    assert carla.name in page(coordinator)
    shown = page(sign_in(anna))
    assert "Aan de werkplek zonder dienst nu" in shown
    assert carla.name not in shown


def test_the_coordinator_of_an_institution_sees_why_not_how(
    line: ServiceLine, zuid: Institution, open_hour: ConsultationHour
) -> None:
    edith = make_user("Edith", (zuid, "coordinator"))
    shown = page(sign_in(edith))
    assert "Alleen een coördinator van het platform" in shown
    assert 'name="reason"' not in shown


def test_a_cancelled_and_an_empty_day(coordinator: Client, line: ServiceLine, anna: User) -> None:
    assert "Vandaag is er geen spreekuur." in page(coordinator)
    open_hour_for(line, anna)
    ConsultationHour.objects.update(
        status=ConsultationHour.Status.CANCELLED, cancelled_at=timezone.now()
    )
    assert "gaat niet door" in page(coordinator)


def test_the_page_takes_the_same_queries_for_any_number_of_people(
    coordinator: Client,
    line: ServiceLine,
    zuid: Institution,
    anna: User,
    django_assert_max_num_queries: Callable,
) -> None:
    hour = open_hour_for(line, anna)
    be_present(anna)
    with django_assert_max_num_queries(60) as few:
        page(coordinator)
    for number in range(5):
        worker = make_user(f"Hulp{number}", (zuid, "worker"), second_factor=False)
        hour.fill(worker, zuid)
        be_present(worker)
    with django_assert_max_num_queries(60) as many:
        page(coordinator)
    assert len(many) == len(few)


# --- Deciding by hand ----------------------------------------------------------------------------


def test_closing_by_hand_counts_at_once_and_is_audited(
    coordinator: Client, line: ServiceLine, open_hour: ConsultationHour, dirk: User
) -> None:
    response = coordinator.post(PAGE, order(line))
    assert (response.status_code, response["Location"]) == (303, PAGE)
    override = OpenOverride.objects.get()
    assert (override.is_open, override.reason, override.author) == (False, "Storing", dirk)
    assert OpeningLog.objects.get().reason == Reason.FORCED_CLOSED
    event = AuditEvent.objects.get(verb=AuditEvent.Verb.FORCE)
    assert (event.actor, event.detail) == (dirk, f"line {line.pk} closed")
    shown = page(coordinator)
    assert "met de hand dicht" in shown
    assert "Storing" in shown


def test_opening_by_hand_without_a_worker_says_so(coordinator: Client, line: ServiceLine) -> None:
    coordinator.post(PAGE, order(line, is_open="open"))
    shown = page(coordinator)
    assert "met de hand open" in shown
    assert "maar er zit niemand klaar" in shown


def test_withdrawing_gives_it_back_to_the_roster(
    coordinator: Client, line: ServiceLine, open_hour: ConsultationHour
) -> None:
    coordinator.post(PAGE, order(line))
    assert coordinator.post(PAGE, {"action": "withdraw"}).status_code == 303
    assert OpenOverride.objects.get().withdrawn_at is not None
    assert OpeningLog.objects.first().reason == Reason.STAFFED
    assert AuditEvent.objects.filter(detail=f"line {line.pk} withdrawn").count() == 1
    # A second window that still shows the button.
    assert coordinator.post(PAGE, {"action": "withdraw"}).status_code == 303
    assert AuditEvent.objects.filter(verb=AuditEvent.Verb.FORCE).count() == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": ""}, "Schrijf kort op waarom."),
        ({"reason": "   "}, "Schrijf kort op waarom."),
        ({"reason": "x" * 201}, "200"),
        ({"until": ""}, "Kies tot wanneer."),
        ({"until": "straks"}, "Kies een dag en een tijd."),
        ({"until": "0001-01-01T00:00"}, "Kies een tijd in de komende 24 uur."),
        ({"until": "9999-12-31T23:59"}, "Kies een tijd in de komende 24 uur."),
        ({"is_open": ""}, "Kies of de chat open of dicht moet."),
        ({"is_open": "maybe"}, "Kies of de chat open of dicht moet."),
    ],
)
def test_an_order_that_is_not_understood_changes_nothing(
    coordinator: Client, line: ServiceLine, changes: dict, sentence: str
) -> None:
    response = coordinator.post(PAGE, order(line, **changes))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not OpenOverride.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("hours", "is_accepted"), [(-1, False), (0, False), (1, True), (23, True), (25, False)]
)
def test_the_end_lies_within_a_day(
    coordinator: Client, line: ServiceLine, hours: int, is_accepted: bool
) -> None:
    until = wall(line, timezone.now() + timedelta(hours=hours))
    coordinator.post(PAGE, order(line, until=until))
    assert OpenOverride.objects.exists() == is_accepted


def test_times_are_read_in_the_zone_of_the_line(coordinator: Client, line: ServiceLine) -> None:
    ServiceLine.objects.update(tz="America/Curacao")
    line.refresh_from_db()
    until = (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    coordinator.post(PAGE, order(line, until=wall(line, until)))
    assert OpenOverride.objects.get().until == until


def test_only_the_platform_decides_by_hand(
    line: ServiceLine, zuid: Institution, anna: User, dirk: User
) -> None:
    dirk_override = OpenOverride.force(
        line,
        is_open=False,
        until=timezone.now() + timedelta(hours=1),
        reason="Storing",
        author=dirk,
    )
    for person in (anna, make_user("Edith", (zuid, "coordinator"))):
        client = sign_in(person)
        assert client.post(PAGE, order(line, is_open="open")).status_code == 403
        assert client.post(PAGE, {"action": "withdraw"}).status_code == 403
    dirk_override.refresh_from_db()
    assert OpenOverride.objects.count() == 1
    assert dirk_override.withdrawn_at is None


def test_an_order_from_another_site_is_refused(dirk: User, line: ServiceLine) -> None:
    client = sign_in(dirk, Client(enforce_csrf_checks=True))
    assert client.post(PAGE, order(line)).status_code == 403
    assert not OpenOverride.objects.exists()


def test_each_line_has_its_own_page(coordinator: Client, line: ServiceLine) -> None:
    other = ServiceLine.objects.create(name="Opvoeding")
    response = coordinator.post(f"{PAGE}?line={other.pk}", order(line))
    assert response["Location"] == f"{PAGE}?line={other.pk}"
    assert OpenOverride.objects.get().line == other
    assert coordinator.get(f"{PAGE}?line=0").status_code == 404


def test_a_job_that_did_not_succeed_for_a_day_is_said_to_everybody(
    coordinator: Client, line: ServiceLine
) -> None:
    now = timezone.now()
    JobRun.succeeded("erase_old_texts", now - timedelta(hours=24), 1)
    assert "al langer dan een dag niet" not in page(coordinator)
    JobRun.objects.update(ran_at=now - timedelta(hours=26))
    assert "Oude teksten worden al langer dan een dag niet gewist." in page(coordinator)
