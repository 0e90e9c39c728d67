"""Every address of the site. A new one also needs a row in tests/klikvoor/test_permissions.py."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
]
