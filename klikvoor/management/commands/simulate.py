"""`manage.py simulate`: the same evenings ordered in several ways, from a quiet to an overloaded one."""

from dataclasses import replace
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from chat.simulation import (
    CHOSEN,
    CONSENT,
    FCFS,
    URGENCIES,
    Evening,
    Outcome,
    Policy,
    Worker,
    draw,
    percentile,
    simulate,
)
from klikvoor.demo.people import MUNICIPALITIES, SKILLS, WORKERS
from klikvoor.demo.plan import ON_DUTY

# So many young people an hour; on the third, first-come-first-served has a p95 of about 15 minutes.
LEVELS = {"rustig": 8.0, "gewoon": 12.0, "druk": 18.3, "heel druk": 22.0, "te druk": 28.0}
POLICIES = {
    "fcfs": FCFS,
    "urgentie": Policy("alleen urgentie"),
    "reserve": Policy("met een reserve", above_cap="reserve"),
    "klikvoor": CHOSEN,
}
MINUTES = 180.0


def demo_crew(minutes: float = MINUTES) -> list[Worker]:
    """Who is on duty in the demonstration, for the whole evening."""
    employer = {name: institution for name, _full, institution in WORKERS}
    return [
        Worker(
            number,
            0.0,
            minutes,
            regions=frozenset(MUNICIPALITIES[employer[name]]),
            skills=frozenset(SKILLS.get(name, ())),
        )
        for number, name in enumerate(ON_DUTY, start=1)
    ]


def evenings(seeds: range, per_hour: float, minutes: float = MINUTES) -> list[Evening]:
    regions = [code for codes in MUNICIPALITIES.values() for code in codes]
    crew = demo_crew(minutes)
    return [draw(seed, per_hour, crew, minutes, regions) for seed in seeds]


class Command(BaseCommand):
    help = (
        "Simulate evenings with the demonstration's roster and print waits, who left, letters and "
        "load, beside first come, first served on the same arrivals. Needs no server and no data."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--evenings", type=int, default=200, help="How many of each kind.")
        parser.add_argument("--seed", type=int, default=1, help="The first of them.")
        parser.add_argument(
            "--per-hour", type=float, nargs="*", help="Arrivals an hour, instead of five kinds."
        )
        parser.add_argument(
            "--consent",
            type=float,
            default=CONSENT,
            help="How often a worker at the cap says yes to one more who needs help now.",
        )
        parser.add_argument(
            "--policy",
            nargs="*",
            choices=list(POLICIES),
            default=["fcfs", "klikvoor"],
            help="What to show beside each other.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        count, seed = options["evenings"], options["seed"]
        if count < 1:
            raise CommandError("--evenings is at least 1.")
        levels = (
            {f"{rate:g} per uur": rate for rate in options["per_hour"]}
            if options["per_hour"]
            else LEVELS
        )
        if any(not 0 < rate <= 600 for rate in levels.values()):
            raise CommandError("--per-hour is more than 0 and at most 600.")
        self.stdout.write(
            f"{count} avonden van {MINUTES / 60:g} uur, {len(ON_DUTY)} hulpverleners, vanaf seed {seed}.\n"
            "Wachten: minuten, helft / 95%, van wie geholpen is. De rest: per avond.\n"
        )
        for name, rate in levels.items():
            drawn = evenings(range(seed, seed + count), rate)
            came = sum(len(evening.young) for evening in drawn) / count
            self.stdout.write(f"\n{name}: {rate:g} per uur, {came:.0f} op een avond\n{HEAD}\n")
            for code in options["policy"]:
                policy = replace(POLICIES[code], consent=options["consent"])
                outcome = simulate(drawn, policy)
                self.stdout.write(line(policy, outcome, count) + "\n")
                self.stdout.write(load(outcome, count))


HEAD = (
    f"{'':16}{'nu':>12}{'snel':>12}{'gewoon':>12}{'geholpen':>10}{'weg':>6}{'brief':>7}"
    f"{'bezet':>7}{'erbij':>7}{'boven':>7}"
)


def line(policy: Policy, outcome: Outcome, count: int) -> str:
    """One row. `bezet`: chats at once per worker; `erbij`: chats above a cap; `boven`: minutes above
    it per worker; `weg` holds an exclamation mark when somebody left without being offered a letter.
    """
    waits = "".join(
        f"{percentile(outcome.waits[one], 0.5):5.1f} /{percentile(outcome.waits[one], 0.95):5.1f}"
        for one in URGENCIES
    )
    helped = sum(map(len, outcome.waits.values())) / count
    left = sum(outcome.left.values()) / count
    alarm = "!" if outcome.left_without_offer else ""
    workers = len(ON_DUTY)
    busy = sum(outcome.busy.values()) / count / workers / MINUTES
    above = sum(outcome.above_cap.values()) / count / workers
    return (
        f"{policy.name:16}{waits}{helped:10.1f}{left:6.1f}{alarm}{outcome.letters / count:7.1f}"
        f"{busy:7.2f}{outcome.extra_chats / count:7.2f}{above:7.1f}"
    )


def load(outcome: Outcome, count: int) -> str:
    """What each worker did on an evening: chats, and how many at once."""
    shares = [
        f"{name} {outcome.chats.get(number, 0) / count:.1f} "
        f"({outcome.busy.get(number, 0) / count / MINUTES:.2f})"
        for number, name in enumerate(ON_DUTY, start=1)
    ]
    return "  gesprekken (tegelijk): " + ", ".join(shares)
