"""Names are shown as text: nothing in them runs in an operator's browser."""

import pytest
from sqlalchemy import update

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.models import ApiKey, Client, Permission, PersonalAccessToken, Resource, Role, SigningKey, User
from tests.core import ORDERS, Core
from tests.management.face import Face
from tests.web.visitor import Visitor

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
UNESCAPED = ("<script>alert", "<img", "onerror=alert(1)>")


@pytest.fixture(scope="module")
def secrets(face: Face) -> dict[str, str]:
    """A credential of each kind, in an organisation in which every name is hostile."""
    core = face.core
    core.role("reader", "user", "orders:read")
    core.role("robot", "machine", "orders:read")
    core.user("ann", "reader")
    core.client("ci", "robot")
    made = {"pat": core.pat("ann", "orders:read")[1], "key": core.key(allowed_ips=("192.0.2.0/24",))[1]}
    made |= {"client_secret": core.client_secret("ci", name=HOSTILE, revoked_reason=HOSTILE), "m2m": core.m2m("ci")}
    _rename(core)
    return made


def _rename(core: Core) -> None:
    actor = Actor(type="user", id=HOSTILE, name=HOSTILE, address=HOSTILE, request_id=HOSTILE)
    key = core.actions.api_keys.page(1)[0][0]
    with core.store.transaction() as session:
        session.execute(update(User).where(User.username == "ann").values(display_name=HOSTILE, username=HOSTILE))
        session.execute(update(Client).where(Client.client_id == "ci").values(name=HOSTILE))
        session.execute(update(Role).where(Role.name == "reader").values(name=HOSTILE))
        session.execute(update(Role).where(Role.name == "robot").values(name=f"{HOSTILE} 2"))
        session.execute(update(Resource).where(Resource.identifier == ORDERS).values(name=HOSTILE))
        session.execute(update(Permission).values(description=HOSTILE))
        session.execute(update(ApiKey).values(name=HOSTILE, hint=HOSTILE[:20], revoked_reason=HOSTILE))
        session.execute(update(PersonalAccessToken).values(name=HOSTILE, hint=HOSTILE[:20], revoked_reason=HOSTILE))
        session.execute(update(SigningKey).where(SigningKey.state == "next").values(kid=HOSTILE))
        record(session, actor, HOSTILE, HOSTILE[:40], HOSTILE, core.clock(), **{HOSTILE: HOSTILE, "more": [HOSTILE]})
        record(session, actor, "api_key.update", "api_key", key.id, core.clock())


def check_text(page: str, *, shown: bool = True) -> None:
    assert not [text for text in UNESCAPED if text in page]
    assert ("&lt;script&gt;" in page) is shown


@pytest.mark.asvs("3.2.2")
@pytest.mark.contract("stored scripts, in every name")
def test_every_page_shows_names_as_text(face: Face, operator: Visitor, secrets: dict[str, str]) -> None:
    key = face.core.actions.inspect(secrets["key"]).id
    for path in (
        "/console/api-keys",
        "/console/api-keys/new",
        f"/console/api-keys/new?resource={ORDERS}",
        f"/console/api-keys/{key}",
        f"/console/api-keys/{key}/rotate",
        f"/console/api-keys/{key}/revoke",
        "/console/signing-keys",
        "/console/signing-keys/rotate",
        "/console/audit",
        "/console/holders",
        "/console/holders?scope=orders:read",
        "/console/holders?scope=orders:list",
        f"/console/search/api_key/{key}/revoke",
    ):
        answer = operator.get(path)
        assert answer.status_code == 200, path
        check_text(answer.text)
    check_text(operator.get("/console").text, shown=False)


def test_a_found_credential_is_shown_as_text(operator: Visitor, secrets: dict[str, str]) -> None:
    for kind in ("pat", "key", "client_secret"):
        operator.get("/console/search")
        check_text(operator.post("/console/search", credential=secrets[kind]).text)


@pytest.mark.contract("stored scripts, in every name")
def test_values_of_a_form_are_shown_as_text(face: Face, operator: Visitor, secrets: dict[str, str]) -> None:
    key = face.core.actions.inspect(secrets["key"]).id
    typed = dict.fromkeys(("name", "requests", "window_seconds", "allowed_ips", "expires_on", "scopes"), HOSTILE)
    for path in ("/console/api-keys", f"/console/api-keys/{key}"):
        for which in ("all", "some", HOSTILE):
            operator.get(f"/console/api-keys/new?resource={ORDERS}")
            answer = operator.post(path, resource=ORDERS, which=which, **typed)
            assert answer.status_code == 422
            check_text(answer.text)
    answer = operator.post(f"/console/api-keys/{key}/rotate", overlap_seconds=HOSTILE, unit=HOSTILE)
    assert answer.status_code == 422
    check_text(answer.text)


def test_values_of_the_query_are_shown_as_text(operator: Visitor, secrets: dict[str, str]) -> None:
    for section, names in (
        ("audit", ("actor", "action", "target", "since", "until")),
        ("holders", ("scope",)),
        ("api-keys", ("resource",)),
    ):
        for name in names:
            check_text(operator.http.get(f"/console/{section}", query_string={name: HOSTILE}).text)


def test_a_search_does_not_repeat_what_was_typed(operator: Visitor, secrets: dict[str, str]) -> None:
    operator.get("/console/search")
    check_text(operator.post("/console/search", credential=HOSTILE).text, shown=False)
