"""The ASGI application: pages by Django, sockets by the consumers of chat."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

application = pages
