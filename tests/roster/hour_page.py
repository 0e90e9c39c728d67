"""The page of an hour, as tests open and press it."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from institutions.models import User
from roster.models import ConsultationHour, ServiceLine
from tests.people import sign_in


def soon(line: ServiceLine) -> ConsultationHour:
    """An hour of the day after tomorrow, in no period, with three seats that nobody owes."""
    start = (timezone.now() + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    return ConsultationHour.plan_extra(
        line, start, start + timedelta(hours=2), min_staff=1, target_staff=2, max_staff=3
    )


def page(person: User, hour: ConsultationHour, **query: object) -> str:
    response = sign_in(person).get(f"/roster/hours/{hour.pk}/", query)
    assert response.status_code == 200
    return response.content.decode()


def press(person: User, hour: ConsultationHour, action: str, **data: Any) -> HttpResponse:
    """Press a button of the page, and follow to the page that says what came of it."""
    address = f"/roster/hours/{hour.pk}/"
    return sign_in(person).post(address, {"action": action, **data}, follow=True)


def said(response: HttpResponse, text: str) -> None:
    assert response.status_code == 200
    assert text in response.content.decode()


def on_duty(hour: ConsultationHour) -> list[User]:
    return [duty.worker for duty in hour.duties.active().select_related("worker")]
