"""Addresses of the roster, under /roster/. Names begin with `roster_`.

/roster/today/ is chat's, because it shows the queue too.
"""

from django.urls import path

from roster.views import (
    corrections,
    costs,
    days,
    exceptions,
    ledger,
    periods,
    proposals,
    rules,
    week,
)

urlpatterns = [
    # What everybody on the staff may look at.
    path("week/", week.week, name="roster_week"),
    # A worker's own pages.
    # The planning pages of the platform's coordinators.
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
