import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.yardsticks.conventional.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from bench.yardsticks.conventional.consumers import ChatConsumer

sockets = URLRouter([path("ws/<str:conversation>/<str:author>/", ChatConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": pages, "websocket": AllowedHostsOriginValidator(sockets)})
