"""Refused credentials, one for each reason, and what the log and the answer say of a refusal."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, event

from app.actions.audit.actor import OPERATOR
from app.compat.sqlalchemy import CompiledSelect
from app.crypto.opaque import Prefix, mint
from app.models import ApiKey, PersonalAccessToken
from tests.core import Core

OWN = ("X-Request-Id", "Date")
SCOPE = "orders:read"
UNSIGNED = "eyJhbGciOiJFUzI1NiJ9.eyJjcmVkZW50aWFsX3R5cGUiOiJjbGllbnRfY3JlZGVudGlhbHMifQ.AAAA"
serial = itertools.count(1)


def end(core: Core, table: Any, row_id: str, **values: Any) -> None:
    """Change a row as time or an operator would."""
    with core.store.transaction() as session:
        row = session.get(table, row_id)
        for name, value in values.items():
            setattr(row, name, value)


def person(core: Core, *scopes: str) -> str:
    """Make a user whose role gives these scopes; return the username."""
    name = f"refused-{next(serial)}"
    core.role(name, "user", *(scopes or (SCOPE,)))
    core.user(name, name)
    return name


def token_of(core: Core, *scopes: str) -> tuple[str, str, str]:
    """Issue a personal access token of a user of its own; return the username, its id and the token."""
    username = person(core, *scopes)
    view, token = core.pat(username, *(scopes or (SCOPE,)))
    return username, view.id, token


def revoked_key(core: Core) -> str:
    view, token = core.key()
    core.actions.api_keys.revoke(OPERATOR, view.id)
    return token


def expired_key(core: Core) -> str:
    view, token = core.key()
    end(core, ApiKey, view.id, expires_at=core.clock() - timedelta(seconds=1))
    return token


def disabled_key(core: Core) -> str:
    view, token = core.key()
    end(core, ApiKey, view.id, enabled=False)
    return token


def revoked_pat(core: Core) -> str:
    username, token_id, token = token_of(core)
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id(username), token_id)
    return token


def expired_pat(core: Core) -> str:
    _, token_id, token = token_of(core)
    end(core, PersonalAccessToken, token_id, expires_at=core.clock() - timedelta(seconds=1))
    return token


def disabled_pat(core: Core) -> str:
    username, _, token = token_of(core)
    core.enable(username, False)
    return token


def superseded_pat(core: Core) -> str:
    username, token_id, token = token_of(core)
    core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id(username), token_id)
    return token


KEYS: dict[str, Callable[[Core], str]] = {
    "unknown": lambda _: mint(Prefix.API_KEY),
    "revoked": revoked_key,
    "expired": expired_key,
    "disabled": disabled_key,
}
PATS: dict[str, Callable[[Core], str]] = {
    "unknown": lambda _: mint(Prefix.PAT),
    "revoked": revoked_pat,
    "expired": expired_pat,
    "disabled": disabled_pat,
    "superseded": superseded_pat,
}
MADE: dict[str, Callable[[Core], str]] = {
    "malformed": lambda _: "nonsense",
    "bad_signature": lambda _: UNSIGNED,
    "superseded": superseded_pat,
    "wrong_kind": lambda core: core.client_secret(_client(core)),
    **KEYS,
}
UNKNOWN = ("malformed", "unknown", "bad_signature")  # of which no credential can be named


def _client(core: Core) -> str:
    name = f"refused-{next(serial)}"
    core.client(name)
    return name


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the only log line since the last call."""
    [found] = [json.loads(one) for one in capsys.readouterr().err.splitlines() if one.startswith("{")]
    return dict(found)


def face_of(response: Any) -> tuple[Any, ...]:
    """Return the parts of an answer that must not differ."""
    return response.status_code, response.data, [one for one in response.headers if one[0] not in OWN]


def refuse_alike(
    ask: Callable[[str], Any], secrets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Present an unknown secret and another one: the answers are the same; return the log line of the second."""
    unknown, secret = secrets
    expected = face_of(ask(unknown))
    capsys.readouterr()
    answer = ask(secret)
    said = line(capsys)
    assert face_of(answer) == expected, answer.text
    assert answer.status_code >= 400 and said["request_id"] == answer.headers["X-Request-Id"]
    assert secret not in json.dumps(said) and "reason" in said
    return said


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that are sent meanwhile, also what is run on the driver."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    def rows(compiled: CompiledSelect, connection: Any, **values: object) -> Any:
        seen.append(str(compiled.statement))
        return run(compiled, connection, **values)

    run = CompiledSelect.rows
    event.listen(Engine, "before_cursor_execute", note)
    try:
        with patch.object(CompiledSelect, "rows", rows):
            yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
