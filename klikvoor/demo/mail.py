"""Where mail of the demonstration goes."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends import filebased

from klikvoor.demo.names import is_of_crowd


class EmailBackend(filebased.EmailBackend):
    """Writes mails to files, except to people whom nobody can be: they fill every digest."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        read = [one for one in email_messages if not all(map(is_of_crowd, one.to))]
        if read:
            super().send_messages(read)
        return len(email_messages)
