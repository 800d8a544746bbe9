"""[[identity_provider]] in latchkey.toml: what is wrong with an entry is said in one line that names it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadSettings
from app.settings.load import load_settings
from app.settings.settings import Settings

SECRET = "a secret of the file"
GOOD = f"""
[[identity_provider]]
name = "Acme SSO"
issuer = "https://idp.acme.example/realms/main"
client_id = "latchkey"
client_secret = "{SECRET}"
"""


def load(clean: Path, text: str, **settings: Any) -> Settings:
    (clean / "latchkey.toml").write_text(text, encoding="utf-8")
    return load_settings(**settings)


@pytest.mark.contract("settings from the environment or the file")
def test_entries_are_read_with_their_defaults(clean: Path) -> None:
    text = GOOD + 'groups_claim = "groups"\n[identity_provider.roles]\nadmins = ["administrator"]\n'
    [entry] = load(clean, text).identity_provider
    assert (entry.id, entry.name, entry.issuer) == ("acme-sso", "Acme SSO", "https://idp.acme.example/realms/main")
    assert entry.client_secret.get_secret_value() == SECRET and SECRET not in repr(entry)
    assert (entry.scopes, entry.username_claim) == (("openid", "profile", "email"), "preferred_username")
    assert entry.roles == {"admins": ("administrator",)} and not entry.create_users and not entry.required_claims


def test_the_secret_may_be_in_a_file_of_its_own(clean: Path) -> None:
    (clean / "secret").write_text(f"{SECRET}\n")
    text = GOOD.replace(f'client_secret = "{SECRET}"', f'client_secret_file = "{clean / "secret"}"')
    assert load(clean, text).identity_provider[0].client_secret.get_secret_value() == SECRET


def test_the_secret_may_come_by_a_pipe_which_is_read_once(clean: Path) -> None:
    pipe = clean / "pipe"
    os.mkfifo(pipe)
    text = GOOD.replace(f'client_secret = "{SECRET}"', f'client_secret_file = "{pipe}"')
    writer = threading.Thread(target=pipe.write_text, args=[f"{SECRET}\n"], daemon=True)
    writer.start()
    for _ in range(2):  # a worker reads the settings again
        assert load(clean, text).identity_provider[0].client_secret.get_secret_value() == SECRET
    writer.join()


def test_a_name_without_ascii_letters_has_an_id_too(clean: Path) -> None:
    ids = [load(clean, GOOD.replace("Acme SSO", name)).identity_provider[0].id for name in ("日本", "Ünï–X", "a" * 90)]
    assert ids[0].startswith("p-") and ids[1:] == ["unix", "a" * 40]


BAD: dict[str, tuple[str, str]] = {
    "no table": ('identity_provider = "x"', "tables [[identity_provider]]"),
    "an unknown field": (GOOD + 'colour = "red"', "entry 1 (Acme SSO): colour"),
    "no name": (GOOD.replace('name = "Acme SSO"', ""), "entry 1: name is needed"),
    "no issuer": ('[[identity_provider]]\nname = "A"\nclient_id = "a"\nclient_secret = "b"', "entry 1 (A): issuer"),
    "plain http": (GOOD.replace("https:", "http:"), "entry 1 (Acme SSO): issuer must be an https URL"),
    "this server": (f'issuer = "https://idp.acme.example/realms/main/"\n{GOOD}', "issuer is this server itself"),
    "this server in capitals": (
        'issuer = "https://idp.acme.example"\n' + GOOD.replace("idp.acme.example/realms/main", "IDP.acme.example"),
        "entry 1 (Acme SSO): issuer is this server itself",
    ),
    "a field in two spellings": (GOOD + 'Client_ID = "other"', "client_id is set twice"),
    "no secret": (GOOD.replace("client_secret", "# "), "either client_secret or private_key_jwt"),
    "both": (GOOD + "private_key_jwt = true", "either client_secret or private_key_jwt"),
    "no openid": (GOOD + 'scopes = ["email"]', "scopes must have openid"),
    "roles without groups": (GOOD + '[identity_provider.roles]\na = ["b"]', "roles needs groups_claim"),
    "a role that is a text": (GOOD + '[identity_provider.roles]\na = "b"', "roles must have a list"),
    "a number": (GOOD + "create_users = 1", "create_users must be true or false"),
    "a second of the same name": (GOOD + GOOD.replace("Acme SSO", "acme sso!"), "entry 2 (acme sso!): another entry"),
    "no such file": (GOOD + 'client_secret_file = "/nowhere"', "client_secret and client_secret_file are both set"),
    "an absent file": (
        GOOD.replace(f'client_secret = "{SECRET}"', 'client_secret_file = "/nowhere"'),
        "client_secret_file must be the path",
    ),
    "a required list": (GOOD + "[identity_provider.required_claims]\na = [1]", "required_claims must have a text"),
    "too many": (GOOD * 51, "must be at most 50"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_wrong_entry_stops_the_start_with_one_line_that_names_it(clean: Path, text: str, said: str) -> None:
    with pytest.raises(BadSettings) as raised:
        load(clean, text)
    message = str(raised.value)
    assert said in message and "IDENTITY_PROVIDER" in message and "\n" not in message and SECRET not in message


def test_plain_http_is_allowed_with_private_addresses(clean: Path) -> None:
    text = "allow_private_jwks_uri = true\n" + GOOD.replace("https://idp.acme.example", "http://127.0.0.1:9000")
    assert load(clean, text).identity_provider[0].issuer.startswith("http://127")
