from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RosterConfig(AppConfig):
    name = "roster"
    verbose_name = "Duty roster"

    def ready(self) -> None:
        from roster.guards import after_migrate

        post_migrate.connect(after_migrate, sender=self, dispatch_uid="roster.guards")
