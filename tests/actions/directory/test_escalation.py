"""Nobody makes credentials by delegation, and nobody grants what they do not hold."""

import pytest

from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import OPERATOR, SERVER, Actor, anonymous
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding, refuse_granting
from app.errors import Forbidden

OWN = "https://login.example/api/v1"
AUDITOR = Actor("client", "auditor", management=Scopes.of("audit:read"))
CHIEF = Actor("client", "chief", management=Scopes.of("manage"))
DELEGATE = Actor("user", "usr_1", management=Scopes.of("manage"), delegated=True)


def carrying(*scopes: str) -> Grants:
    return Grants.of([*((OWN, scope) for scope in scopes), ("https://other.example", "manage-nothing")])


def test_manage_stands_for_every_scope() -> None:
    assert CHIEF.manages and CHIEF.holds("audit:read") and CHIEF.holds("introspect")
    assert AUDITOR.holds("audit:read") and not AUDITOR.holds("users:read") and not AUDITOR.holds("manage")
    assert OPERATOR.manages and SERVER.manages
    assert not anonymous(None, None).holds("audit:read")


def test_a_delegate_makes_no_credential_whatever_it_holds() -> None:
    with pytest.raises(Forbidden):
        refuse_delegates(DELEGATE)
    for actor in (AUDITOR, CHIEF, OPERATOR):
        refuse_delegates(actor)


def test_only_manage_puts_our_permissions_into_a_role() -> None:
    for built_in in (Scopes.of("audit:read"), Scopes.of("manage", "introspect")):
        with pytest.raises(Forbidden) as refusal:
            refuse_granting(AUDITOR, built_in)
        assert refusal.value.scope == "manage"
        refuse_granting(CHIEF, built_in)
    refuse_granting(AUDITOR, Scopes())


def test_nobody_hands_on_more_than_they_hold() -> None:
    refuse_exceeding(AUDITOR, carrying("audit:read"), OWN)
    refuse_exceeding(AUDITOR, carrying(), OWN)
    refuse_exceeding(AUDITOR, Grants.of([("https://other.example", "users:write")]), OWN)
    refuse_exceeding(CHIEF, carrying("manage", "audit:read", "users:write"), OWN)
    for scopes in (["users:write"], ["audit:read", "users:write"], ["manage"]):
        with pytest.raises(Forbidden) as refusal:
            refuse_exceeding(AUDITOR, carrying(*scopes), OWN)
        assert "audit:read" not in str(refusal.value) and refusal.value.scope == "manage"
