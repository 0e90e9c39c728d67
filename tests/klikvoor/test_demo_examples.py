"""The examples of the demonstration say what the questions of the demonstration do."""

import pytest

from institutions.models import Brand
from klikvoor.demo.examples import EXAMPLES, bring_in_examples
from triage.editor.trying import tried
from triage.models import default_data

pytestmark = pytest.mark.django_db


def test_every_example_gets_the_urgency_that_it_should(brand: Brand) -> None:
    bring_in_examples(brand)
    bring_in_examples(brand)
    results = tried(brand, default_data())
    assert len(results) == len(EXAMPLES)
    assert all(result["is_as_wanted"] for result in results), results
