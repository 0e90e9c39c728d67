"""The ASGI application: pages by Django, sockets by the consumers of chat, health before both.

Plain ASGI without anything of Daphne, so that another server can carry it (docs/decisions/0002).
`manage.py serve` starts the hub, the writer and the watch beside it; under another server they
start with the first connection.
"""

import asyncio
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings

from chat.process import start
from chat.routing import websocket_urlpatterns
from klikvoor import monitoring
from klikvoor.pulse import pulse

# Full origins: the check for hosts alone would take plain http for the same host.
sockets = OriginValidator(URLRouter(websocket_urlpatterns), settings.ORIGINS)


async def application(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.get_running_loop()
    start(loop)
    pulse.start(loop)
    if scope["type"] == "websocket":
        try:
            await sockets(scope, receive, send)
        except ValueError:  # no such path: refuse the handshake instead of failing
            await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        if scope["path"] in monitoring.PATHS:
            await monitoring.asgi(scope, receive, send)
        else:
            await pages(scope, receive, send)
