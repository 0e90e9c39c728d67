"""Addresses of the chat."""

from django.urls import path

from chat import desk_page, letter_figures, letter_page, queue_page, replies, today, views

urlpatterns = [
    path("visit/frames/", views.visit_frames, name="visit_frames"),
    path("desk/", desk_page.desk, name="desk"),
    path("roster/today/", today.today, name="today"),
    path("desk/replies/", replies.replies, name="replies"),
    path("desk/replies/new/", replies.reply, name="new_reply"),
    path("desk/replies/<int:pk>/", replies.reply, name="reply"),
    path("staff/queue/<int:pk>/", queue_page.queue_rules, name="queue_rules"),
    path("desk/letters/", letter_page.letters, name="letters"),
    path("desk/letters/figures/", letter_figures.figures, name="letter_figures"),
    path("desk/letters/<str:pk>/", letter_page.letter, name="letter"),
    path("desk/letters/<str:pk>/draft/", letter_page.letter_draft, name="letter_draft"),
    path("desk/letters/<str:pk>/<slug:deed>/", letter_page.do_letter, name="do_letter"),
    path("desk/frames/", views.desk_frames, name="desk_frames"),
]
