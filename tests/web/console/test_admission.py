"""The console admits users with the scope manage, and nobody else."""

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from flask import Request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from tests.management.face import PASSWORD, Face
from tests.web.visitor import Visitor

SECTIONS = (
    "console_resources",
    "console_roles",
    "console_users",
    "console_user_tokens",
    "console_clients",
    "console_client_secrets",
    "console_credentials",
    "console",
    "console_api_keys",
    "console_signing_keys",
    "console_audit",
    "console_holders",
    "console_search",
)
QUERIES = (
    *("after", "before", "q", "sort", "role", "type", "permission", "resource", "status", "scope", "kind"),
    *("actor", "action", "target", "since", "until"),
)
FEW = {"console": 2, "console_holders": 1}  # routes; other sections have more
REFUSING = (  # these name what is invalid
    "console_api_keys",
    "console_audit",
    "console_clients",
    "console_credentials",
    "console_holders",
    "console_resources",
    "console_roles",
    "console_users",
)
SOME_ID = "some_id"
ODD = ("\0", "x" * 3000, "y" * 60_000, "\udcff", "<script>", "-1", "9" * 40)


def rules_of(face: Face, section: str) -> list[tuple[str, str]]:
    """Return method and path of every route of a section."""
    mine = [rule for rule in face.app.url_map.iter_rules() if rule.endpoint.startswith(f"{section}.")]
    assert len(mine) >= FEW.get(section, 3), section
    return [(method, path_of(rule)) for rule in mine for method in (rule.methods or set()) & {"GET", "POST"}]


def path_of(rule: Rule) -> str:
    return "/".join(SOME_ID if part.startswith("<") else part for part in rule.rule.split("/"))


@pytest.mark.contract("only holders of `manage` reach the console")
@pytest.mark.parametrize("section", SECTIONS)
def test_an_anonymous_visitor_is_asked_to_sign_in(face: Face, section: str) -> None:
    for method, path in rules_of(face, section):
        answer = face.app.test_client().open(path, method=method)
        assert answer.status_code == 303 and answer.location.startswith("/login"), (method, path)


@pytest.mark.asvs("8.2.1")
@pytest.mark.contract("only holders of `manage` reach the console")
@pytest.mark.parametrize("section", SECTIONS)
def test_a_user_without_manage_is_refused(face: Face, section: str) -> None:
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(face.person("users:read", "roles:write", "api-keys:write", "audit:read"), PASSWORD)
    visitor.get("/account")
    for method, path in rules_of(face, section):
        answer = visitor.get(path) if method == "GET" else visitor.post(path, sure="yes")
        assert answer.status_code == 403 and "for operators" in answer.text, (method, path)


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("section", SECTIONS)
def test_a_form_without_its_token_changes_nothing(face: Face, operator: Visitor, section: str) -> None:
    for method, path in rules_of(face, section):
        if method == "POST":
            answer = operator.http.post(path, data={"name": "forged", "csrf_token": "forged"})
            assert answer.status_code == 400 and "out of date" in answer.text, path


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_id_is_not_found(face: Face, operator: Visitor, section: str) -> None:
    operator.get("/account")
    for method, path in rules_of(face, section):
        if SOME_ID in path:
            fields = {"name": "x", "username": "x", "permission": "x", "token_endpoint_auth_method": "private_key_jwt"}
            fields |= {"overlap_seconds": "0"}
            answer = operator.get(path) if method == "GET" else operator.post(path, **fields)
            assert answer.status_code == 404, (method, path, answer.status_code)


class Noting(ImmutableMultiDict[str, str]):
    """The parameters of a request; `read` collects the names that are looked up."""

    read: ClassVar[set[str]] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def getlist(self, name: str, *args: Any, **options: Any) -> list[Any]:  # type: ignore[override]
        self.read.add(name)
        return super().getlist(name, *args, **options)


@pytest.fixture
def read(face: Face, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the parameters that the application looked up."""
    monkeypatch.setattr(face.app, "request_class", type("Noted", (Request,), {"parameter_storage_class": Noting}))
    Noting.read.clear()
    return Noting.read


def test_the_parameters_that_pages_read_are_noted(face: Face, operator: Visitor, read: set[str]) -> None:
    for section in SECTIONS:
        for method, path in rules_of(face, section):
            if method == "GET":
                operator.get(f"{path}?scope=orders:read&q=x")
    assert set(QUERIES) <= read


@pytest.mark.parametrize("section", SECTIONS)
def test_an_odd_address_is_not_a_server_error(face: Face, operator: Visitor, section: str, read: set[str]) -> None:
    fine = (200, 404, 400, 422) if section in REFUSING else (200, 404)
    for method, path in rules_of(face, section):
        if method == "GET":
            for odd in ODD:
                sent = quote(odd.encode("utf-8", "surrogateescape"))
                for query in ask_each(read):
                    assert operator.get(f"{path}?{query}={sent}").status_code in fine, (path, query, odd)
                if SOME_ID in path:
                    assert operator.get(path.replace(SOME_ID, sent)).status_code == 404, (path, odd)


def ask_each(read: set[str]) -> Iterator[str]:
    """Yield a parameter that nothing reads, and each one that was read, while these are sent too."""
    read.clear()
    yield "x"
    sent = {"x"}
    while names := read - sent:
        yield from sorted(names)
        sent |= names
