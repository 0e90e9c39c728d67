"""The examples for Prometheus, and the list in the manual, are about numbers that exist."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from django.utils.timezone import now
from prometheus_client.metrics_core import Metric

from institutions.models import JobRun
from klikvoor import metrics
from klikvoor.backups import JOB as BACKUP
from klikvoor.health import Health
from klikvoor.running import Run, runs
from klikvoor.site_figures import SiteFigures
from tests.klikvoor.test_architecture import ROOT

FOLDER = ROOT / "deploy/prometheus"
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
# Of the library, and of Prometheus itself.
THEIRS = {"up", "process_open_fds", "process_max_fds"}
# Labels that Prometheus gives to every series; ours of the same name would be renamed. `process` is ours,
# given in prometheus.yml.
OF_PROMETHEUS = {"job", "instance", "process"}
WORD = re.compile(r"\b(?:klikvoor|process|up)(?:_\w+)?\b")


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[list[Metric]]:
    """Every number that there is: of a large installation, in a process that runs the jobs."""
    settings.REDIS_URL = "redis://nowhere"
    monkeypatch.setattr(metrics, "_pool_stats", lambda: {"pool_size": 2, "pool_max": 24})
    runs.expect({})
    runs.jobs["a_job"] = Run(succeeded_at=datetime.now(UTC))
    yield list(metrics.ProcessCollectors(Health({"writer": "ok"}), SiteFigures()).collect())
    runs.forget()


def names(families: list[Metric]) -> set[str]:
    return {f"{family.name}{ending}" for family in families for ending in ENDINGS[family.type]}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def asked(expression: str) -> set[str]:
    """The numbers in an expression: its words, without what stands in braces and brackets."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without)\s*\([^)]*\)", "", expression)
    return set(WORD.findall(bare))


def test_the_rules_ask_for_numbers_that_exist(families: list[Metric]) -> None:
    known = names(families) | THEIRS
    found = {rule["alert"]: asked(rule["expr"]) for rule in rules()}

    assert all(found.values()), "each rule is about something"
    assert {alert: words - known for alert, words in found.items() if words - known} == {}


def test_a_rule_about_nothing_would_be_seen(families: list[Metric]) -> None:
    expression = 'sum by (le) (rate(klikvoor_nothing_total{code="klikvoor_ready"}[5m])) > up'

    assert asked(expression) == {"klikvoor_nothing_total", "up"}
    assert "klikvoor_nothing_total" not in names(families)


@pytest.mark.django_db
def test_the_rules_ask_for_labels_that_exist(families: list[Metric]) -> None:
    """A rule about `job="backup"` would be quiet for ever: that label is Prometheus' own."""
    JobRun.succeeded(BACKUP, datetime.now(UTC), 1)
    known = families + list(metrics.ProcessCollectors(Health(), SiteFigures.read(now())).collect())
    told = {
        (sample.name, label, value)
        for family in known
        for sample in family.samples
        for label, value in sample.labels.items()
    }
    assert {label for _name, label, _value in told} & OF_PROMETHEUS == set()
    asked_for = {
        (name, label, value)
        for rule in rules()
        for name, braces in re.findall(r"(klikvoor_\w+)\{([^}]*)\}", rule["expr"])
        for label, value in re.findall(r'(\w+)!?="([^"]*)"', braces)
    }
    assert len(asked_for) > 3
    assert asked_for - told == set()


def test_each_rule_is_tried_as_it_goes_off_and_as_it_stays_quiet(families: list[Metric]) -> None:
    tried = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    alerts = {rule["alert"] for rule in rules()}
    outcomes = {
        (test["alertname"], bool(test["exp_alerts"]))
        for group in tried
        for test in group["alert_rule_test"]
    }
    assert outcomes == {(alert, goes_off) for alert in alerts for goes_off in (True, False)}
    told = {s["series"].partition("{")[0] for group in tried for s in group["input_series"]}
    assert told - names(families) <= THEIRS


def test_each_rule_says_how_bad_it_is_and_what_people_notice() -> None:
    alerts = [rule["alert"] for rule in rules()]
    assert len(set(alerts)) == len(alerts) > 10
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule["alert"]


def test_the_example_of_prometheus_reads_the_rules_beside_it() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())

    assert [(FOLDER / name).is_file() for name in config["rule_files"]] == [True]
    [job] = config["scrape_configs"]
    assert all(":" in target for one in job["static_configs"] for target in one["targets"])


def test_the_manual_lists_every_number_and_no_other(families: list[Metric]) -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    section = manual.partition("### Numbers")[2].partition("### Logs")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {word for row in rows for word in re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", row)}
    exist = {
        f"{family.name}{'_total' if family.type == 'counter' else ''}".removeprefix("klikvoor_")
        for family in families
    }

    assert listed == exist
