"""Make chat/return_words/nl.txt, the words of return codes, again.

    python -m scripts.return_words DICTIONARY AFFIXES.DIC FREQUENCIES

DICTIONARY: /usr/share/dict/dutch of Debian's wdutch. AFFIXES.DIC: /usr/share/hunspell/nl.dic of
hunspell-nl (both OpenTaal, BSD or CC BY 3.0). FREQUENCIES: a directory to which
`pip install --target DIRECTORY wordfreq` went (Apache 2.0, figures CC BY-SA 4.0); they only rank.

What a word must be: 4 to 8 letters a to z, known, a base form (most are nouns), no name, as usual in
Dutch as in English at least, and not refused below or in return_words_refused.txt. Two words differ
in their first five letters, sound different (ei and ij, d and t at the end, c and k …), are two
typing errors apart at least, and none begins with another.
"""

import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from chat.return_words import COUNT, is_near, shortened

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "chat" / "return_words" / "nl.txt"
REFUSED = ROOT / "scripts" / "return_words_refused.txt"
RARE = 2.45  # on the Zipf scale: about three times in ten million words
ENGLISH = 0.6

STEMS = re.compile(
    "moord|dood|doden|sterf|lijk$|sex|seks|porno|naakt|hoer|kut|lul|neuk|geil|kont|poep|pis|plas"
    "|schijt|stront|kots|drug|dronk|drink|bier|wijn|whisk|wodka|rum$|roken|sigar|tabak|wiet|joint"
    "|heroi|cocai|al[ck]ohol|pil$|kanker|tumor|ziek|virus|infect|besmet|griep|aids|bloed|wond|pijn"
    "|angst|bang|haat|wapen|geweer|pistool|kogel|bom|mes$|dolk|zwaard|oorlog|leger|soldaat|strijd"
    "|vecht|slag$|slaan|klap|straf|gevang|cel$|dief|roof|inbra|crimi|misda|delict|politie|justit"
    "|rechter|verdac|dader|slacht|terror|terreur|aansla|explo|brand|ramp|nood|gevaar|dreig|geweld"
    "|misbr|verkra|mishan|pest|treiter|schel|vloek|gek$|idioo|debiel|stom|dom$|lelijk|dik$|dikke"
    "|vet$|slet|homo|hetero|lesb|trans|borst|tiet|penis|vagi|balzak|anus|anaal|oraal|condo|abort"
    "|zwang|maagd|erotis|orgas|mastur|hitler|nazi|jood|joden|moslim|islam|chris|katho|prote|kerk|god"
    "|bijbel|koran|paus|priest|imam|neger|blank|ras$|racis|buitenl|vluchte|asiel|migr|allocht|ellend"
    "|verdr|tranen|huil|treur|depr|suici|ophang|wurg|galg|graf|begraf|crema|weduw|wees$|satan|duiv"
    "|hel$|demon|heks|gif|ontvo|gijz|chant|stalk|incest|pedo|schand|slaaf|slave|beul|foltr|marte"
    "|kist|vermist|eenzaa|onvei|scheiding|schul|arm$|armoe|failli|gokk|gok|casin"
)
SOUNDS = [
    (re.compile(spelling), sound)
    for spelling, sound in (
        ("sch$", "s"),
        ("ei", "ij"),
        ("auw|ouw|au", "ou"),
        ("isch", "is"),
        ("ch", "g"),
        ("th", "t"),
        ("ph", "f"),
        ("x", "ks"),
        ("qu", "kw"),
        ("c(?=[eiy])", "s"),
        ("c", "k"),
        ("y", "i"),
        ("z", "s"),
        ("v", "f"),
        ("dt|d$", "t"),
        ("b$", "p"),
        ("ie", "i"),
        (r"(.)\1", r"\1"),
    )
]


def sound(word: str) -> str:
    """Roughly how a word sounds: two that sound alike give the same."""
    for spelling, heard in SOUNDS:
        word = spelling.sub(heard, word)
    return word


def choose(ranked: Iterable[str]) -> list[str]:
    """Return the words that differ enough from every word before them."""
    chosen: set[str] = set()
    beginnings: set[str] = set()
    sounds: set[str] = set()
    near: dict[str, set[str]] = defaultdict(set)
    for word in ranked:
        own = {word[:end] for end in range(1, len(word) + 1)}
        if (
            word in beginnings
            or own & chosen
            or word[:5] in beginnings
            or sound(word) in sounds
            or any(is_near(word, other, 1) for some in shortened(word) for other in near[some])
        ):
            continue
        chosen.add(word)
        beginnings |= own
        sounds.add(sound(word))
        for some in shortened(word):
            near[some].add(word)
    return sorted(chosen)


def rank(dictionary: Path, affixes: Path, frequencies: Path) -> list[str]:
    """Return every fit word, those first that we would rather have: nouns, then usual ones."""
    sys.path.insert(0, str(frequencies))
    from wordfreq import get_frequency_dict

    def zipf(language: str) -> dict[str, float]:
        shares = get_frequency_dict(language)
        return {word: math.log10(share) + 9 for word, share in shares.items()}

    dutch, english = zipf("nl"), zipf("en")
    known = dictionary.read_text(encoding="utf-8").split()
    names = {word.lower() for word in known if word[0].isupper()}
    refused = {
        word
        for line in REFUSED.read_text(encoding="ascii").splitlines()
        if not line.startswith("#")
        for word in line.split()
    }
    flags: dict[str, set[str]] = defaultdict(set)
    for line in affixes.read_text(encoding="utf-8").splitlines():
        word, _, found = line.strip().partition("/")
        flags[word] |= {found[at] for at in range(0, len(found), 2)}

    def is_fit(word: str) -> bool:
        usual = dutch.get(word, 0.0)
        return (
            re.fullmatch("[a-z]{4,8}", word) is not None
            and word not in names
            and word not in refused
            and not STEMS.search(word)
            and usual >= RARE
            and english.get(word, 0.0) <= usual + ENGLISH
            and (is_noun(word) or "A" in flags[word] or is_verb(word))
        )

    def is_noun(word: str) -> bool:  # has a plural or a diminutive
        return bool(flags[word] & {"Y", "Z"})

    def is_verb(word: str) -> bool:  # as it stands in a dictionary
        return word.endswith("en") and "P" in flags[word] and "V" not in flags[word]

    fit = [word for word in known if is_fit(word)]
    return sorted(fit, key=lambda word: (not is_noun(word), -dutch[word], word))


def main() -> None:
    chosen = choose(rank(*map(Path, sys.argv[1:4])))
    head = "# Words of return codes. Made by scripts/return_words.py; see LICENSE.txt.\n"
    TARGET.write_text(head + "\n".join(chosen) + "\n", encoding="ascii")
    bits = COUNT * math.log2(len(chosen))
    print(f"{len(chosen)} words: {COUNT} of them are {bits:.1f} bits")


if __name__ == "__main__":
    main()
