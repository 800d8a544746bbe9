"""The records of a noun: their fields and constraints, as the API, the commands and the forms read them."""

from collections.abc import Mapping
from dataclasses import MISSING
from datetime import datetime
from typing import Any

import pytest

from app.actions.directory.api_keys import KeyChanges, KeyStatus, NewKey
from app.actions.directory.changes import UNSET
from app.actions.directory.fields import Description, Mark, Name, fields_of, read_type
from app.credentials.kind import RateLimit

NEW = {field.name: field for field in fields_of(NewKey)}


def test_fields_are_listed_in_their_order_with_their_defaults() -> None:
    assert list(NEW) == ["name", "resource", "scopes", "expires_at", "rate_limit", "allowed_ips", "enabled"]
    assert [field.name for field in NEW.values() if field.required] == ["name", "resource"]
    assert (NEW["name"].default, NEW["scopes"].default, NEW["enabled"].default) == (MISSING, None, True)
    assert {field.default for field in fields_of(KeyChanges)} == {UNSET}


def test_a_type_says_its_base_its_limits_and_its_description() -> None:
    name, networks = NEW["name"].type, NEW["allowed_ips"].type
    assert (name.base, name.min_length, name.max_length, name.nullable) == (str, 1, 200, False)
    assert (networks.base, networks.max_length, networks.description) == (tuple, 100, "networks, such as 192.0.2.0/24")
    assert networks.item is not None and networks.item.max_length == 200
    assert (NEW["expires_at"].type.base, NEW["expires_at"].type.nullable) == (datetime, True)
    requests, window = fields_of(RateLimit)
    assert NEW["rate_limit"].type.base is RateLimit and requests.type.ge == window.type.ge == 1


def test_a_change_has_the_constraints_of_the_new_thing() -> None:
    changes = {field.name: field.type for field in fields_of(KeyChanges)}
    assert changes["name"] == NEW["name"].type and changes["scopes"] == NEW["scopes"].type


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Name, {"marks": {Mark.NOT_BLANK}, "choices": ()}),
        (Description, {"marks": {Mark.LINES}, "min_length": None, "max_length": 1000}),
        (KeyStatus, {"base": str, "choices": ("active", "disabled", "expired", "revoked")}),
        (dict[str, Any], {"base": Mapping}),
    ],
)
def test_a_type_is_read_alone(annotation: Any, expected: dict[str, Any]) -> None:
    value = read_type(annotation)
    assert {name: getattr(value, name) for name in expected} == expected


@pytest.mark.parametrize("annotation", [float, list[str], Any])
def test_an_unsupported_type_is_an_error(annotation: Any) -> None:
    with pytest.raises(TypeError, match="not a supported type"):
        read_type(annotation)
