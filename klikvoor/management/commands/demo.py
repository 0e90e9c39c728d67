"""`manage.py demo`: made-up people, a week of consultation hours, and one that is open right now."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from chat.queue import opening_of
from klikvoor.demo import keep_colleagues_present
from klikvoor.demo.examples import bring_in_examples
from klikvoor.demo.letters import bring_in_letters
from klikvoor.demo.people import bring_in
from klikvoor.demo.plan import make_plan
from klikvoor.demo.quarter import fill_quarter
from klikvoor.demo.replies import bring_in_replies
from triage.models import Questionnaire


class Command(BaseCommand):
    help = "Fill a demonstration. Runs at every start; what is there already stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--quarter",
            action="store_true",
            help="In its real size: 36 institutions, a quarter of hours, and letters.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "This is no demonstration: made-up people are only brought in with DEMO=1."
            )
        now = timezone.now()
        cast = bring_in()
        if options["quarter"]:
            fill_quarter(cast, now)
        make_plan(cast, now)
        if options["quarter"]:
            bring_in_letters(cast, now)
        bring_in_replies()
        Questionnaire.publish_default(cast.brand)
        bring_in_examples(cast.brand)
        keep_colleagues_present(now)
        if options["verbosity"]:
            until = opening_of(cast.line, now).until
            end = f"{until.astimezone(cast.line.zone):%H:%M}" if until else "?"
            self.stdout.write(f"The demonstration is filled; the chat is open until {end}.")
