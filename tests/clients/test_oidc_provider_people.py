"""Who somebody is that a real provider signs in, oidc-provider from npm: what changes there, and what is forged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.api import Admin
from tests.clients.test_oidc_provider import SECRET, SERVER, SETTINGS, client_of, oidc_provider
from tests.live import LiveServer
from tests.ports import free_port

ENTRY = SETTINGS.replace("Acme accounts", "{name}")
FORM = re.compile(r'<form[^>]*action="([^"]+)"')
PROMPT = re.compile(r'name="prompt" value="([^"]+)"')
MOST_STEPS = 12


@dataclass
class Accounts:
    """A provider that can be stopped and started with other keys, and what it says of some people."""

    folder: Path
    file: Path
    id: str
    client: dict[str, Any]
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **wanted: Any) -> None:
        self.say()
        self.running.enter_context(oidc_provider(self.folder, self.port, self.client, people=str(self.file), **wanted))

    def stop(self) -> None:
        self.running.close()

    def say(self, **people: dict[str, Any]) -> None:
        """Set what the provider says of these subjects from now on."""
        self.file.write_text(json.dumps(people), encoding="utf-8")


@dataclass
class People:
    """The server, and the two providers at which people sign in."""

    server: LiveServer
    admin: Admin
    acme: Accounts
    other: Accounts

    def begin(self, accounts: Accounts) -> tuple[httpx.Client, str]:
        """Return a browser, and where it is sent."""
        http = httpx.Client(base_url=self.server.url, timeout=30, trust_env=False)
        answer = http.get(f"/login/with/{accounts.id}")
        assert answer.status_code == 303, answer.text
        return http, answer.headers["location"]

    def answer(self, http: httpx.Client, url: str, subject: str) -> str:
        """Sign in on the provider's pages; return the address with which it sends the browser back."""
        response = http.get(url)
        for _ in range(MOST_STEPS):
            if response.is_redirect:
                url = urljoin(str(response.url), response.headers["location"])
                if url.startswith(self.server.url):
                    return url
                response = http.get(url)
                continue
            action, prompt = FORM.search(response.text), PROMPT.search(response.text)
            assert action and prompt, response.text
            fields = {"prompt": prompt[1], "login": subject, "password": "any"}
            response = http.post(urljoin(str(response.url), action[1]), data=fields)
        raise AssertionError("the provider sends nobody back")

    def sign_in(self, subject: str, accounts: Accounts | None = None) -> httpx.Response:
        """Sign in from the button to the session; return what the callback answers."""
        http, url = self.begin(accounts or self.acme)
        return http.get(self.answer(http, url, subject))

    def user(self, username: str) -> dict[str, Any]:
        [found] = self.admin.get(f"/users?username={username}").json()["items"]
        return dict(found)


@pytest.fixture
def people(tmp_path: Path, folder: Path) -> Iterator[People]:
    server = LiveServer(tmp_path / "instance", SERVER | {"passwords": "on"})
    server.instance.mkdir()
    both = [Accounts(folder, tmp_path / f"{name}.json", name, client_of(server, name)) for name in ("acme", "other")]
    entries = [ENTRY.format(name=one.id, issuer=one.issuer, secret=SECRET) for one in both]
    (server.instance / "latchkey.toml").write_text("".join(entries), encoding="utf-8")
    with ExitStack() as stack:
        for one in both:
            stack.callback(one.stop)
            one.start()
        stack.callback(server.kill)
        yield People(server.start(), Admin(server), *both)


def new_keys() -> dict[str, Any]:
    """Return a private JWK set that the provider has not used before."""
    key = dict(RSAAlgorithm.to_jwk(rsa.generate_private_key(65_537, 2048), as_dict=True))
    del key["key_ops"]  # the provider would publish them with the public key
    return {"keys": [key | {"kid": "rotated", "use": "sig", "alg": "RS256"}]}


@pytest.mark.asvs("6.8.1")
@pytest.mark.contract("a user is linked by issuer and subject, never by a name or an address")
@pytest.mark.contract("roles from groups follow each sign-in, and roles given here stay")
def test_a_person_is_the_subject_whatever_else_changes(people: People) -> None:
    people.admin.role("user", [], name="buyer")
    assert people.sign_in("s-ann").status_code == 303
    ann = people.user("s-ann")
    assert (ann["email"], ann["roles"]) == ("s-ann@acme.example", ["buyer"])
    people.acme.say(**{"s-ann": {"preferred_username": "anna", "email": "anna@acme.example", "groups": []}})
    assert people.sign_in("s-ann").status_code == 303
    assert people.user("s-ann") == ann | {"roles": [], "provided_roles": []}
    assert people.admin.get("/users?username=anna").json()["items"] == []
    assert people.sign_in("s-ann", people.other).status_code == 403  # the same subject of another issuer is another


@pytest.mark.asvs("6.8.1")
@pytest.mark.contract("a user is linked by issuer and subject, never by a name or an address")
def test_no_account_is_taken_over_by_its_name_or_address(people: People) -> None:
    victim = people.admin.user([])
    address = people.user(victim.username)["email"]
    people.acme.say(
        named={"preferred_username": victim.username, "email": address},
        addressed={"email": address},
        unverified={"email": "unverified@acme.example", "email_verified": False},
    )
    refused = people.sign_in("named")
    assert refused.status_code == 403 and "has your username already" in refused.text
    assert people.sign_in("addressed").status_code == people.sign_in("unverified").status_code == 303
    assert people.user("addressed")["email"] is None is people.user("unverified")["email"]
    assert people.user(victim.username)["email"] == address


@pytest.mark.asvs("10.2.1", "10.2.2")
@pytest.mark.contract("PKCE, nonce, `iss` and `state` are checked")
def test_an_answer_is_not_replayed_forwarded_or_mixed_up(people: People) -> None:
    http, url = people.begin(people.acme)
    answer = people.answer(http, url, "s-ann")
    another, _ = people.begin(people.acme)
    assert another.get(answer).status_code == 403  # of a browser that began another sign-in
    mixed, of_other = people.begin(people.other)
    assert mixed.get(people.answer(mixed, of_other, "s-bob").replace("/other?", "/acme?")).status_code == 403
    assert http.get(answer).status_code == 303
    assert http.get(answer).status_code == 403
    assert people.admin.get("/users?username=s-bob").json()["items"] == []


@pytest.mark.contract("a provider that is away stops nobody else")
def test_a_provider_may_rotate_its_keys_and_go_away(people: People) -> None:
    assert people.sign_in("s-ann").status_code == 303
    people.acme.stop()
    http = httpx.Client(base_url=people.server.url, timeout=30, trust_env=False)
    for _ in range(2):
        assert http.get("/login/with/acme").status_code in (303, 503)  # its metadata is kept for a while
        assert people.sign_in("s-bob", people.other).status_code == 303
    assert people.admin.get("/me", auth=people.admin.administrator.basic).status_code == 200
    people.acme.start(jwks=new_keys())
    assert people.sign_in("s-ann").status_code == 303
