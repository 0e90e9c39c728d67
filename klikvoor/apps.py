from django.apps import AppConfig


class KlikvoorConfig(AppConfig):
    name = "klikvoor"
    verbose_name = "Klikvoor"

    def ready(self) -> None:
        from klikvoor import startup  # noqa: F401  registers the deployment checks
