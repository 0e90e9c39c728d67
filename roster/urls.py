"""Addresses of the roster, under /roster/. Names begin with `roster_`.

/roster/today/ is chat's, because it shows the queue too.
"""

from django.urls import path

from roster.views import hour, week

urlpatterns = [
    # What everybody on the staff may look at.
    path("week/", week.week, name="roster_week"),
    path("month/", week.month, name="roster_month"),
    path("gaps/", week.gaps, name="roster_gaps"),
    path("hours/<int:pk>/", hour.hour, name="roster_hour"),
    # A worker's own pages.
    # The planning pages of the platform's coordinators.
]
