"""What the tests with bad input share."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from klikvoor.logs import Handler, LineFormatter


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that would be written, as the site writes it."""
    written = StringIO()
    handler = Handler(written)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
