"""A signed token whose claims have other types than ours is refused, whichever claim it is, and never raises."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.actions.audit.actor import OPERATOR
from tests.core import ORDERS, Core, start_core

pytestmark = pytest.mark.both_databases

TEXTS = ("iss", "sub", "jti", "client_id", "scope", "credential_type")
CLAIMS = (*TEXTS, "aud", "iat", "exp", "act", "origin", "cnf", "nbf")
NO_TEXT = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
)
ODD = NO_TEXT | st.text() | st.sampled_from(["\x00", "\ud800"])
OBJECT = st.dictionaries(st.sampled_from(["sub", "id", "version", "secret", "jkt", "x5t#S256"]), ODD)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Core, dict[str, str]]]:
    core = start_core(tmp_path_factory.mktemp("odd"))
    core.resource(ORDERS, "orders:read")
    core.role("machines", "machine", "orders:read")
    core.role("users", "user", "orders:read")
    core.client("robot", "machines")
    core.user("alice", "users")
    exchanged = core.exchange(core.pat("alice", "orders:read")[1], client_id="robot")
    yield core, {"m2m": core.m2m("robot", "orders:read"), "exchanged": exchanged}
    core.store.dispose()


def with_claims(core: Core, token: str, **odd: Any) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    with core.store.connection() as connection:
        return core.actions.signing_keys.sign(connection, claims | odd)


@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("kind", ["m2m", "exchanged"])
@pytest.mark.parametrize("claim", CLAIMS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_no_type_of_a_claim_makes_verifying_raise(
    tokens: tuple[Core, dict[str, str]], kind: str, claim: str, data: st.DataObject
) -> None:
    core, made = tokens
    odd = data.draw(ODD | OBJECT if claim in ("act", "origin", "cnf") else NO_TEXT if claim in TEXTS else ODD)
    token = with_claims(core, made[kind], **{claim: odd})
    active = core.active(token)
    assert not (active and claim in TEXTS)
    core.actions.inspect(token)
    core.actions.revoke_token(OPERATOR, token, "robot") if not active else None
    assert core.active(made[kind])


@pytest.mark.parametrize("claim", TEXTS)
@pytest.mark.parametrize("text", ["robot\x00", "\ud800"])
def test_a_text_that_a_database_refuses_is_refused_before(
    tokens: tuple[Core, dict[str, str]], claim: str, text: str
) -> None:
    core, made = tokens
    for token in made.values():
        assert not core.active(with_claims(core, token, **{claim: text}))
