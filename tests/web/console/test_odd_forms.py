"""No value of a field of the console's forms is a server error, whatever the database refuses."""

import pytest
from flask import Request

from tests.management.face import Face
from tests.web.console.test_admission import SECTIONS, Noting, rules_of
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases

ODD = ("\0", "9" * 40)
VALID = {"name": "x", "username": "x", "identifier": "https://x.example/", "type": "user", "expires": "day"}


def test_an_odd_field_of_a_form_is_not_a_server_error(
    face: Face, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face.app, "request_class", type("Noted", (Request,), {"parameter_storage_class": Noting}))
    operator.get("/account")
    forms = [path for section in SECTIONS for method, path in rules_of(face, section) if method == "POST"]
    read: set[str] = set()
    for path in forms:
        Noting.read.clear()
        operator.post(path, sure="yes")
        for field in Noting.read - {"csrf_token"}:
            read.add(field)
            for odd in ODD:
                assert operator.post(path, **{"sure": "yes", **VALID, field: odd}).status_code < 500, (path, field, odd)
    assert {"ids", "name", "username", "roles"} <= read
