"""A letter by e-mail, in real browsers and over real LMTP; and that erasing it lasts."""

import asyncio
import email
import re
import shutil
import smtplib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible
from tests.browser.talks import WorkerPage
from tests.browser.test_letters import TEXT, see_code
from tests.mail.letters import a_reply, text_of
from tests.servers import ROOT, Server, environment, free_port

ADDRESS = "sam.van.thuis@mailbox.example"
ANSWER = "Wat goed dat je schrijft. Wie weet het nog meer?"
MAILED = "Alleen mijn zusje weet het."
QUOTED = f"\n\nOp 3 november 2026 om 10:00 schreef Post <post@klik.example>:\n> {ANSWER}\n"


@pytest.fixture(scope="module")
def lmtp_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def _server_of_module(
    demo_database: Path,
    static_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    lmtp_port: int,
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    shutil.copy(demo_database, directory / "klikvoor.sqlite3")
    server = Server(
        directory,
        environment(
            DEMO="1",
            DATABASE_URL=f"sqlite:///{directory / 'klikvoor.sqlite3'}",
            STATIC_ROOT=str(static_root),
            EMAIL_URL=f"filemail:///{directory}/mail",
            MAIL_FROM="post@klik.example",
            MAIL_REPLY_TO="brief@klik.example",
            MAIL_LISTEN=f"lmtp://127.0.0.1:{lmtp_port}",
        ),
    )
    yield server
    server.stop()


async def arrived(server: Server) -> Message:
    """The mail to her: a file, as the demo sends no other; the clock writes it within seconds."""
    for _look in range(400):
        for path in server.directory.glob("mail/*.log"):
            for raw in path.read_bytes().split(b"-" * 79 + b"\n"):
                message = email.message_from_bytes(raw)
                if ADDRESS in str(message["To"]):
                    return message
        await asyncio.sleep(0.1)
    raise AssertionError("no mail came")


def dump_without_keys(server: Server, to: Path) -> None:
    """What the nightly dump of the database holds: all but the table of keys (decision 0012)."""
    with closing(sqlite3.connect(server.database)) as live, closing(sqlite3.connect(to)) as dump:
        live.backup(dump)
        dump.execute("DELETE FROM chat_conversationkey")
        dump.commit()


def held(server: Server, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "held", "--words"],
        cwd=ROOT,
        env=server.env,
        input=f"{code}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


async def write_for_mail(page: Page, worker_page: WorkerPage, server: Server) -> Page:
    """A letter to be answered by mail; returns the page of Anna, who has it."""
    await page.get_by_role("button", name="Liever schrijven?").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await page.get_by_label("Je brief").fill(TEXT)
    await page.get_by_label("Het hele antwoord per e-mail").check()
    await page.get_by_label("Je e-mailadres").fill(ADDRESS)
    await page.get_by_role("button", name="Verstuur mijn brief").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")
    server.rows(
        "UPDATE chat_conversation SET institution_id ="
        " (SELECT id FROM institutions_institution WHERE name = 'Welzijn Zuid')"
    )
    [[pk]] = server.rows("SELECT id FROM chat_conversation")
    anna = await worker_page("anna", to=f"/desk/letters/{pk}/")
    await anna.get_by_role("button", name="Aannemen").click()
    await anna.get_by_label("Je antwoord").fill(ANSWER)
    await anna.get_by_role("button", name="Verstuur", exact=True).click()
    await expect(anna.get_by_text("Je antwoord is verstuurd.")).to_be_visible()
    return anna


async def test_an_answer_goes_by_mail_a_reply_is_a_message_and_erasing_outlives_a_restore(
    server: Server,
    visitor_page: Page,
    worker_page: WorkerPage,
    open_page: OpenPage,
    lmtp_port: int,
    tmp_path: Path,
) -> None:
    anna = await write_for_mail(visitor_page, worker_page, server)
    code = await see_code(visitor_page)

    mail = await arrived(server)
    assert ANSWER in text_of(mail)
    reply = a_reply(str(mail["Reply-To"]), MAILED + QUOTED, In_Reply_To=str(mail["Message-ID"]))
    with smtplib.LMTP("127.0.0.1", lmtp_port) as client:
        assert client.sendmail(ADDRESS, [str(mail["Reply-To"])], reply) == {}

    # She sees it on the page, the worker with the letter, and all of it on a page of its own.
    await visitor_page.goto("/")
    await visitor_page.get_by_role("button", name="Lees mijn brief terug").click()
    await expect(visitor_page.locator(".letter-text")).to_have_text([TEXT, ANSWER, MAILED])
    await anna.reload()
    await expect(anna.locator("#said .message-text")).to_have_text([TEXT, ANSWER, MAILED])
    await expect(anna.locator("#said .badge")).to_have_text("per e-mail")
    await anna.get_by_role("link", name="Lees de hele mail").click()
    await expect(anna.get_by_role("heading", level=1)).to_have_text("De hele mail")
    await expect(anna.locator(".letter-whole")).to_contain_text(f"> {ANSWER}")
    await assert_accessible(anna)
    letter = anna.url.partition("mail/")[0]
    assert MAILED in held(server, code)

    dump = tmp_path / "dump.sqlite3"
    dump_without_keys(server, dump)
    await visitor_page.goto("/")
    await visitor_page.get_by_role("button", name="Wis alles").click()
    await visitor_page.get_by_role("button", name="Ja, wis alles nu").click()
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Alles is gewist")

    server.stop()
    shutil.copy(dump, server.database)
    for name in ("-wal", "-shm"):
        server.database.with_name(server.database.name + name).unlink(missing_ok=True)
    assert server.rows("SELECT COUNT(*) FROM chat_message") == [(3,)]
    server.start()

    printed = held(server, code)
    assert "its key is destroyed" in printed
    other = await open_page(PHONE)
    await other.goto("/terug/")
    await other.get_by_label("Je zeven woorden").fill(code)
    await other.get_by_role("button", name="Lees verder").click()
    await expect(other.get_by_text("De tekst van deze brief is gewist.")).to_be_visible()
    await assert_accessible(other)
    colleague = await worker_page("bilal", DESKTOP, to=letter)
    await expect(colleague.get_by_text("De tekst van deze brief is gewist.")).to_be_visible()
    pages = [printed, await other.content(), await colleague.content()]
    for secret in (TEXT, ANSWER, MAILED, ADDRESS):
        assert not [page for page in pages if secret in page], secret
        assert secret.encode() not in server.database.read_bytes()
    assert not re.search(r"sam\.van|zusje", server.log())
