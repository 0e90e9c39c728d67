"""Addresses of the chat."""

from django.urls import path

from chat import desk_page, today, views

urlpatterns = [
    path("visit/frames/", views.visit_frames, name="visit_frames"),
    path("desk/", desk_page.desk, name="desk"),
    path("roster/today/", today.today, name="today"),
    path("desk/frames/", views.desk_frames, name="desk_frames"),
]
