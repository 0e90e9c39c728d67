"""Keys change while the site is used: all moves to the newest one, and nobody is signed out by it."""

import base64
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from channels_redis.pubsub import RedisPubSubChannelLayer
from cryptography.fernet import InvalidToken
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from chat import pressure
from chat.models import Conversation, ConversationKey, Epoch, Visitor
from institutions.access import staff_of_session
from institutions.adapters import MFAAdapter
from institutions.models import User
from klikvoor import wrapped
from klikvoor.startup import database_problems
from klikvoor.wrapped import USES, used_names
from tests.chat.test_pressure import request, solve
from tests.klikvoor.test_backups import TEXT, texts, write
from tests.people import ORIGIN, PASSWORD, TOTP_SECRET, begin_visit, sign_in
from triage.models import Intake

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
SECRET = "another-secret-for-tests-" + "t" * 40


def rewrap(**options: Any) -> str:
    out = StringIO()
    call_command("rewrap", stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def everything(waiting_conversation: Conversation, anna: User, brand: Any) -> Conversation:
    """One of each thing that a sealing key wraps."""
    write(waiting_conversation)
    Epoch.current()
    Intake.begin(begin_visit(brand))
    return waiting_conversation


@pytest.fixture
def new_in_front(everything: Conversation, settings: Any) -> str:
    settings.SEALING_KEYS = f"new:{KEY} {settings.SEALING_KEYS}"
    return str(settings.SEALING_KEYS)


# --- Sealing keys -----------------------------------------------------------------------------------


def test_everything_moves_to_the_newest_key_and_the_old_one_can_go(
    everything: Conversation, new_in_front: str, settings: Any
) -> None:
    assert used_names() == {"test"}

    out = rewrap()

    assert "conversations: 1 moved" in out
    assert "answers to questions: 1 moved" in out
    assert "second factors: 1 moved" in out
    assert "Nothing needs “test” any more." in out
    assert "Backups from before need the older keys still" in out
    settings.SEALING_KEYS = f"new:{KEY}"
    assert list(database_problems()) == []
    assert texts("default", everything) == [TEXT]
    assert Intake.objects.get().answers() == {}
    [secret] = [one.data["secret"] for one in Authenticator.objects.all()]
    assert MFAAdapter().decrypt(secret) == TOTP_SECRET


def test_looking_changes_nothing_and_a_second_time_has_nothing_to_do(new_in_front: str) -> None:
    assert "conversations: 1 under “test”" in rewrap(look=True)
    assert used_names() == {"test"}

    rewrap()
    out = rewrap()

    assert "conversations: 0 moved" in out
    assert "second factors: 1 under “new”" in out


def test_it_goes_on_where_it_was_stopped(
    new_in_front: str, brand: Any, line: Any, settings: Any
) -> None:
    for _ in range(3):
        Conversation.start(visitor=begin_visit(brand), line=line)
    use = USES[0]
    settings.SEALING_KEYS = " ".join(reversed(new_in_front.split()))
    for _ in range(3):
        Conversation.start(visitor=begin_visit(brand), line=line)
    settings.SEALING_KEYS = new_in_front
    assert use.count("default") == {"test": 4, "new": 3}

    assert use.move(2) == (2, 2)
    assert use.count("default") == {"test": 2, "new": 5}
    assert "conversations: 2 moved" in rewrap(batch=1)


def test_a_key_that_somebody_changed_meanwhile_is_left_to_them(
    everything: Conversation, new_in_front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwrap = wrapped.DataKey.unwrap

    def erased_meanwhile(name: str, sealed: bytes) -> Any:
        ConversationKey.objects.all().delete()
        return unwrap(name, sealed)

    monkeypatch.setattr(wrapped.DataKey, "unwrap", erased_meanwhile)

    assert USES[0].move(10) == (0, 1)
    assert not ConversationKey.objects.exists(), "what was erased is not written again"


def test_it_says_when_an_old_key_is_needed_still(
    everything: Conversation, new_in_front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klikvoor.management.commands import rewrap as command

    monkeypatch.setattr(command, "USES", USES[1:])

    out = rewrap()

    assert "Still needed: test." in out
    assert "Nothing needs" not in out


@pytest.mark.parametrize("use", range(len(USES)))
def test_start_up_misses_the_key_of_each_use(
    everything: Conversation, settings: Any, use: int
) -> None:
    models: list[Any] = [ConversationKey, Intake, Authenticator]
    for other in models[:use] + models[use + 1 :]:
        other.objects.all().delete()
    settings.SEALING_KEYS = f"new:{KEY}"

    assert "SEALING_KEYS lacks: test" in "".join(database_problems())
    with pytest.raises(CommandError, match="Nothing was changed"):
        rewrap()


# --- SECRET_KEY -----------------------------------------------------------------------------------------


def test_a_sign_in_outlives_a_new_secret_key_with_the_old_one_behind(
    anna: User, settings: Any
) -> None:
    client = sign_in(anna)
    key = client.session.session_key
    old = settings.SECRET_KEY

    with override_settings(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[old]):
        assert staff_of_session(key), "a socket"
        answer = client.get("/staff/")
        assert answer.headers["Location"] == "/desk/"
        assert client.session.session_key == key, "which the desks that are open know"

    with override_settings(SECRET_KEY=SECRET):
        assert staff_of_session(key), "the page moved it"


def test_no_request_under_way_loses_its_sign_in_to_a_new_secret_key(
    anna: User, settings: Any
) -> None:
    first = sign_in(anna)
    second = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    second.cookies = type(first.cookies)(first.cookies.output(header=""))
    with override_settings(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert first.get("/staff/").headers["Location"] == "/desk/"
        answer = second.get("/staff/")  # sent before the answer to the first one came
        assert answer.headers["Location"] == "/desk/"
        gone = [cookie for cookie in answer.cookies.values() if cookie["max-age"] == 0]
        assert not gone


def test_a_new_password_still_gives_the_session_another_key(anna: User) -> None:
    client = sign_in(anna)
    key = client.session.session_key
    answer = client.post(
        "/accounts/password/change/",
        {
            "oldpassword": PASSWORD,
            "password1": "een ander lang wachtwoord",
            "password2": "een ander lang wachtwoord",
        },
    )
    assert answer.status_code == 302
    assert client.session.session_key != key
    assert staff_of_session(key) is None


def test_a_process_with_the_new_secret_behind_takes_sign_ins_of_one_with_it_in_front(
    anna: User, settings: Any
) -> None:
    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[old]):
        key = sign_in(anna).session.session_key

    assert staff_of_session(key) is None
    with override_settings(SECRET_KEY_FALLBACKS=[SECRET]):
        assert staff_of_session(key)


def test_ended_sign_ins_stay_ended_whatever_the_keys(anna: User, settings: Any) -> None:
    key = sign_in(anna).session.session_key
    anna._forget_sign_ins()
    old = settings.SECRET_KEY

    with override_settings(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[old]):
        assert staff_of_session(key) is None


def test_a_proof_of_work_outlives_a_new_secret_key(settings: Any) -> None:
    solved = solve(pressure.ask("letter"))
    old = settings.SECRET_KEY

    with override_settings(SECRET_KEY=SECRET):
        assert not pressure.is_proved(request(altcha=solved), "letter")
    with override_settings(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[old]):
        assert pressure.is_proved(request(altcha=solved), "letter")


def test_processes_hear_each_other_while_the_secret_key_changes(settings: Any) -> None:
    """What crosses Redis is sealed with the first, and opened with any."""
    old = settings.SECRET_KEY

    def layer(*keys: str) -> Any:
        return RedisPubSubChannelLayer(hosts=[], symmetric_encryption_keys=list(keys))

    event = {"type": "hub.relay", "events": "x"}
    before, behind, in_front, after = (
        layer(old), layer(old, SECRET), layer(SECRET, old), layer(SECRET)
    )  # fmt: skip
    for one, other in ((before, behind), (behind, in_front), (in_front, after)):
        assert other.deserialize(one.serialize(event)) == event
        assert one.deserialize(other.serialize(event)) == event
    with pytest.raises(InvalidToken):
        before.deserialize(after.serialize(event))


def test_the_settings_give_both_keys_to_redis() -> None:
    import json
    import os
    import subprocess
    import sys

    from tests.servers import ROOT

    program = (
        "import json; from klikvoor import settings as s; print(json.dumps([s.SECRET_KEY_FALLBACKS,"
        " s.CHANNEL_LAYERS['default']['CONFIG']['symmetric_encryption_keys'][1:]]))"
    )
    env = os.environ | {"REDIS_URL": "redis://x", "SECRET_KEY_FALLBACKS": f"{SECRET} other"}
    told = subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(told.stdout) == [[SECRET, "other"]] * 2


def test_no_visitor_notices_a_new_secret_key(visitor: Visitor) -> None:
    """Visits, codes and mail are found back by HASHING_KEY, which stays."""
    with override_settings(SECRET_KEY=SECRET):
        assert Visitor.find(visitor.token) == visitor  # type: ignore[attr-defined]
