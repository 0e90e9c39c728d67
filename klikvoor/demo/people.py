"""The institutions, people and site of the demonstration. Nobody here exists."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress

from institutions.models import Brand, Institution, Membership, User
from roster.models import ServiceLine

INSTITUTIONS = ["Welzijn Zuid", "Maaskracht", "Heuvelhulp"]
# Whose young people each institution is there for: municipalities by their CBS code.
MUNICIPALITIES = {
    "Welzijn Zuid": ["GM0917", "GM0928", "GM0882", "GM0899", "GM0965", "GM0986", "GM1954"],
    "Maaskracht": ["GM0935", "GM0938", "GM1903", "GM1883", "GM0971", "GM0888", "GM0994"],
    "Heuvelhulp": ["GM1729", "GM0981", "GM0957", "GM0983", "GM0988", "GM1711", "GM1669"],
}
SKILLS = {"Bilal": ["en"], "Carla": ["suicide"], "Els": ["en", "queer"]}
# name, full name, institution
WORKERS = [
    ("Anna", "Anna de Wit", "Welzijn Zuid"),
    ("Bilal", "Bilal Amrani", "Welzijn Zuid"),
    ("Carla", "Carla Janssen", "Maaskracht"),
    ("Daan", "Daan Peeters", "Maaskracht"),
    ("Els", "Els Hermans", "Heuvelhulp"),
    ("Farid", "Farid Yilmaz", "Heuvelhulp"),
]
COORDINATOR = ("Dirk", "Dirk Smeets", "Welzijn Zuid")


@dataclass(frozen=True)
class Cast:
    """Everybody, for the rest of the demonstration. `workers` by first name, in order."""

    brand: Brand
    line: ServiceLine
    workers: dict[str, User]
    employers: dict[str, Institution]
    coordinator: User


def bring_in() -> Cast:
    """Make whoever is missing; leave alone what somebody changed while trying things."""
    institutions = {
        name: Institution.objects.get_or_create(
            name=name, defaults={"municipalities": MUNICIPALITIES[name]}
        )[0]
        for name in INSTITUTIONS
    }
    workers = {}
    for name, full_name, institution in WORKERS:
        workers[name] = _person(name, full_name)
        _give_role(workers[name], institutions[institution], Membership.Role.WORKER)
    name, full_name, institution = COORDINATOR
    dirk = _person(name, full_name)
    _give_role(dirk, institutions[institution], Membership.Role.COORDINATOR)
    _give_role(dirk, None, Membership.Role.COORDINATOR)
    brand = Brand.objects.filter(is_default=True).first() or Brand.objects.create(
        host="localhost",
        name="Klikvoor",
        is_default=True,
        welcome="Praat met iemand die luistert. Je hoeft niet te zeggen wie je bent.",
    )
    line = brand.lines.first()
    if line is None:
        line = ServiceLine.objects.get_or_create(name="Klikvoor")[0]
        line.brands.add(brand)
    return Cast(
        brand=brand,
        line=line,
        workers=workers,
        employers={name: institutions[employer] for name, _full, employer in WORKERS},
        coordinator=dirk,
    )


def _person(name: str, full_name: str) -> User:
    email = f"{name.lower()}@demo.klikvoor.example"
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(
            email, None, name=full_name, chat_name=name, skills=SKILLS.get(name, [])
        )
    EmailAddress.objects.get_or_create(
        user=user, email=email, defaults={"verified": True, "primary": True}
    )
    return user


def _give_role(user: User, institution: Institution | None, role: str) -> None:
    Membership.objects.get_or_create(user=user, institution=institution, role=role)
