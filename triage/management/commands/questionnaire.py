"""`manage.py questionnaire export|import HOST`: the questions of a site as one YAML file."""

import sys
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import translation

from institutions.access import staff_of
from institutions.models import Brand, User
from triage import exchange
from triage.drafts import DraftRefused, QuestionnaireDraft
from triage.models import Questionnaire


class Command(BaseCommand):
    help = (
        "Write the published questions of a site to the output, or make a draft of a file. "
        "Nothing is ever published from here."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        out = deeds.add_parser("export", help="The published version; --number for an older one.")
        out.add_argument("host", help="The address of the site, as in Sites.")
        out.add_argument("--number", type=int, help="The number of an older version.")
        back = deeds.add_parser("import", help="Make a draft of a file ('-' reads the input).")
        back.add_argument("host", help="The address of the site, as in Sites.")
        back.add_argument("file")
        back.add_argument("--by", required=True, help="E-mail address of the coordinator.")

    def handle(self, *args: Any, **options: Any) -> None:
        brand = Brand.objects.filter(host=options["host"].lower()).first()
        if brand is None:
            raise CommandError(f"There is no site with the address {options['host']}.")
        with translation.override("nl"):
            if options["deed"] == "export":
                self.stdout.write(self.exported(brand, options["number"]), ending="")
            else:
                self.bring_in(brand, options["file"], options["by"])

    def exported(self, brand: Brand, number: int | None) -> str:
        if number is None:
            return exchange.write(Questionnaire.current(brand).data)
        found = Questionnaire.objects.filter(brand=brand, version=number).first()
        if found is None:
            raise CommandError(f"There is no version {number}.")
        return exchange.write(found.data)

    def bring_in(self, brand: Brand, file: str, email: str) -> None:
        user = User.objects.filter(email__iexact=email).first()
        staff = staff_of(user) if user else None
        if staff is None or not Brand.objects.coordinated_by(staff).filter(pk=brand.pk).exists():
            raise CommandError(f"{email} does not keep the questions of this site.")
        try:
            limit = exchange.MAX_BYTES + 1
            if file == "-":
                content = sys.stdin.buffer.read(limit)
            else:
                with Path(file).open("rb") as opened:
                    content = opened.read(limit)
            QuestionnaireDraft.start(brand, staff, exchange.read(content))
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from None
        except exchange.Unreadable as unreadable:
            raise CommandError("\n".join(unreadable.told)) from None
        except DraftRefused:
            raise CommandError("There is a draft already; publish or discard it first.") from None
        self.stdout.write("The file is a draft now. Look at it and publish it under Vragenlijst.")
