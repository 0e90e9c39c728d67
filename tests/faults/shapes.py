"""The shapes in which a site is tried, by the name that `--shape` takes."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.failover import AsyncFailOver, FailOver
from tests.faults.proxied import Proxied
from tests.faults.site import Embedded, Scaled, Site

SHAPES: dict[str, Callable[[Path], Site]] = {
    shape.name: shape for shape in (Embedded, Scaled, Proxied, FailOver, AsyncFailOver)
}
