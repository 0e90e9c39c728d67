"""Own region, language and wishes first for a moment, with real workers and real claims."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat.models import Conversation, QueueRules, Refused
from chat.models.first import Firsts, Helper, Wants
from chat.reading import Desk
from institutions.models import Brand, Institution, User
from roster.models import ConsultationHour, ServiceLine
from tests.people import be_present, begin_visit, rights_of

pytestmark = pytest.mark.django_db
HEERLEN = "GM0917"


@pytest.fixture
def local(zuid: Institution, open_hour: ConsultationHour, carla: User) -> Institution:
    """Zuid is there for Heerlen; Anna and Bilal of Zuid and Carla of Maas are at their desks."""
    zuid.municipalities = [HEERLEN]
    zuid.save()
    be_present(carla)
    return zuid


def from_heerlen(line: ServiceLine, brand: Brand, **about: Any) -> Conversation:
    return Conversation.start(visitor=begin_visit(brand), line=line, region=HEERLEN, **about)


def test_a_stranger_waits_a_moment_for_somebody_from_another_region(
    local: Institution, line: ServiceLine, brand: Brand, carla: User
) -> None:
    young = from_heerlen(line, brand)
    for despite in (False, True):
        with pytest.raises(Refused, match="first_others"):
            young.claim(rights_of(carla), despite=despite)
    Conversation.objects.update(waiting_since=timezone.now() - timedelta(seconds=61))
    young.refresh_from_db()
    young.claim(rights_of(carla))
    assert young.worker == carla


def test_a_colleague_of_the_own_region_takes_at_once(
    local: Institution, line: ServiceLine, brand: Brand, anna: User
) -> None:
    from_heerlen(line, brand).claim(rights_of(anna))


def test_who_needs_help_now_is_everybodys_at_once(
    local: Institution, line: ServiceLine, brand: Brand, carla: User
) -> None:
    from_heerlen(line, brand, urgency="now").claim(rights_of(carla))


def test_nobody_waits_for_colleagues_who_are_full(
    local: Institution, line: ServiceLine, brand: Brand, anna: User, bilal: User, carla: User
) -> None:
    for worker in (anna, bilal):
        for _ in range(worker.chat_cap):
            from_heerlen(line, brand).claim(rights_of(worker))
    from_heerlen(line, brand).claim(rights_of(carla))


def test_who_writes_english_is_first_for_who_does_too(
    open_hour: ConsultationHour, line: ServiceLine, brand: Brand, anna: User, bilal: User
) -> None:
    User.objects.filter(pk=anna.pk).update(skills=["en"])
    young = Conversation.start(visitor=begin_visit(brand, "en"), line=line)
    with pytest.raises(Refused, match="first_others"):
        young.claim(rights_of(bilal))
    young.claim(rights_of(anna))


def test_a_wish_is_first_for_who_can_and_a_coordinator_may_switch_that_off(
    open_hour: ConsultationHour, line: ServiceLine, brand: Brand, anna: User, bilal: User
) -> None:
    User.objects.filter(pk=anna.pk).update(skills=["suicide", "en"])
    young = Conversation.start(visitor=begin_visit(brand), line=line, wishes=["suicide"])
    with pytest.raises(Refused, match="first_others"):
        young.claim(rights_of(bilal))
    QueueRules.objects.create(line=line, wish_seconds=0)
    young.claim(rights_of(bilal))


def test_each_desk_shows_for_whom_somebody_is_first_and_lists_them_last_for_the_others(
    local: Institution, line: ServiceLine, brand: Brand, anna: User, carla: User
) -> None:
    theirs = from_heerlen(line, brand, topic="family", danger=True, wishes=["woman"])
    other = Conversation.start(visitor=begin_visit(brand), line=line)
    desk = Desk(line, timezone.now(), [anna.pk, carla.pk])
    mine, hers = (desk.frame(worker.pk, "nl")["queue"] for worker in (anna, carla))
    assert [card["conversation"] for card in mine] == [theirs.pk, other.pk]
    assert [card["conversation"] for card in hers] == [other.pk, theirs.pk]
    first = mine[0]["first"]
    assert (first["mine"], first["because"], first["who"]) == (True, "region", "Heerlen")
    assert 55 <= first["seconds"] <= 60
    assert not hers[1]["first"]["mine"]
    assert (mine[0]["region"], mine[0]["topic"]) == ("Heerlen", "thuis en familie")
    assert mine[0]["danger"]
    assert mine[0]["wishes"] == ["praat liever met een vrouw"]
    # Both are told the worse of their numbers in the two lists.
    assert {card["place"] for card in mine} == {2}


def test_a_card_says_why_it_stands_there(
    open_hour: ConsultationHour, line: ServiceLine, brand: Brand, anna: User
) -> None:
    patient = Conversation.start(visitor=begin_visit(brand), line=line)
    Conversation.objects.update(waiting_since=timezone.now() - timedelta(minutes=32))
    Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    cards = Desk(line, timezone.now(), [anna.pk]).frame(anna.pk, "nl")["queue"]
    assert cards[0]["conversation"] == patient.pk
    assert cards[0]["why"] == ["Stond eerst, wacht al 32 minuten: gaat nu voor."]


@given(
    st.builds(
        Wants,
        st.sampled_from(["", "GM0917", "GM0935"]),
        st.frozensets(st.sampled_from(["en", "woman", "suicide"])),
    ),
    st.lists(
        st.builds(
            Helper,
            st.integers(1, 9),
            st.frozensets(st.sampled_from(["GM0917", "GM0935"])),
            st.frozensets(st.sampled_from(["en", "woman", "suicide"])),
            st.integers(0, 2),
        ),
        max_size=6,
        unique_by=lambda one: one.worker,
    ),
    st.floats(0, 400),
    st.integers(0, 300),
    st.integers(0, 300),
)
def test_being_first_for_some_never_keeps_anybody_from_help(
    wants: Wants, helpers: list[Helper], seconds: float, region: int, wish: int
) -> None:
    """Somebody who suits has a place now, and it is over after the longest that was set."""
    rules = QueueRules(region_seconds=region, wish_seconds=wish)
    now = datetime(2026, 11, 21, 20, tzinfo=UTC)
    since = now - timedelta(seconds=seconds)
    hold = Firsts(rules, helpers, now).hold(wants, since)
    if seconds >= max(region, wish):
        assert not hold
    if hold:
        assert any(one.free and one.worker in hold.workers for one in helpers)
        assert hold.until is not None
        assert now < hold.until <= since + timedelta(seconds=max(region, wish))
