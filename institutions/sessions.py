"""Sessions of staff: as Django keeps them, but for one thing."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """A session in the database that can keep its key where Django would give it another."""

    keeps_key = False

    def cycle_key(self) -> None:
        if self.keeps_key:
            self.modified = True
        else:
            super().cycle_key()
