"""The two sockets."""

from typing import Any

from django.urls import path

from chat.consumers import VisitorConsumer, WorkerConsumer

# Channels routes ASGI applications with Django's `path`, whose types know views only.
visit: Any = VisitorConsumer.as_asgi()
desk: Any = WorkerConsumer.as_asgi()

websocket_urlpatterns: list[Any] = [path("ws/visit/", visit), path("ws/desk/", desk)]
