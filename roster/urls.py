"""Addresses of the roster, under /roster/. Names begin with `roster_`.

/roster/today/ is chat's, because it shows the queue too.
"""

from django.urls import path

from roster.views import availability, feed, hour, mine, mine_deeds, my_hours, week

urlpatterns = [
    # What everybody on the staff may look at.
    path("week/", week.week, name="roster_week"),
    path("month/", week.month, name="roster_month"),
    path("gaps/", week.gaps, name="roster_gaps"),
    path("hours/<int:pk>/", hour.hour, name="roster_hour"),
    # A worker's own pages.
    path("mine/", mine.my_duties, name="roster_mine"),
    path("mine/duties/<int:pk>/", mine.my_duty, name="roster_my_duty"),
    path("mine/duties/<int:pk>/<slug:deed>/", mine_deeds.do_duty, name="roster_do_duty"),
    path("mine/requests/<int:pk>/<slug:deed>/", mine_deeds.do_request, name="roster_do_request"),
    path("mine/free/", mine.free, name="roster_free"),
    path("mine/free/<int:pk>/take/", mine_deeds.take, name="roster_take"),
    path("mine/free/<int:pk>/step-in/", mine_deeds.step_in, name="roster_step_in"),
    path("mine/hours/", my_hours.my_hours, name="roster_my_hours"),
    path("mine/hours/<int:pk>/claim/", mine_deeds.claim_hours, name="roster_claim_hours"),
    path("availability/", availability.availability, name="roster_availability"),
    path("feed/", feed.feed, name="roster_feed"),
    path("feed/<str:token>.ics", feed.feed_ics, name="roster_feed_ics"),
    # The planning pages of the platform's coordinators.
]
