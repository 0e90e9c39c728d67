"""Addresses of the roster, under /roster/. Names begin with `roster_`.

/roster/today/ is chat's, because it shows the queue too.
"""

from django.urls import path

from roster.views import availability, feed, week

urlpatterns = [
    # What everybody on the staff may look at.
    path("week/", week.week, name="roster_week"),
    # A worker's own pages.
    path("availability/", availability.availability, name="roster_availability"),
    path("feed/", feed.feed, name="roster_feed"),
    path("feed/<str:token>.ics", feed.feed_ics, name="roster_feed_ics"),
    # The planning pages of the platform's coordinators.
]
