"""What the Hub says of a repository: its day and its licence, as the real client gets them from the loopback Hub."""

from datetime import datetime

import pytest
from huggingface_hub import ModelInfo

from shape_audit.hub.repository_facts import RepositoryFacts, repository_facts


def answer(card: object = None, made: datetime | None = None) -> ModelInfo:
    return ModelInfo(id="org/name", createdAt=f"{made:%Y-%m-%dT%H:%M:%S.000Z}" if made else None, cardData=card)


@pytest.mark.parametrize(
    ("card", "license", "link"),
    [
        ({"license": "apache-2.0"}, "apache-2.0", None),
        ({"license": "other", "license_name": "gemma", "license_link": "https://x.org/l"}, "gemma", "https://x.org/l"),
        ({"license": "other"}, "other", None),
        ({"license": ["mit", "apache-2.0"]}, "mit, apache-2.0", None),
        ({"license": {"name": "mit"}, "license_link": 3}, None, None),
        ({"license": "  "}, None, None),
        ({}, None, None),
        ("no card", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_the_licence_is_what_the_card_states(card: object, license: str | None, link: str | None) -> None:
    assert repository_facts(answer(card)) == RepositoryFacts(None, license, link)


def test_a_licence_is_no_essay() -> None:
    found = repository_facts(answer({"license": "x" * 10_000})).license
    assert found == "x" * 200


def test_the_first_day_that_the_hub_stored_is_no_release() -> None:
    """All repositories from before have it."""
    assert repository_facts(answer(made=datetime(2022, 3, 2, 23, 29, 4))).released is None
    assert repository_facts(answer(made=datetime(2022, 3, 3))).released == "2022-03-03"
