"""Addresses of the roster, under /roster/. Names begin with `roster_`.

/roster/today/ is chat's, because it shows the queue too.
"""

from django.urls import path

from roster.views import (
    agreements,
    availability,
    corrections,
    costs,
    days,
    exceptions,
    feed,
    hour,
    ledger,
    letters,
    mine,
    mine_deeds,
    my_hours,
    periods,
    proposals,
    rules,
    week,
)

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
    # The planning pages of the platform's coordinators; tasks are every coordinator's.
    path("agreements/", agreements.agreements, name="roster_agreements"),
    path("tasks/", agreements.tasks, name="roster_tasks"),
    path("rules/", rules.rules, name="roster_rules"),
    path("rules/<int:pk>/", rules.rule, name="roster_rule"),
    path("exceptions/", exceptions.exceptions, name="roster_exceptions"),
    path("exceptions/days/", days.days, name="roster_days"),
    path("exceptions/holidays/", exceptions.suggest_holidays, name="roster_suggest_holidays"),
    path(
        "exceptions/<int:pk>/<slug:deed>/",
        exceptions.change_exception,
        name="roster_change_exception",
    ),
    path("periods/", periods.periods, name="roster_periods"),
    path("periods/<int:pk>/", periods.period, name="roster_period"),
    path("periods/<int:pk>/shares/", periods.shares, name="roster_shares"),
    path("periods/<int:pk>/carry/", periods.carry, name="roster_carry"),
    path("periods/<int:pk>/deal/", periods.deal, name="roster_deal"),
    path("periods/<int:pk>/proposal/", proposals.proposals, name="roster_proposals"),
    path(
        "periods/<int:pk>/proposal/<int:line>/",
        proposals.proposal_line,
        name="roster_proposal_line",
    ),
    path("periods/<int:pk>/publish/", periods.publish, name="roster_publish"),
    path("periods/<int:pk>/move/<slug:deed>/", periods.move_period, name="roster_move_period"),
    path("letters/", letters.letters, name="roster_letters"),
    path("costs/", costs.costs, name="roster_costs"),
    path("costs/<int:pk>/", costs.cost_run, name="roster_cost_run"),
    path("costs/<int:pk>/<slug:form>/", costs.export_costs, name="roster_export_costs"),
    # What coordinators of institutions see too, of their own.
    path("ledger/", ledger.ledger, name="roster_ledger"),
    path("ledger/post/", ledger.post_entry, name="roster_post_entry"),
    path("ledger/<int:pk>/reverse/", ledger.reverse_entry, name="roster_reverse_entry"),
    path("ledger/<slug:what>/<slug:form>/", ledger.export, name="roster_export"),
    path("corrections/", corrections.corrections, name="roster_corrections"),
    path("corrections/<int:pk>/", corrections.decide, name="roster_decide"),
]
