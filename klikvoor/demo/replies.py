"""Ready sentences for the desk: a warm start, checking in, confidentiality, danger, goodbye.

After what trained chat workers do: short sentences, one question at a time, naming a feeling
before offering an answer, and silence that may be.
"""

from chat.models import QuickReply
from institutions.models import Institution

PLATFORM = [
    (
        "Welkom",
        "Hoi, fijn dat je er bent. Ik heb gelezen wat je hebt ingevuld. "
        "Wil je vertellen wat er is gebeurd, of wat je nu bezighoudt?",
    ),
    (
        "Luisteren",
        "Wat je vertelt klinkt zwaar. Goed dat je het hier zegt. Wat is er voor jou het moeilijkst aan?",
    ),
    (
        "Samenvatten",
        "Even kijken of ik je goed begrijp. Klopt het zo, of mis ik iets?",
    ),
    (
        "Stil",
        "Ik ben er nog. Je hoeft niet snel te typen, neem rustig de tijd. "
        "Wil je ergens mee beginnen, al is het iets kleins?",
    ),
    (
        "Nog steeds stil",
        "Ik merk dat het stil blijft. Dat is niet erg. Ik blijf nog een paar minuten. "
        "Als het nu niet lukt, ben je een andere keer ook welkom.",
    ),
    (
        "Wie leest mee",
        "Je hoeft niet te zeggen wie je bent. Ik vertel niet door wat jij hier schrijft. "
        "Soms kijkt een collega mee om mij te helpen. Als jij of iemand anders in gevaar is, "
        "bespreek ik eerst met jou wat nodig is.",
    ),
    (
        "Veilig nu",
        "Ik wil iets vragen omdat ik me zorgen maak. Ben je op dit moment veilig, "
        "en is er iemand bij je in de buurt?",
    ),
    (
        "Denken aan dood",
        "Je schrijft dat je er soms niet meer wilt zijn. Ik vraag het je recht: "
        "denk je aan zelfmoord? Je mag er hier over praten.",
    ),
    (
        "Meteen hulp",
        "Dit is te groot om alleen te dragen. Bel 112 als het nu gevaarlijk is. "
        "Voor praten over zelfmoord is 113 er dag en nacht: bel 113 of 0800-0113, gratis. "
        "Ik blijf hier terwijl je belt.",
    ),
    (
        "Thuis niet veilig",
        "Niemand mag jou pijn doen, en het is niet jouw schuld. "
        "Veilig Thuis denkt met je mee, dag en nacht en gratis: 0800-2000. "
        "Zullen we samen kijken wat je daar kunt zeggen?",
    ),
    (
        "Wat helpt",
        "Als het morgen een klein beetje beter gaat, waaraan merk je dat dan? "
        "En wie zou je daarbij kunnen helpen?",
    ),
    (
        "Bijna tijd",
        "We kunnen nog ongeveer tien minuten praten. Wat wil je zeker nog kwijt of vragen?",
    ),
    (
        "Afscheid",
        "Dank je dat je dit met me deelde. Dat vraagt moed. "
        "Wat neem je mee uit dit gesprek? Je bent hier altijd weer welkom.",
    ),
]
INSTITUTIONS = {
    "Welzijn Zuid": [
        (
            "Inloop Zuid",
            "Je kunt ook langskomen bij onze inloop, woensdag van 15.00 tot 17.00 uur. "
            "Dat is gratis en je hebt geen afspraak nodig.",
        ),
    ],
    "Maaskracht": [
        (
            "Op school",
            "Op veel scholen werkt iemand van Maaskracht. Zullen we samen kijken "
            "of er op jouw school iemand is met wie je kunt praten?",
        ),
    ],
    "Heuvelhulp": [
        (
            "Wandelen",
            "Als praten aan een tafel lastig is: een hulpverlener van Heuvelhulp "
            "kan ook met je gaan wandelen. Lijkt dat je wat?",
        ),
    ],
}


def bring_in_replies() -> None:
    """Make the replies that are missing, once: what somebody changed or deleted stays so."""
    if QuickReply.objects.exists():
        return
    for shortcut, text in PLATFORM:
        QuickReply.objects.create(institution=None, shortcut=shortcut, text=text)
    for name, replies in INSTITUTIONS.items():
        institution = Institution.objects.get(name=name)
        for shortcut, text in replies:
            QuickReply.objects.create(institution=institution, shortcut=shortcut, text=text)
