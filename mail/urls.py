"""Stopping mail, for young people; and the mail that could not be delivered, for coordinators."""

from django.urls import path

from mail import views

urlpatterns = [
    path("mail/stop/<str:token>/", views.stop_mail, name="stop_mail"),
    path("staff/mail/", views.undelivered, name="undelivered"),
    path("staff/mail/<slug:kind>/<int:pk>/again/", views.send_again, name="send_again"),
]
