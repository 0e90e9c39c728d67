"""Every address of the site. A new one also needs a row in tests/klikvoor/test_permissions.py."""

from django.urls import include, path

urlpatterns = [
    path("", include("mail.urls")),
    path("", include("triage.urls")),
    path("", include("chat.urls")),
    path("roster/", include("roster.urls")),
    path("staff/", include("institutions.urls")),
    path("accounts/", include("institutions.accounts_urls")),
]
