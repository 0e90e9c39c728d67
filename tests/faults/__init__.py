"""The delivery contract under faults: load, nemesis, and a checker over what everybody remembers.

`make faults` runs it (`SECONDS=`, `SEED=`, `SHAPE=embedded|scaled`); docs/reliability.md explains it.
"""
