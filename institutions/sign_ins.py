"""What is kept of a sign-in of staff: when, and a word for the device. Never an address.

docs/decisions/0004-staff-sign-ins.md says why.
"""

import re
from typing import Any

NO_ADDRESS = "0.0.0.0"  # noqa: S104  (the column wants an address; this one says nothing)

# The first that fits; browsers name each other, so the order matters.
BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(Firefox|FxiOS)/"),
    ("Chrome", r"(Chrome|CriOS|Chromium)/"),
    ("Safari", r"Safari/"),
)
SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("Mac", r"Mac OS X|Macintosh"),
    ("Chromebook", r"CrOS"),
    ("Linux", r"Linux"),
)


def device(user_agent: str) -> str:
    """Return two words that help somebody recognise their own device: "Firefox · Windows"."""
    words = (
        next((name for name, pattern in names if re.search(pattern, user_agent)), "")
        for names in (BROWSERS, SYSTEMS)
    )
    return " · ".join(word for word in words if word)


def keep_little(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Before allauth stores a sign-in: no address, and two words instead of the user agent."""
    instance.ip = NO_ADDRESS
    if " · " not in instance.user_agent:
        instance.user_agent = device(instance.user_agent)
