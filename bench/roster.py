"""Measure proposals for the roster, the default beside CP-SAT, on made-up cases.

    python -m bench.roster [--cases quarter,month,scarce] [--seeds 1,2] [--seconds 60] [--json FILE]

CP-SAT takes part where `requirements-solver.txt` is installed. docs/performance.md says what the
figures mean. Exits with 1 when a law-like rule was broken or the bar was missed.
"""

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from roster.fairness import ShareKey, Slot, deal, shares, slot_class
from roster.proposals.problem import Hour, Problem, Seat, Wish, Worker
from roster.proposals.score import broken_rules
from roster.proposals.solve import Proposal, solve
from roster.proposals.solver_cpsat import is_installed, solve_with_cpsat
from roster.time import days, span

ZONE = ZoneInfo("Europe/Amsterdam")
FIRST = date(2026, 9, 7)
INSTITUTIONS = range(1, 37)
SENIOR = "senior"

# Weekdays, wall times, minimum and target: 43 seats a week.
WEEK = [
    ((0, 1, 2, 3), wall_time(15, 30), wall_time(17, 30), 2, 3),
    ((0, 1, 2, 3), wall_time(19), wall_time(22), 2, 4),
    ((4,), wall_time(19), wall_time(21), 2, 3),
    ((5, 6), wall_time(14), wall_time(17), 2, 3),
    ((5, 6), wall_time(20), wall_time(22), 2, 3),
]
HOLIDAYS = {date(2026, 11, 11), date(2026, 12, 5)}
# `can`: in how many of the week's hours a worker is available as a rule.
CASES = {
    "quarter": {"weeks": 13, "workers": 151, "can": 0.35},
    "month": {"weeks": 4, "workers": 151, "can": 0.35},
    "scarce": {"weeks": 4, "workers": 90, "can": 0.03},
}

# The default is to be at most so much further off quota than CP-SAT, within so many seconds.
OFF_QUOTA_BAR = 1.05
SECONDS_BAR = 10.0


def make_case(seed: int, *, weeks: int, workers: int, can: float) -> Problem:
    """A case that is the same for the same seed: 36 institutions, some large and most small."""
    chance = random.Random(seed)
    weights = {number: chance.choice([1, 1, 2, 2, 3, 4, 5, 6, 8]) for number in INSTITUTIONS}
    hours = make_hours(weeks, weights)
    need = sum(hour.minutes * hour.target_staff for hour, _pattern in hours)
    last = FIRST + timedelta(days=7 * weeks - 1)
    quotas = shares(need, {n: ShareKey(weight=w) for n, w in weights.items()}, FIRST, last)
    # Two workers for each institution, the others where the weight is.
    staff = [*INSTITUTIONS] * 2
    staff += chance.choices(list(weights), list(weights.values()), k=workers - len(staff))
    people = []
    for number, institution in enumerate(staff, 1):
        usual = {
            pattern: chance.choice(
                [Wish.POSSIBLE, Wish.POSSIBLE, Wish.POSSIBLE, Wish.PREFERRED, Wish.PREFERRED]
            )
            if chance.random() < can
            else Wish.UNAVAILABLE
            for pattern in sorted({pattern for _hour, pattern in hours})
        }
        away = chance.randrange(weeks * 7)
        back = away + chance.choice([0, 0, 7, 14])
        wishes = {}
        for hour, pattern in hours:
            wish = usual[pattern]
            if chance.random() < 0.08:
                wish = chance.choice(list(Wish))
            if not away <= (hour.local_date - FIRST).days < back:
                wishes[hour.id] = wish
        several = chance.random() < 0.03
        people.append(
            Worker(
                id=number,
                institutions=(institution, institution % 36 + 1) if several else (institution,),
                wishes=wishes,
                qualifications=frozenset({SENIOR} if chance.random() < 0.6 else ()),
                max_per_week=chance.choice([1, 2, 2, 2, 3]),
            )
        )
    return Problem(
        hours=tuple(hour for hour, _pattern in hours),
        workers=tuple(people),
        quotas=quotas,
        rest_minutes=11 * 60,
    )


def make_hours(weeks: int, weights: dict[int, int]) -> list[tuple[Hour, tuple[int, int]]]:
    """The hours, each with its place in the week. The seats up to the target are owed by somebody."""
    slots, drafts = [], []
    number = 0
    for day in days(FIRST, FIRST + timedelta(days=7 * weeks - 1)):
        for place, (weekdays, start, end, minimum, target) in enumerate(WEEK):
            if day.weekday() not in weekdays:
                continue
            since, until = span(day, start, end, ZONE)
            kind = slot_class(day, start, is_holiday=day in HOLIDAYS)
            seats = range(number + 1, number + target + 2)
            number += len(seats)
            minutes = (until - since) // timedelta(minutes=1)
            slots += [Slot(seat, len(drafts), kind, minutes) for seat in seats[:target]]
            drafts.append((day, place, since, until, minimum, target, seats))
    owed = deal(slots, weights)
    return [
        (
            Hour(
                id=at + 1,
                local_date=day,
                start=since,
                end=until,
                min_staff=minimum,
                target_staff=target,
                seats=tuple(
                    Seat(
                        id=seat,
                        owed_by=owed.get(seat),
                        requires=SENIOR if day.weekday() > 4 and seat == seats[0] else None,
                    )
                    for seat in seats
                ),
                mix={SENIOR: 1},
            ),
            (place, day.weekday()),
        )
        for at, (day, place, since, until, minimum, target, seats) in enumerate(drafts)
    ]


# --- Measuring -----------------------------------------------------------------------------------


def figures(problem: Problem, answer: Callable[[], Proposal]) -> dict[str, Any]:
    """What an answer is worth, and what it took."""
    on_clock, computing = time.monotonic(), time.process_time()
    proposal = answer()
    on_clock, computing = time.monotonic() - on_clock, time.process_time() - computing
    score = proposal.score
    return {
        "seconds": round(on_clock, 2),
        "processor_seconds": round(computing, 2),
        "unfilled": score.short,
        "below_min": score.below_min,
        "hours_off_quota": round(score.off_quota / 60, 2),
        "largest_hours_off": round(score.largest_off / 60, 2),
        "placed": len(proposal.placements),
        "preferred": len(proposal.placements) - score.not_preferred,
        "over_limit": score.over_limit,
        "mix": score.mix,
        "cost": proposal.cost,
        "bound": proposal.bound,
        "steps": proposal.steps,
        "is_repeatable": proposal.is_repeatable,
        "broken_rules": broken_rules(problem, proposal.placements),
    }


def missed(search: dict[str, Any], cpsat: dict[str, Any] | None) -> list[str]:
    """In what the default stays below the bar; nothing when it passes."""
    said = []
    if search["seconds"] > SECONDS_BAR:
        said.append(f"took {search['seconds']:.2f} s instead of {SECONDS_BAR:g} s")
    if cpsat is None:
        return said
    if search["below_min"] > cpsat["below_min"]:
        said.append(f"{search['below_min']} hours cannot open, {cpsat['below_min']} with CP-SAT")
    # Who opens more hours or fills more seats may be further off quota for it.
    if (search["below_min"], search["unfilled"]) < (cpsat["below_min"], cpsat["unfilled"]):
        return said
    if search["unfilled"] > cpsat["unfilled"]:
        said.append(f"{search['unfilled']} seats unfilled, {cpsat['unfilled']} with CP-SAT")
    allowed = cpsat["hours_off_quota"] * OFF_QUOTA_BAR
    if search["hours_off_quota"] > allowed:
        said.append(f"{search['hours_off_quota']:.2f} h off quota instead of {allowed:.2f} h")
    return said


def measure(name: str, seed: int, seconds: float) -> dict[str, Any]:
    problem = make_case(seed, **CASES[name])
    search = figures(problem, lambda: solve(problem, seed=seed))
    cpsat = None
    if is_installed():
        cpsat = figures(problem, lambda: solve_with_cpsat(problem, seed=seed, seconds=seconds))
    return {
        "case": name,
        "seed": seed,
        "hours": len(problem.hours),
        "seats": sum(hour.target_staff for hour in problem.hours),
        "workers": len(problem.workers),
        "institutions": len(problem.quotas),
        "search": search,
        "cpsat": cpsat,
        "missed": missed(search, cpsat),
    }


# --- Telling ---------------------------------------------------------------------------------------

HEAD = [
    "case",
    "by",
    "seconds",
    "of computing",
    "unfilled",
    "below minimum",
    "hours off quota",
    "largest",
    "wishes met",
    "above the bound",
]


def cells(one: dict[str, Any]) -> list[list[str]]:
    """A row of the table for each who answered."""
    rows = []
    for by, title in (("search", "search"), ("cpsat", "CP-SAT")):
        if not (found := one[by]):
            continue
        bound = one["cpsat"] and one["cpsat"]["bound"]
        rows.append(
            [
                f"{one['case']} {one['seed']}",
                title,
                f"{found['seconds']:.1f}",
                f"{found['processor_seconds']:.1f}",
                f"{found['unfilled']} of {one['seats']}",
                f"{found['below_min']} of {one['hours']}",
                f"{found['hours_off_quota']:.1f}",
                f"{found['largest_hours_off']:.1f}",
                f"{found['preferred'] / max(1, found['placed']):.0%}",
                f"{found['cost'] / bound - 1:.1%}" if bound else "-",
            ]
        )
    return rows


def sentences(result: dict[str, Any]) -> list[str]:
    """What must be said beside the figures."""
    said = [
        f"{one['case']} {one['seed']}: {by} BROKE A RULE: {rule}"
        for one in result["cases"]
        for by in ("search", "cpsat")
        for rule in (one[by] or {}).get("broken_rules", ())
    ]
    said += [
        f"{one['case']} {one['seed']}: bar MISSED: {what}"
        for one in result["cases"]
        for what in one["missed"]
    ]
    late = [
        f"{one['case']} {one['seed']} ({one['search']['steps']:,} steps)"
        for one in result["cases"]
        if not one["search"]["is_repeatable"]
    ]
    if late:
        said.append(f"The clock ended the search before it was done: {', '.join(late)}.")
    if not any(one["missed"] for one in result["cases"]):
        said.append("Bar: passed.")
    if not is_installed():
        said.append("CP-SAT is not installed, so only the seconds were held against the bar.")
    machine = result["machine"]
    said.append(
        f"{machine['cores']} core(s) with a load of {machine['load']}, {machine['system']}, "
        f"Python {machine['python']}; CP-SAT had {result['seconds']:g} s; {result['at']}."
    )
    return said


def markdown(result: dict[str, Any]) -> str:
    rows = [row for one in result["cases"] for row in cells(one)]
    lines = ["| " + " | ".join(row) + " |" for row in [HEAD, *rows]]
    lines.insert(1, "| --- | --- |" + " --: |" * (len(HEAD) - 2))
    return "\n".join([*lines, "", *sentences(result)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES), help="which cases")
    parser.add_argument("--seeds", default="1", help="each case once for each of these")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long CP-SAT may take")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    names = options.cases.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    result: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": options.seconds,
        "machine": {
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
        },
        "cases": [],
    }
    for name in names:
        for seed in map(int, options.seeds.split(",")):
            result["cases"].append(measure(name, seed, options.seconds))
            print(f"{name} {seed} measured", file=sys.stderr)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    is_broken = any(
        one[by] and one[by]["broken_rules"] for one in result["cases"] for by in ("search", "cpsat")
    )
    sys.exit(int(is_broken or any(one["missed"] for one in result["cases"])))


if __name__ == "__main__":
    main()
