"""The compose file fits the code: commands, settings, addresses and secrets."""

import re
from typing import Any

import pytest
import yaml
from django.conf import settings

from tests.deploy.files import DEPLOY, try_command, unknown_settings

OURS = {"prepare", "web-1", "web-2", "jobs", "backup"}
IN_THE_IMAGE = re.compile(r"^(python manage\.py \S.*?)(?: && |$)")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    # SafeLoader knows anchors and `<<`, as Compose does.
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    return read


def test_every_command_exists(compose: dict[str, Any]) -> None:
    for name in OURS:
        command = compose["services"][name]["command"]
        if command[:2] == ["sh", "-c"]:
            found = IN_THE_IMAGE.match(command[2])
            assert found is not None
            try_command(found[1])
        else:
            try_command(command)
    dockerfile = (DEPLOY / "compose/Dockerfile").read_text()
    try_command(re.sub(r'[\[\]",]', "", dockerfile.rpartition("\nCMD ")[2]))


def test_every_setting_is_read_and_every_secret_is_handed_over(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert unknown_settings(set(service["environment"])) == set()
        named = {
            value.removeprefix("/run/secrets/")
            for key, value in service["environment"].items()
            if key.endswith("_FILE")
        }
        assert named == set(service["secrets"])
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_nginx_knows_every_serving_process(compose: dict[str, Any]) -> None:
    addresses = {
        service["networks"]["inside"]["ipv4_address"]
        for name, service in compose["services"].items()
        if name.startswith("web-")
    }
    assert len(addresses) >= 2
    processes = (DEPLOY / "compose/processes.conf").read_text()
    assert set(re.findall(r"^server ([\d.]+):8000 max_fails=0;$", processes, re.M)) == addresses


def test_what_runs_may_do_little(compose: dict[str, Any]) -> None:
    for name in {*OURS, "redis", "nginx"}:
        service = compose["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for service in compose["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        published = service.get("ports", [])
        assert not published or service is compose["services"]["nginx"]
    assert compose["networks"]["inside"]["internal"]


def test_the_list_of_what_was_erased_and_backups_can_be_written(compose: dict[str, Any]) -> None:
    """The containers themselves are read-only, and go with what is in them."""
    for name in ("web-1", "web-2", "jobs", "backup"):
        service = compose["services"][name]
        assert service["environment"]["ERASED_LIST"].startswith("/erased/")
        assert "./erased:/erased" in service["volumes"]
    backup = compose["services"]["backup"]
    assert backup["command"][-1] == "/backups"
    assert "./backups:/backups" in backup["volumes"]


def test_the_image_makes_backups_of_the_server_beside_it(compose: dict[str, Any]) -> None:
    (version,) = re.findall(r"^postgres:(\d+)-", compose["services"]["db"]["image"])
    assert f" postgresql-client-{version} " in (DEPLOY / "compose/Dockerfile").read_text()


def test_the_image_installs_what_there_is_no_wheel_of() -> None:
    """Of source alone there is one file, so one hash; wheels are refused no less than they have to."""
    locked = (DEPLOY.parent / "requirements.txt").read_text()
    entries = re.findall(r"^([a-z0-9-]+)==.*((?:\n    --hash=\S+.*)+)", locked, re.M)
    assert len(entries) > 40
    one_file = {name for name, hashes in entries if hashes.count("--hash") == 1}
    dockerfile = (DEPLOY / "compose/Dockerfile").read_text()
    assert set(re.findall(r"--no-binary (\S+)", dockerfile)) == one_file


def test_nobody_serves_before_the_tables_are_there(compose: dict[str, Any]) -> None:
    for name in ("web-1", "web-2", "jobs"):
        waits_for = compose["services"][name]["depends_on"]["prepare"]
        assert waits_for == {"condition": "service_completed_successfully"}


def test_every_file_that_is_mounted_is_there(compose: dict[str, Any]) -> None:
    """Those of `site` are the operator's own copies."""
    for mount in compose["services"]["nginx"]["volumes"]:
        source = mount.partition(":")[0]
        if source.startswith("./site/"):
            source = source.replace("./site/", "../nginx/klikvoor/")
        if source.startswith("."):
            assert (DEPLOY / "compose" / source).exists(), source


def test_the_image_holds_every_app_and_nothing_private() -> None:
    allowed = {
        line[1:]
        for line in (DEPLOY / "compose/Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    ours = {app for app in settings.INSTALLED_APPS if (DEPLOY.parent / app).is_dir()}
    assert ours | {"locale", "static", "templates", "manage.py", "requirements.txt"} == allowed
