"""What do own words point to? Phrases of a word list, found in what somebody wrote.

Young people type fast, and not as in a dictionary. So both sides are written the same, simple way
before they are compared (`sounds`): ij as ei, z as s, d as t at the end of a word, one letter where
three are typed. Words may be glued together or cut in two, a long word may have one typing error, and
small words may stand in between ("wil echt dood").

What is denied does not count, and neither is what stands in a title ("een spreekbeurt over"), but only
when that is clear: when in doubt, it counts. Every sentence is read on its own, so nothing that is
written besides takes away what was found. Pure functions; all they know is in this file and in the
list that they are given.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

TOKEN = re.compile(r"(?P<word>[^\W_]+(?:['’‘`´@$0-9][^\W_]+)*)|(?P<line>\n)|(?P<end>[.!?…;]+(?=\s|$))|(?P<mark>[,:()\"“”])")  # fmt: skip
# Digits and signs that stand for letters inside a word: "d00d", "zelfm0ord".
LEET = str.maketrans("013457@$", "oieastas")
SPELLING = tuple(
    pair.split(">") for pair in ["ij>y", "ei>y", "au>ou", "ch>g", "ck>k", "z>s", "v>f"]
)
TWICE = re.compile(r"(.)\1+")
# Two words, or other spellings of one, as `sounds` writes them.
SAME = {
    "nie": "niet", "ni": "niet", "nit": "niet", "neit": "niet", "nt": "niet",
    "nimer": "niet mer", "niemer": "niet mer", "nietmer": "niet mer",
    "mn": "myn", "myself": "meself", "meselfe": "meself", "meseluf": "meself",
    "wl": "wil", "ekt": "egt",
    "wana": "want to", "gona": "going to", "dnt": "dont", "didn": "didnt",
    "k": "ik", "lewe": "lefe", "levu": "lefe",
}  # fmt: skip
JOINED = {
    ("me", "self"): "meself",
    ("my", "self"): "meself",
    ("do", "niet"): "dont",
    ("do", "not"): "dont",
}
# May stand between the words of a phrase, and change nothing of it.
FILLERS = (
    "echt gewoon gwn nu soms eigenlijk liever het liefst maar zo heel graag alleen toch ook wel even "
    "weer altijd nog steeds ff kk kanker tering kut so just really rly fucking fking kinda sometimes "
    "always even actually also literally gladly rather only ever still again zelf helemaal"
)
MOST_FILLERS = 3
DENIALS = (
    "niet geen nooit zonder not no never dont doesnt didnt isnt wasnt arent without nothing niks"
)
# May stand between a denial and what it denies. "Ik weet niet of ik nog wil leven" denies nothing.
BETWEEN = (
    "aan over van de het een plannen plan gedachten gedachte voor om te op of echt about any a the to "
    "really thoughts thought thinking plans going want wil serieus"
)
# After "hij slaat me" a denial may follow; what comes then shows that the sentence is over.
AFTER_DENIAL = "hoor gelukkig ofzo he echt luckily though anymore"
# Something for school, or a story: what it is about is not about the writer.
TITLES = (
    "spreekbeurt werkstuk presentatie verslag boekverslag project pws profielwerkstuk les lessen "
    "opdracht toets betoog huiswerk boek film serie documentaire presentation report essay class "
    "lesson exam assignment homework book movie series show documentary"
)
ABOUT = "over waarin waar met van about on of with where that"
MOST_ABOUT = 4
# So many words around a phrase are looked at.
MOST_AROUND = 12
# "Een werkstuk maken over", "my essay is about".
MAKING = (
    "maken doen houden schrijven geven lezen zien kijken is was gaat ging make write do give read"
)
SELF = "ik me mijn my mezelf i im we wij ons"
# What is glued to a phrase: "ikwildood", "wildoodgaan".
GLUED = (
    "ik i k en maar want dat omdat je he wil wou ben moet me u im so and dus zijn gaan hoor man bro"
)
MOST_GLUE = 24
# So many letters must a word have for a typing error in it to be seen, and a phrase to be glued.
LONG = 8
GLUABLE = 6


@dataclass(frozen=True)
class Word:
    """A word of the text, where it stands, and how it sounds; or a mark, which sounds like nothing."""

    start: int
    end: int
    base: str = ""
    sound: str = ""
    mark: str = ""


def base_of(word: str) -> str:
    """The word as it is typed by somebody who spells simply."""
    word = unicodedata.normalize("NFKD", word.lower())
    if word == "mij":  # else it would sound like the English "my"
        return "me"
    if not word.isalpha() and any(letter.isalpha() for letter in word):
        word = word.translate(LEET)
    word = "".join(letter for letter in word if letter.isalnum())
    for written, simple in SPELLING:
        word = word.replace(written, simple)
    return TWICE.sub(r"\1", word)


def sound_of(base: str) -> str:
    """How the word sounds: no n after e, and t for d, at its end."""
    if len(base) > 3 and base.endswith("en"):
        base = base[:-1]
    sound = re.sub(r"(?:dt|d)$", "t", base)
    return SAME.get(sound, sound)


def sounds(text: str) -> frozenset[str]:
    return frozenset(sound_of(base_of(word)) for word in text.split())


_FILLERS, _DENIALS, _BETWEEN, _AFTER, _TITLES, _MAKING, _ABOUT, _SELF = map(
    sounds, (FILLERS, DENIALS, BETWEEN, AFTER_DENIAL, TITLES, MAKING, ABOUT, SELF)
)
_WILL = sounds("wil wilde wou ga")
_GLUED = frozenset(base_of(word) for word in GLUED.split())


class Text:
    """What somebody wrote, cut into words once for all lists."""

    def __init__(self, written: str) -> None:
        self.written = written
        self.words = read(written)
        # What lists found in it: another version of a questionnaire mostly has the same ones.
        self.found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}

    def quote(self, first: int, last: int) -> str:
        return " ".join(self.written[self.words[first].start : self.words[last].end].split())


def read(text: str) -> list[Word]:
    """Cut a text into words and marks."""
    words: list[Word] = []
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "word":
            words.append(Word(match.start(), match.end(), mark=kind))
            continue
        base = base_of(match.group())
        words += [Word(match.start(), match.end(), base, sound) for sound in sound_of(base).split()]
    joined: list[Word] = []
    for word in words:
        pair = (joined[-1].sound, word.sound) if joined else ("", "")
        if pair in JOINED:
            first = joined.pop()
            word = Word(first.start, word.end, first.base + word.base, JOINED[pair])
        joined.append(word)
    return joined


@dataclass(frozen=True)
class Phrase:
    """One entry of a word list. `goes_on`: its last word is the beginning of one ("snij*")."""

    sounds: tuple[str, ...]
    bases: tuple[str, ...]
    goes_on: bool

    @cached_property
    def together(self) -> str:
        return "".join(self.bases)

    @cached_property
    def seams(self) -> frozenset[int]:
        """Where a word ends in it, when it is written together."""
        return frozenset(accumulate(map(len, self.bases[:-1])))

    @cached_property
    def names_self(self) -> bool:
        return not _SELF.isdisjoint(self.sounds)

    def fits(self, number: int, word: Word) -> bool:
        """Can this be the word at that place of the phrase?"""
        if word.sound == self.sounds[number]:
            return True
        base, written = self.bases[number], word.base
        if self.goes_on and number == len(self.sounds) - 1:
            written = written[: len(base)]
            if sound_end(written) == sound_end(base):
                return True
        return len(base) >= LONG and is_typo(written, base)


def sound_end(base: str) -> str:
    """The beginning of a word, with t for d at its end."""
    return base[:-1] + "t" if base.endswith("d") else base


@lru_cache(maxsize=4096)
def phrase(text: str) -> Phrase:
    words = read(text.removesuffix("*"))
    return Phrase(
        tuple(word.sound for word in words), tuple(word.base for word in words), text.endswith("*")
    )


def is_typo(written: str, meant: str) -> bool:
    """One letter too many, too few, another, or two that changed places; the first one is right."""
    if not written or written[0] != meant[0] or abs(len(written) - len(meant)) > 1:
        return False
    at = next(
        (place for place, (a, b) in enumerate(zip(written, meant, strict=False)) if a != b),
        min(len(written), len(meant)),
    )
    rest, other = written[at:], meant[at:]
    return (
        rest[1:] == other
        or rest == other[1:]
        or rest[1:] == other[1:]
        or (rest[:2] == other[1::-1] and len(other) > 1 and rest[2:] == other[2:])
    )


class List:
    """The phrases of a word list, by what they can begin with: most texts say none of them."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self.phrases = [one for one in map(phrase, phrases) if one.sounds]
        self.by_sound: dict[str, list[Phrase]] = {}
        # Those whose first word need not sound the same: it has a typing error, or goes on.
        self.by_letter: dict[str, list[Phrase]] = {}
        for one in self.phrases:
            self.by_sound.setdefault(one.sounds[0], []).append(one)
            if len(one.bases[0]) >= LONG or (one.goes_on and len(one.bases) == 1):
                self.by_letter.setdefault(one.bases[0][0], []).append(one)
        self.gluable = [one for one in self.phrases if len("".join(one.bases)) >= GLUABLE]

    def spans(self, words: Sequence[Word]) -> Iterator[tuple[int, int, Phrase]]:
        """First and last word of each place where a phrase is said."""
        for first, word in enumerate(words):
            if word.mark:
                continue
            for one in self.by_sound.get(word.sound, ()):
                if (last := ends_at(words, first, one)) is not None:
                    yield first, last, one
            for one in self.by_letter.get(word.base[:1], ()):
                if one.fits(0, word) and (last := ends_at(words, first, one)) is not None:
                    yield first, last, one
        for stretch in stretches(words):
            for one in self.gluable:
                for first, last in stretch.glued(one):
                    yield first, last, one


@lru_cache(maxsize=256)
def listed(phrases: tuple[str, ...]) -> List:
    return List(phrases)


def found_in(text: str | Text, phrases: Sequence[str], exceptions: Sequence[str] = ()) -> list[str]:
    """Return what the text says of these phrases, as it was written, each once, in order."""
    text = Text(text) if isinstance(text, str) else text
    asked = (tuple(phrases), tuple(exceptions))
    if asked not in text.found:
        text.found[asked] = _found_in(text, *asked)
    return text.found[asked]


def _found_in(text: Text, phrases: tuple[str, ...], exceptions: tuple[str, ...]) -> list[str]:
    words = text.words
    said = list(listed(phrases).spans(words))
    if not said:
        return []
    excepted = [
        (first, last)
        for first, last, _one in listed(exceptions).spans(words)
        # What is on another line takes nothing away.
        if not any(word.mark for word in words[first:last])
    ]
    found = {}
    for first, last, one in said:
        if any(start <= first and last <= end for start, end in excepted):
            continue
        if is_denied(words, first, last, one) or is_title(words, first, one):
            continue
        found[first, last] = text.quote(first, last)
    return list(dict.fromkeys(written for _place, written in sorted(found.items())))


def ends_at(words: Sequence[Word], first: int, one: Phrase) -> int | None:
    """The last word of the phrase that begins here, over small words and line ends; None: it does not."""
    at = first
    for number in range(1, len(one.sounds)):
        small = 0
        while True:
            at += 1
            if at >= len(words):
                return None
            word = words[at]
            if word.mark == "line":
                continue
            if word.mark:
                return None
            if one.fits(number, word):
                break
            small += 1
            if word.sound not in _FILLERS or small > MOST_FILLERS:
                return None
    return at


@dataclass(frozen=True)
class Stretch:
    """Words that no mark divides, written together; `starts` is where each begins, and the end."""

    begin: int
    text: str
    starts: tuple[int, ...]

    def glued(self, one: Phrase) -> Iterator[tuple[int, int]]:
        """Where the phrase is said in words that are written together, or in one that is cut in two."""
        wanted = one.together
        stem = wanted[:-1] if wanted[-1] in "dt" else wanted
        at = self.text.find(stem)
        while at >= 0:
            stop = at + len(wanted)
            if stem == wanted or self.text[stop - 1 : stop] in ("d", "t"):
                span = self._words_at(at, stop, one)
                if span:
                    yield self.begin + span[0], self.begin + span[1]
            at = self.text.find(stem, at + 1)

    def _words_at(self, at: int, stop: int, one: Phrase) -> tuple[int, int] | None:
        first = bisect_right(self.starts, at) - 1
        last = bisect_right(self.starts, stop - 1) - 1
        cuts = {start - at for start in self.starts[first + 1 : last + 1]}
        # Words may be written together, but where they are apart must be where the phrase is; one
        # long word may be cut.
        if cuts and len(one.bases) > 1 and not cuts <= one.seams:
            return None
        before = self.text[self.starts[first] : at]
        after = self.text[stop : self.starts[last + 1]]
        if is_glue(before) and (one.goes_on or is_glue(after)):
            return first, last
        return None


def is_glue(text: str) -> bool:
    """Is this nothing, or a few small words written together?"""
    if len(text) > MOST_GLUE:
        return False
    ends = [True]
    for end in range(1, len(text) + 1):
        ends.append(any(ends[start] and text[start:end] in _GLUED for start in range(end)))
    return ends[-1]


def stretches(words: Sequence[Word]) -> Iterator[Stretch]:
    """What is between two marks."""
    begin = 0
    for number in range(len(words) + 1):
        if number < len(words) and not words[number].mark:
            continue
        if number > begin:
            bases = [word.base for word in words[begin:number]]
            starts = tuple(accumulate(map(len, bases), initial=0))
            yield Stretch(begin, "".join(bases), starts)
        begin = number + 1


def is_denied(words: Sequence[Word], first: int, last: int, one: Phrase) -> bool:
    """Does a denial stand right before it, or, after "hij slaat me", right behind it?"""
    # "Ik trek het niet wil dood": who leaves out the comma denies the first half only.
    for number in range(first - 1, -1, -1) if one.sounds[0] not in _WILL else ():
        word = words[number]
        if word.sound in _DENIALS:
            return True
        if word.mark or word.sound not in _BETWEEN:
            break
    rest = sounds_until_mark(words, range(last + 1, len(words)))
    return (
        one.names_self
        and bool(rest)
        and rest[0] in _DENIALS
        and all(sound in _AFTER for sound in rest[1:])
    )


def is_title(words: Sequence[Word], first: int, one: Phrase) -> bool:
    """Is it what something for school, or a story, is about?"""
    if one.names_self:
        return False
    before = sounds_until_mark(words, range(first - 1, -1, -1))
    for number, sound in enumerate(before[: MOST_ABOUT + 1]):
        if sound in _SELF:
            return False
        if sound in _ABOUT:
            rest = [one for one in before[number + 1 :][:2] if one not in _MAKING]
            return bool(rest) and rest[0] in _TITLES
    return False


def sounds_until_mark(words: Sequence[Word], places: Iterable[int]) -> list[str]:
    """How the next few words there sound, up to a mark."""
    found: list[str] = []
    for place in places:
        if words[place].mark or len(found) == MOST_AROUND:
            break
        found.append(words[place].sound)
    return found
