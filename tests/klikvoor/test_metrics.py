"""What monitoring reads: right numbers, words from fixed sets, and nobody to be found in them."""

import gc
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from chat.counts import Spread
from chat.database import in_pool
from chat.models import Conversation, Visitor
from chat.texts import REFUSALS
from institutions.models import JobRun, StaffMail, User
from klikvoor import metrics
from klikvoor.health import readiness
from klikvoor.pulse import Pulse
from klikvoor.running import Runs, runs
from klikvoor.tick import Tick, jobs
from roster.models import Presence
from roster.opening import State
from tests.chat.windows import desk_window, visitor_window, window

pytestmark = pytest.mark.django_db(transaction=True)

Numbers = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    readiness._found = {}
    yield
    readiness._found = {}
    runs.forget()


async def told() -> str:
    return (await metrics.render(""))[0].decode()


def numbers(text: str) -> Numbers:
    return {
        (sample.name.removeprefix("klikvoor_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_talk_is_counted(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    before = numbers(await told())
    client_id = str(uuid.uuid4())
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        await young.post("Hoi", client_id)
        await desk.hear("message.posted")
        await young.post("Hoi", client_id)
        await young.say("message.post", client_id=client_id, text="Iets anders")
        await young.hear("message.refused")
        await young.say("hello", conversation=active_conversation.pk, after=0)
        await young.hear("message.posted")
        await young.say("nonsense")
        await young.hear("error")
        during = numbers(await told())
        assert (during["windows", ("visitor",)], during["windows", ("desk",)]) == (1, 1)
    after = numbers(await told())

    def grew(name: str, *labels: str) -> float:
        return after[name, labels] - before[name, labels]

    assert grew("messages_acknowledged_total", "stored") == 1
    assert grew("messages_acknowledged_total", "repeated") == 1
    assert grew("messages_refused_total", "id_reused") == 1
    assert grew("messages_sent_total", "doorbell") == 2, "to the young person and to the desk"
    assert grew("messages_sent_total", "database") == 1, "after the second hello"
    assert grew("commands_refused_total", "not_understood") == 1
    assert grew("windows_opened_total", "visitor") == grew("windows_opened_total", "desk") == 1
    # How many of them share a batch is a matter of moments.
    assert grew("writer_batch_size_sum") >= 3
    assert 1 <= grew("writer_batch_size_count") <= grew("writer_batch_size_sum")
    assert grew("writer_batch_seconds_sum") > 0
    assert after["writer_waiting", ()] == 0
    assert after["windows", ("visitor",)] == after["windows", ("desk",)] == 0


async def test_a_window_that_we_close_is_counted_by_its_code() -> None:
    before = numbers(await told()).get(("windows_closed_total", ("4401",)), 0)

    async with window("/ws/visit/", "visit=nobody") as stranger:
        assert await stranger.closed() == 4401

    assert numbers(await told())["windows_closed_total", ("4401",)] == before + 1


async def test_a_doorbell_that_was_lost_is_counted(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    from chat.watch import watch

    before = numbers(await told())["messages_missed_total", ()]
    async with visitor_window(visitor) as young:
        # Stored by another process, and nobody rang here.
        await in_pool(Conversation.objects.filter(pk=active_conversation.pk).update, last_seq=1)
        await watch.sweep()
        await young.frames(0.05)

    assert numbers(await told())["messages_missed_total", ()] > before


def test_a_spread_counts_what_is_at_most_each_bound() -> None:
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        spread.add(value)

    [family] = text_string_to_metric_families(_exposed(spread))
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert found == {"1.0": 2, "2.0": 3, "+Inf": 4, "klikvoor_x_count": 4, "klikvoor_x_sum": 12}


def _exposed(spread: Spread) -> str:
    from prometheus_client import CollectorRegistry, generate_latest

    class One:
        def collect(self) -> Iterator[object]:
            yield metrics._spread("x", "x", spread)

    registry = CollectorRegistry()
    registry.register(One())  # type: ignore[arg-type]
    return generate_latest(registry).decode()


async def test_a_loop_that_was_held_up_and_the_collector_show() -> None:
    import asyncio

    pulse = Pulse()
    loop = asyncio.get_running_loop()
    pulse.start(loop)
    try:
        pulse._due_at = loop.time() - 0.2
        pulse._beat(loop)
        assert pulse.late.total >= 0.2
        gc.collect()
        assert sum(pulse.pauses.counts) >= 1
        assert pulse.pauses.total > 0
    finally:
        pulse._loop = None
        gc.callbacks.remove(pulse._collector)


# --- Jobs and totals ----------------------------------------------------------------------------


async def test_a_process_that_does_not_tick_knows_nothing_of_jobs_and_totals(
    waiting_conversation: Conversation,
) -> None:
    found = await told()

    assert "klikvoor_job" not in found
    assert "klikvoor_chats" not in found


async def test_a_process_that_ticks_tells_of_its_jobs_and_of_the_whole(
    waiting_conversation: Conversation, open_hour: object, anna: User
) -> None:
    long_ago = timezone.now() - timedelta(hours=2)

    def prepare() -> None:
        StaffMail.put(anna, "news", "one", subject="x", body="x")
        StaffMail.objects.update(created_at=long_ago)
        StaffMail.put(anna, "news", "two", subject="x", body="x")
        StaffMail.objects.filter(dedupe_key="two").update(given_up_at=long_ago)

    await in_pool(prepare)
    await Tick([job for job in jobs() if not job.is_slow]).run_due()
    runs.expect({"evaluate_openings": 5.0})
    await Tick([job for job in jobs() if job.run.__name__ == "evaluate_openings"]).run_due()

    found = numbers(await told())

    assert found["job_runs_total", ("evaluate_openings", "succeeded")] == 1
    assert found["job_runs_total", ("evaluate_openings", "failed")] == 0
    assert found["job_every_seconds", ("evaluate_openings",)] == 5
    last = found["job_succeeded_timestamp_seconds", ("evaluate_openings",)]
    assert last == pytest.approx(time.time(), abs=30)
    assert found["tick_age_seconds", ()] < 30
    assert found["chats", ("waiting",)] == 1
    assert found["workers_present", ("available",)] == 2
    assert sum(found["openings", (state,)] for state in State.values) == 1
    assert (found["mail_waiting", ("staff",)], found["mail_given_up", ("staff",)]) == (1, 1)
    assert found["mail_oldest_seconds", ("staff",)] >= 7200
    assert found["letters_overdue", ()] == 0
    assert found["site_figures_read", ()] == 1


async def test_a_database_that_is_away_leaves_the_other_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs.expect({})
    monkeypatch.setattr(StaffMail._meta, "db_table", "nowhere")

    found = numbers(await told())

    assert found["site_figures_read", ()] == 0
    assert ("chats", ("waiting",)) not in found
    assert ("writer_waiting", ()) in found


def test_every_job_has_a_name_of_its_own() -> None:
    names = [job.run.__name__ for job in jobs()]

    assert len(set(names)) == len(names)


def test_the_last_run_of_every_job_is_written_down() -> None:
    now = timezone.now()
    clock = Runs()
    clock.ran("well", 0.1, None, False)
    clock.ran("broken", 0.1, ValueError("words of somebody"), False)
    clock.ran("watched", 0.1, None, True)

    clock.write_down(now)
    assert {run.name: (run.ran_at is not None, run.error) for run in JobRun.objects.all()} == {
        "tick": (True, ""),
        "well": (True, ""),
        "broken": (False, "ValueError"),
    }

    clock.ran("broken", 0.1, None, False)
    clock.write_down(now + timedelta(minutes=1))
    broken = JobRun.objects.get(name="broken")
    assert (broken.error, broken.failed_at) == ("", None)
    assert broken.ran_at is not None
    assert JobRun.objects.get(name="tick").ran_at == now + timedelta(minutes=1)
    # Only what promises erasing is told to coordinators, who cannot mend a clock.
    assert not JobRun.objects.late(now + timedelta(days=30)).exists()


# --- Nobody is in it ----------------------------------------------------------------------------


async def test_words_in_labels_come_from_fixed_sets(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with visitor_window(visitor) as young:
        await young.post("zeegroene giraffe")
        await young.say("zeegroene giraffe")
        await young.hear("error")
    every = {job.run.__name__ for job in jobs()}
    runs.expect(dict.fromkeys(every, 5.0))

    text = await told()

    allowed = {
        "part": {"process", "writer", "database", "migrations", "keys", "doorbell", "clock"},
        "outcome": {"stored", "repeated", "succeeded", "failed"},
        "road": {"doorbell", "database"},
        "kind": {"visitor", "desk"},
        "status": {"waiting", "active"},
        "state": {"used", "free", *Presence.State.values, *State.values},
        "to": {"staff", "visitor"},
        "name": every,
    }
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label == "le":
                    assert value == "+Inf" or float(value) > 0
                elif label == "code":
                    assert value in REFUSALS or 4400 <= int(value) < 4600
                else:
                    assert value in allowed[label], (sample.name, label, value)
    for word in (
        "giraffe",
        active_conversation.pk,
        visitor.token,  # type: ignore[attr-defined]
        anna.chat_name,
        anna.email,
        "Zuid",
        settings.SECRET_KEY,
    ):
        assert word not in text


async def test_no_version_is_told() -> None:
    found = await told()

    assert "python_info" not in found
    assert "version" not in found


async def test_connections_to_postgresql_are_counted(kind_of_database: str) -> None:
    if kind_of_database != "postgresql":
        assert "database_connections" not in await told()
        return
    await told()
    found = numbers(await told())
    assert found["database_connections", ("free",)] + found["database_connections", ("used",)] > 0
    assert found["database_connections_most", ()] == 24
