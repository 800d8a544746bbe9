"""Who may change the address of a user: where mail is sent, its reader can set another password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.management.face import start_face, stop_face


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("mails", [True, False])
def test_a_delegate_cannot_have_a_password_reset_mailed_to_another_address(tmp_path: Path, mails: bool) -> None:
    sent: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "latchkey@example.com"} if mails else {}
    face = start_face(tmp_path, **sent)
    pat = face.pat("manage")
    admin = face.machine("manage")
    user = face.create("/users", {"username": "addressed", "email": "old@example.com"}, admin)
    path = f"/users/{user['id']}"
    for token in (pat, face.core.exchange(pat)):
        answer = face.call("PATCH", path, token, json={"email": "mallory@example.com", "display_name": "M"})
        assert answer.status_code == (403 if mails else 200), answer.text
        assert face.call("PATCH", path, token, json={"display_name": ""}).status_code == 200
        expected = "old@example.com" if mails else "mallory@example.com"
        assert face.call("GET", path, admin).json["email"] == expected
    assert face.call("PATCH", path, admin, json={"email": "new@example.com"}).status_code == 200
    stop_face(face)
