"""Made-up answers with the urgency that they should get: what a draft of the questions is tried on."""

from typing import Any

from institutions.models import Brand
from triage.models import QuestionnaireExample

EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    ("Niet veilig", "now", {"safe": "no"}),
    ("Schrijft over dood willen", "now", {"safe": "yes", "words": "ik wil dood"}),
    ("Houdt het bijna niet vol", "soon", {"safe": "yes", "heavy": "5"}),
    ("Ruzie met een vriendin", "normal", {"topic": "peers", "safe": "yes", "heavy": "2"}),
    ("Slaat alles over", "normal", {}),
]


def bring_in_examples(brand: Brand) -> None:
    """Only where there is none yet: what a coordinator threw away stays away."""
    if not brand.examples.exists():
        QuestionnaireExample.objects.bulk_create(
            QuestionnaireExample(brand=brand, name=name, urgency=urgency, answers=answers)
            for name, urgency, answers in EXAMPLES
        )
