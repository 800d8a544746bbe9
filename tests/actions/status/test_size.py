"""The size of a list: ten million tokens are decided from some 100,000 rights, and a hundredth of them ended."""

import random
from datetime import timedelta

from sqlalchemy import insert

from app.models import StatusEntry, StatusList
from tests.core import Core

NUMBER, INDEXES, INVALID, LARGEST = 1, 100_000, 1_000, 20_000  # LARGEST: bytes


def test_a_list_of_a_hundred_thousand_decisions_is_small(core: Core) -> None:
    """Only the invalid indexes are written: where there are valid ones does not change the list."""
    at, ended = core.clock(), random.Random(0).sample(range(INDEXES), INVALID)
    entry = {
        "number": NUMBER,
        "kind": "",
        "kid": "",
        "owner": "",
        "jti": "",
        "claims": "{}",
        "created_at": at,
        "valid_until": at,
    }
    with core.store.transaction() as session:
        session.execute(insert(StatusList).values(number=NUMBER, ends_at=at + timedelta(days=1), used=INDEXES))
        session.execute(insert(StatusEntry), [{**entry, "idx": idx} for idx in ended])
    published = core.actions.status_lists.get(NUMBER)
    assert published is not None and 1_500 < len(published.token) < LARGEST
