"""Opened data keys of the conversations that this process is busy with.

Opening one costs a query and an unwrap; a live conversation needs it for every message. Entries
leave when others push them out and at the latest after an hour, so that an erased conversation is
soon unreadable here as well.
"""

import threading
import time
from collections import OrderedDict

from institutions.sealing import DataKey

SIZE = 20_000
LIFE = 3600.0


class DataKeys:
    """A thread-safe map of conversation to opened data key, least recently used out first."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, tuple[float, DataKey]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, conversation: str) -> DataKey | None:
        """Return the key if it is here; asks no database, so it may be called on the event loop."""
        with self._lock:
            entry = self._keys.get(conversation)
            if entry is None or time.monotonic() - entry[0] > LIFE:
                self._keys.pop(conversation, None)
                return None
            self._keys.move_to_end(conversation)
            return entry[1]

    def open(self, conversation: str) -> DataKey:
        """Return the key, from the database if needed. Raises ConversationKey.DoesNotExist."""
        from chat.models import ConversationKey

        if key := self.known(conversation):
            return key
        key = ConversationKey.objects.get(pk=conversation).open()
        with self._lock:
            self._keys[conversation] = (time.monotonic(), key)
            if len(self._keys) > SIZE:
                self._keys.popitem(last=False)
        return key

    def forget(self, conversation: str) -> None:
        with self._lock:
            self._keys.pop(conversation, None)

    def forget_all(self) -> None:
        with self._lock:
            self._keys.clear()


data_keys = DataKeys()
