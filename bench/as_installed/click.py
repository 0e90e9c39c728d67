"""Not here, as in an installation: only uvicorn brings click, which comes with the tests.

Where it is, autobahn paints the names in every frame's log line, although nobody reads that log: a
tenth of all work that would be measured and that nobody has who runs Klikvoor.
"""

raise ImportError("click is not installed")
