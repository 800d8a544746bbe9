"""The console's search by a secret: it shows the credential and revokes it by its id; the secret is not kept."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.lifetime import AskedLifetime
from app.crypto.opaque import Prefix, mint
from tests.core import ORDERS, Core
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases

TAG = re.compile("<[^>]*>")
KINDS = ("pat", "key", "client_secret", "m2m", "exchanged")


@pytest.fixture
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """An own application, because the test searches the whole database."""
    made = start_face(tmp_path_factory.mktemp("search"), rate_limits="off", log_level="debug")
    yield made
    stop_face(made)


@pytest.fixture
def operator(face: Face) -> Visitor:
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(face.person("manage"), PASSWORD)
    visitor.get("/console")
    return visitor


@pytest.fixture
def core(face: Face) -> Core:
    core = face.core
    core.role("reader", "user", "orders:read")
    core.role("robot", "machine", "orders:read")
    core.user("ann", "reader")
    core.client("ci", "robot")
    return core


def secret_of(core: Core, kind: str) -> str:
    make = {
        "pat": lambda: core.pat("ann", "orders:read", name="laptop")[1],
        "key": lambda: core.key()[1],
        "client_secret": lambda: core.client_secret("ci"),
        "m2m": lambda: core.m2m("ci"),
        "exchanged": lambda: core.exchange(core.pat("ann", "orders:read", name="source")[1], None, ORDERS),
    }
    return make[kind]()


def look_up(operator: Visitor, secret: str) -> str:
    operator.get("/console/search")
    answer = operator.post("/console/search", credential=secret)
    assert answer.status_code == 200, answer.text
    return answer.text


def way_to_end(page: str) -> str:
    found = re.search(r'href="(/console/search/[^"]+/revoke)"', page)
    assert found is not None, page
    return unescape(found[1])


@pytest.mark.asvs("10.4.9")
@pytest.mark.contract("a pasted secret is never kept, logged or shown again")
@pytest.mark.parametrize("kind", KINDS)
def test_a_found_credential_is_revoked_by_its_id(core: Core, operator: Visitor, kind: str) -> None:
    secret = secret_of(core, kind)
    page = look_up(operator, secret)
    assert 'data-status="active"' in page
    path = way_to_end(page)
    asked = operator.get(path).text
    assert "stops working at once" in asked and core.actions.inspect(secret).status == "active"
    answer = operator.post(path)
    assert answer.status_code == 303 and answer.location == "/console/search"
    assert core.actions.inspect(secret).status == "revoked" and not core.active(secret)
    again = look_up(operator, secret)
    assert 'data-status="revoked"' in again and "/revoke" not in again
    assert "revoked already" in operator.get(path).text and operator.post(path).status_code == 303


@pytest.mark.contract("a pasted secret is never kept, logged or shown again")
@pytest.mark.parametrize("kind", KINDS)
def test_the_secret_is_neither_shown_nor_stored_nor_logged(
    core: Core, operator: Visitor, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = secret_of(core, kind)
    pages = [look_up(operator, secret), look_up(operator, f"  Bearer {secret}\n")]
    path = way_to_end(pages[0])
    pages += [operator.get(path).text, str(operator.post(path).headers), operator.get("/console/search").text]
    pages += [look_up(operator, secret), operator.get("/console/audit").text]
    parts = [secret, secret.rsplit(".", 1)[-1], secret[7:-4] if secret.startswith("lk_") else secret]
    for part in parts:
        assert not any(part in page for page in pages)
        assert part not in repr([(event.target, event.details) for event in core.trace()])
        assert part.encode() not in core.database.dump()
    said = "".join(capfd.readouterr())
    assert "/console/search" in said, "this server logs its requests"
    assert not any(part in said for part in parts)


def test_a_found_credential_shows_its_owner_and_scopes(core: Core, operator: Visitor) -> None:
    pat = look_up(operator, secret_of(core, "pat"))
    assert "Personal access token" in pat and "laptop" in pat and "user ann" in TAG.sub("", pat)
    assert "<code>orders:read</code> on https://api.example/orders" in pat
    machine = look_up(operator, secret_of(core, "m2m"))
    assert "of a machine client" in machine and "client ci" in TAG.sub("", machine)
    made = look_up(operator, secret_of(core, "exchanged"))
    assert "exchanged for a credential of the kind <code>personal_access_token</code>" in made


def test_an_inactive_credential_shows_the_reason(core: Core, operator: Visitor) -> None:
    _, pat = core.pat("ann", "orders:read", name="short", lifetime=AskedLifetime(expires_in=60))
    key, old = core.key()
    core.actions.api_keys.rotate(OPERATOR, key.id, 30)
    core.clock.advance(seconds=60)
    expired = look_up(operator, pat)
    assert 'data-status="expired"' in expired and "/revoke" not in expired
    superseded = look_up(operator, old)
    assert 'data-status="superseded"' in superseded and "Rotated, and the overlap is over." in superseded
    assert f'href="/console/api-keys/{key.id}"' in superseded
    other = secret_of(core, "pat")
    core.enable("ann", False)
    assert 'data-status="disabled"' in look_up(operator, other)


def test_a_secret_of_another_server_is_reported_as_unknown(core: Core, operator: Visitor) -> None:
    assert 'data-status="unknown"' in look_up(operator, mint(Prefix.PAT))
    forged = secret_of(core, "m2m")[:-6] + "AAAAAA"
    for stranger in ("hunter2", "<script>alert(1)</script>", forged, "a.b.c", "lk_pat_" + "x" * 38):
        page = look_up(operator, stranger)
        assert ('data-status="malformed"' in page or 'data-status="unknown"' in page) and stranger not in page
        assert "/revoke" not in page


def test_an_empty_and_a_too_long_secret_are_refused_at_the_field(operator: Visitor) -> None:
    operator.get("/console/search")
    for given, said in ((" ", "Paste the secret."), ("x" * 16_385, "Is longer than any credential.")):
        answer = operator.post("/console/search", credential=given)
        assert answer.status_code == 422 and f'id="credential-help">{said}' in answer.text


@pytest.mark.asvs("14.2.1")
@pytest.mark.contract("a pasted secret is never kept, logged or shown again")
def test_a_secret_in_the_query_is_not_looked_up(core: Core, operator: Visitor) -> None:
    secret = secret_of(core, "pat")
    assert "status" not in operator.get(f"/console/search?credential={secret}").text.replace('role="status"', "")


@pytest.mark.parametrize("path", ["token/x", "token/m2m_1", "client_secret/sec_1", "cat/x", "api_key/key_1"])
def test_an_unknown_credential_cannot_be_revoked(operator: Visitor, path: str) -> None:
    assert operator.get(f"/console/search/{path}/revoke").status_code == 404
    assert operator.post(f"/console/search/{path}/revoke").status_code == 404
