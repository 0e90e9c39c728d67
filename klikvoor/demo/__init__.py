"""What only a demonstration has: made-up people, and colleagues who keep the desk open.

`people.py` who, `plan.py` when, `replies.py` ready sentences, `colleagues.py` presence without a
person, `letters.py` letters, `quarter.py` (and `names.py`, `mail.py`) all of it in its real size. `manage.py demo` brings it in, at every start; nothing here runs unless DEMO is on.
"""

from klikvoor.demo.colleagues import keep_colleagues_present

__all__ = ["keep_colleagues_present"]
