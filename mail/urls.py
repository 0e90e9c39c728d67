"""Stopping mail, for young people; what came by mail, for workers; what could not go, for coordinators."""

from django.urls import path

from mail import views

urlpatterns = [
    path("mail/stop/<str:token>/", views.stop_mail, name="stop_mail"),
    path("desk/letters/<str:pk>/mail/<int:seq>/", views.letter_mail, name="letter_mail"),
    path("staff/mail/", views.undelivered, name="undelivered"),
    path("staff/mail/<slug:kind>/<int:pk>/again/", views.send_again, name="send_again"),
]
