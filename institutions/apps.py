from django.apps import AppConfig
from django.db.models.signals import pre_save


class InstitutionsConfig(AppConfig):
    name = "institutions"
    verbose_name = "Institutions and their staff"

    def ready(self) -> None:
        from allauth.usersessions.models import UserSession

        from institutions.sign_ins import keep_little

        # A signal, because the code that stores is allauth's and this is the last door before it.
        pre_save.connect(keep_little, sender=UserSession, dispatch_uid="keep_little")
