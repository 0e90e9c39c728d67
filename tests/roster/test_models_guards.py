"""What the database itself refuses, whoever asks."""

import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from institutions.models import Institution, User
from roster import guards
from roster.models import Duty, LedgerEntry, RosterPeriod, ServiceLine
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour, make_period, refused

every_guard = pytest.mark.parametrize("guard", guards.GUARDS, ids=lambda guard: guard.name)


def post(line: ServiceLine, institution: Institution, **fields: object) -> LedgerEntry:
    return LedgerEntry.objects.create(
        **{
            "line": line,
            "institution": institution,
            "kind": "worked",
            "minutes": 120,
            "weighted_minutes": 150,
            "source": "duty:1",
            **fields,
        }
    )


@every_guard
def test_every_guard_stands_after_migrate(db: None, guard: guards.Guard) -> None:
    assert guards.stands(connection, guard)


@every_guard
@pytest.mark.django_db(transaction=True)
def test_a_guard_comes_back_after_a_table_was_rebuilt(guard: guards.Guard) -> None:
    guards.lift(connection, guard)
    assert not guards.stands(connection, guard)
    call_command("migrate", verbosity=0)
    assert guards.stands(connection, guard)


@every_guard
def test_half_a_guard_is_mended(db: None, guard: guards.Guard) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("one statement makes a whole guard on PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {next(iter(guard.triggers()))}")
    assert not guards.stands(connection, guard)
    guards.install(connection)
    assert guards.stands(connection, guard)


@pytest.mark.parametrize("model", [Duty, RosterPeriod, LedgerEntry])
@pytest.mark.django_db(transaction=True)
def test_a_guarded_table_can_be_rebuilt(model: type) -> None:
    """As a later change of a field does on SQLite; a trigger that names two tables would fail."""
    with connection.schema_editor() as editor:
        field = model._meta.pk
        if connection.vendor == "sqlite":
            editor._remake_table(model, alter_fields=[(field, field)])
    guards.install(connection)
    assert all(guards.stands(connection, guard) for guard in guards.GUARDS)


# --- Seats ---------------------------------------------------------------------------------------


def test_two_share_a_seat_one_after_the_other(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    duty = make_duty(line, anna)
    Duty.objects.filter(pk=duty.pk).update(end=NOW + HOUR)
    rest = Duty(
        hour=duty.hour,
        seat=duty.seat,
        worker=bilal,
        credited_to=zuid,
        start=NOW + HOUR,
        end=NOW + 2 * HOUR,
        source=Duty.Source.COVER,
    )
    rest.full_clean()
    rest.save()
    assert not duty.hour.seats.free().filter(pk=duty.seat_id).exists()


@pytest.mark.parametrize(("start", "end"), [(0, 120), (0, 30), (30, 60), (119, 120)])
def test_nobody_sits_on_a_seat_that_is_taken(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution, start: int, end: int
) -> None:
    duty = make_duty(line, anna)
    same = {"hour": duty.hour, "seat": duty.seat, "worker": bilal, "credited_to": zuid}
    span = {"start": NOW + timedelta(minutes=start), "end": NOW + timedelta(minutes=end)}
    with refused():
        Duty.objects.create(**same, **span)
    Duty.objects.create(**same, **span, status=Duty.Status.RELEASED)
    with refused():
        Duty.objects.filter(worker=bilal).update(status=Duty.Status.COVER_WANTED)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_gets_the_seat(line: ServiceLine, zuid: Institution) -> None:
    """Those who want the same whole seat wait for each other: nobody meets a deadlock."""
    hour = make_hour(line, seats=1)
    seat = hour.seats.get()
    people = [make_user(f"Hulp{n}", (zuid, "worker"), second_factor=False) for n in range(20)]
    barrier = threading.Barrier(len(people))
    results: list[str] = []

    def take(worker: User) -> None:
        try:
            barrier.wait(20)
            with transaction.atomic():
                Duty.objects.create(
                    hour=hour,
                    seat=seat,
                    worker=worker,
                    credited_to=zuid,
                    start=hour.start,
                    end=hour.end,
                )
            results.append("got it")
        except IntegrityError:
            results.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take, args=[worker]) for worker in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["got it"] + ["refused"] * 19


# --- Periods -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "days"), [(0, 28), (27, 1), (-5, 6), (10, 2), (-5, 60)], ids=str)
def test_a_day_is_in_one_period_of_a_line(line: ServiceLine, first: int, days: int) -> None:
    make_period(line)
    with refused("no_period_overlap"):
        make_period(line, MONDAY + timedelta(days=first), days)


def test_periods_meet_and_lines_do_not_mind_each_other(line: ServiceLine) -> None:
    make_period(line)
    make_period(line, MONDAY + timedelta(days=28))
    make_period(line, MONDAY - timedelta(days=7), days=7)
    make_period(ServiceLine.objects.create(name="Opvoeding"))


def test_a_period_does_not_grow_over_the_next(line: ServiceLine) -> None:
    first = make_period(line)
    make_period(line, MONDAY + timedelta(days=28))
    with refused("no_period_overlap"):
        RosterPeriod.objects.filter(pk=first.pk).update(last_date=MONDAY + timedelta(days=28))
    RosterPeriod.objects.filter(pk=first.pk).update(last_date=MONDAY + timedelta(days=20))


# --- The ledger ----------------------------------------------------------------------------------


def test_the_ledger_is_never_changed(line: ServiceLine, zuid: Institution) -> None:
    entry = post(line, zuid)
    everything = LedgerEntry._base_manager.filter(pk=entry.pk)
    with refused("ledger_is_append_only"):
        everything.update(minutes=1)
    with refused("ledger_is_append_only"):
        everything._raw_delete(using="default")
    entry.minutes = 1
    for deed in (
        entry.save,
        entry.delete,
        LedgerEntry.objects.all().delete,
        lambda: LedgerEntry.objects.update(minutes=1),
        lambda: LedgerEntry.objects.bulk_update([entry], ["minutes"]),
    ):
        with pytest.raises(TypeError, match="append-only"), transaction.atomic():
            deed()
    entry.refresh_from_db()
    assert entry.minutes == 120


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.django_db(transaction=True)
def test_a_test_with_postings_leaves_nothing_for_the_next(
    line: ServiceLine, zuid: Institution, number: int
) -> None:
    assert guards.stands(connection, guards.LEDGER)
    assert not LedgerEntry.objects.exists()
    post(line, zuid)
