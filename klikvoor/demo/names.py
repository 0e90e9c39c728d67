"""Names of institutions and people of the large demonstration. Nobody and nothing here exists."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

INSTITUTIONS = [
    "Jeugdpunt Lindevoort",
    "Welzijn Aldermeer",
    "Sociaal Werk Brakenhout",
    "Jongerenwerk Dravendaal",
    "Elzerbeek Samen",
    "Buurtkracht Fennerhoek",
    "Gravelweide Welzijn",
    "Harsterveen Helpt",
    "Jeugdteam IJzervoort",
    "Jachterveld Jong",
    "Sociaal Plein Kolkerdam",
    "Welzijn Luttermark",
    "Meldersloot Mee",
    "Jongerenpunt Noordwiel",
    "Ommerdonk Sociaal Werk",
    "Jeugdhuis Pannerzand",
    "Welzijn Quirijnshove",
    "Rietmeren Samen Sterk",
    "Straathoek Slingerdijk",
    "Jongerenwerk Tolkerberg",
    "Uiterloo Welzijn",
    "Vonderpoort",
    "Wielerkamp Jeugd",
    "Sociaal Werk Zandersluis",
    "Zuiderkaap Welzijn",
    "Jeugdbrug Andelswaard",
    "Welzijn Bolderstede",
    "Duinkreek Dichtbij",
    "Eikenrode Sociaal",
    "Jongerenlijn Galgenaar",
    "Heidewaal Hulp",
    "Sociaal Team Kerspel",
    "Morgenster Oudewiel",
]
_FIRST = [
    "Aylin",
    "Amir",
    "Anouk",
    "Bas",
    "Bente",
    "Boris",
    "Chaima",
    "Coen",
    "Demi",
    "Dilan",
    "Emre",
    "Esra",
    "Fatima",
    "Fleur",
    "Gijs",
    "Hanna",
    "Ilias",
    "Imane",
    "Jasper",
    "Jesse",
    "Joris",
    "Karim",
    "Kim",
    "Lars",
    "Lieke",
    "Lotte",
    "Maud",
    "Mees",
    "Mila",
    "Naomi",
    "Nadia",
    "Niels",
    "Noor",
    "Omar",
    "Pim",
    "Rachid",
    "Roos",
    "Ruben",
    "Samira",
    "Sanne",
    "Selma",
    "Siem",
    "Sven",
    "Tess",
    "Thijs",
    "Veerle",
    "Wout",
    "Yara",
    "Youssef",
    "Zoë",
]
_LAST = [
    "Aydın",
    "van den Akker",
    "Bakker",
    "el Bouazzaoui",
    "Bosman",
    "Çelik",
    "Claessen",
    "Dekkers",
    "van Dijk",
    "Driessen",
    "Evers",
    "Geraets",
    "Haddad",
    "van der Heijden",
    "Hoekstra",
    "Jacobs",
    "Kaya",
    "Kuipers",
    "van Leeuwen",
    "Maas",
    "Mertens",
    "Nguyen",
    "Ouali",
    "Pinas",
    "Postma",
    "de Ridder",
    "Schouten",
    "Teunissen",
    "Verhoeven",
    "Wijnen",
]
WORKERS = (4, 5)
_ADDRESS = re.compile(r"medewerker\d+@demo\.klikvoor\.example")


@dataclass(frozen=True)
class Person:
    name: str
    chat_name: str
    email: str
    institution: str


def people(chance: random.Random, institutions: Iterable[str]) -> Iterator[Person]:
    """Four or five people for each institution; no two have the same name."""
    pairs = [(first, last) for first in _FIRST for last in _LAST]
    chance.shuffle(pairs)
    number = 0
    for institution in institutions:
        for _one in range(chance.choice(WORKERS)):
            first, last = pairs[number]
            number += 1
            email = f"medewerker{number}@demo.klikvoor.example"
            yield Person(f"{first} {last}", first, email, institution)


def is_of_crowd(address: str) -> bool:
    """Whether it is the address of one of these people."""
    return _ADDRESS.fullmatch(address) is not None
