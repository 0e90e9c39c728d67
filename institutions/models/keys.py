"""Proof in the database that this process holds the keys with which it was written."""

from django.db import models

from institutions.sealing import (
    KeyMissing,
    SealBroken,
    keyed_hash,
    keyring,
    seal_secret,
    unseal_secret,
)

PURPOSE = "key check"
HASHING = "hashing"


class KeyCheck(models.Model):
    """A known value under one key: with another key of the same name it does not open."""

    # The name of a sealing key, or "hashing" for the HASHING_KEY.
    name = models.CharField(max_length=16, primary_key=True)
    proof = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def prove(cls) -> list[str]:
        """Return the names of keys that are not the ones that wrote here; empty when all are well.

        The first start with a new key writes its proof down.
        """
        newest = next(iter(keyring()))
        for name, proof in (
            (newest, seal_secret(newest, PURPOSE)),
            (HASHING, keyed_hash(PURPOSE, HASHING)),
        ):
            cls.objects.get_or_create(name=name, defaults={"proof": proof})
        return [check.name for check in cls.objects.order_by("name") if not check.holds()]

    def holds(self) -> bool:
        """Whether our key of this name opens the proof; a key that we no longer have holds."""
        if self.name == HASHING:
            return self.proof == keyed_hash(PURPOSE, HASHING)
        try:
            return unseal_secret(self.proof, PURPOSE) == self.name
        except KeyMissing:
            return True
        except SealBroken:
            return False
