"""Seven words that bring a young person back, in any browser."""

import hashlib
import hmac
import secrets

from django.db import models, transaction
from django.utils import timezone

from chat import return_words
from chat.models.visitor import Visitor
from institutions.sealing import DataKey, SealBroken, keyed_hash


class ReturnCode(models.Model):
    """Leads to a visitor's letters and chats. Of the words only a keyed hash is kept.

    While the visit lasts its browser may see them again: beside the hash they are sealed under the
    token in its cookie, which we do not have. Without that cookie nobody can open them, with all
    of our keys, and they go when the visit ends.
    """

    visitor = models.OneToOneField(
        Visitor, on_delete=models.CASCADE, primary_key=True, related_name="return_code"
    )
    words_hash = models.CharField(max_length=64, unique=True)
    sealed_words = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"return code of {self.visitor_id}"

    @classmethod
    def make(cls, visitor: Visitor, token: str) -> str:
        """Return a new code, seven words with spaces between them; one before it leads nowhere."""
        words = " ".join(secrets.choice(return_words.words()) for _ in range(return_words.COUNT))
        cls.objects.update_or_create(
            visitor=visitor,
            defaults={
                "words_hash": keyed_hash("return code", words),
                "sealed_words": _key(token).seal(words, visitor.pk, "return code"),
                "created_at": timezone.now(),
            },
        )
        return words

    @classmethod
    def of(cls, visitor: Visitor, token: str) -> str:
        """Return the code of this visit: the one it has, or a new one if it cannot be shown."""
        with transaction.atomic():
            Visitor.objects.select_for_update(no_key=True).get(pk=visitor.pk)
            code = cls.objects.filter(visitor=visitor).first()
            words = code.words(token) if code else ""
            return words or cls.make(visitor, token)

    @classmethod
    def find(cls, text: str) -> "tuple[Visitor, str] | None":
        """Return who this code leads to, and its words; None when it leads to nobody.

        One code is looked up, whatever was typed. Raises NotAWord when that cannot be one.
        """
        words = " ".join(return_words.read(text))
        found = cls.objects.filter(words_hash=keyed_hash("return code", words))
        code = found.select_related("visitor__brand").first()
        return (code.visitor, words) if code else None

    def words(self, token: str) -> str:
        """The words, for the browser with this token; empty when they cannot be shown."""
        if self.sealed_words is None or not token:
            return ""
        try:
            return _key(token).unseal(self.sealed_words, self.visitor_id, "return code")
        except SealBroken:
            return ""

    def come_back(self, words: str) -> str:
        """Return the token of a new visit, which may see the words too. The visit before it ends."""
        with transaction.atomic():
            token = self.visitor.come_back()
            sealed = _key(token).seal(words, self.visitor_id, "return code")
            ReturnCode.objects.filter(pk=self.pk).update(sealed_words=sealed)
        return token


def _key(token: str) -> DataKey:
    return DataKey(hmac.digest(token.encode(), b"klikvoor:return code", hashlib.sha256))
