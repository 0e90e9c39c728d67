"""The two sockets."""

from django.urls import path

from chat.consumers import VisitorConsumer, WorkerConsumer

websocket_urlpatterns = [
    path("ws/visit/", VisitorConsumer.as_asgi()),
    path("ws/desk/", WorkerConsumer.as_asgi()),
]
