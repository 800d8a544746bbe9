"""Two servers on one PostgreSQL send each event once, in order; the libraries of Standard Webhooks verify it."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from tests.api import Admin
from tests.clients.test_node import run
from tests.cluster import program
from tests.databases import PostgresqlDatabase
from tests.durability.callers import until
from tests.live import LiveServer
from tests.machine import lacking
from tests.ports import free_port
from tests.receiver import Receiver, receiving

USERS = 12
UNUSED = "whsec_" + "A" * 43 + "="


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[LiveServer]]:
    """Two nodes that may send to loopback."""
    program("initdb") or lacking("PostgreSQL server")
    settings = PostgresqlDatabase(tmp_path / "both").settings | {
        "issuer": f"http://127.0.0.1:{free_port()}",
        "secret_key": "the secret key of both: " + "k" * 32,
        "allow_private_jwks_uri": "true",
    }
    with ExitStack() as stack:
        nodes = [LiveServer(tmp_path / f"node{number}", settings) for number in range(2)]
        for node in nodes:
            node.start()
            stack.callback(node.stop)
        yield nodes


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.mark.contract("several nodes send each notice once")
def test_two_nodes_send_each_event_once_and_both_libraries_verify_it(
    pair: list[LiveServer], receiver: Receiver, folder: Path
) -> None:
    admin = Admin(pair[0])
    headers = {"Authorization": f"Bearer {admin.token()}"}
    made = admin.post("/webhooks", {"url": receiver.url, "events": ["user.create", "user.update"]})
    assert made.status_code == 201, made.text
    for number in range(USERS):
        first, second = pair[number % 2].http, pair[(number + 1) % 2].http
        created = first.post("/api/v1/users", json={"username": f"user{number}"}, headers=headers)
        path = f"/api/v1/users/{created.json()['id']}"
        assert second.patch(path, json={"display_name": "A"}, headers=headers).status_code == 200
    until(lambda: len(receiver.sent) >= 2 * USERS)
    bodies = [json.loads(sent.body) for sent in receiver.sent]
    assert Counter(sent.headers["webhook-id"] for sent in receiver.sent).most_common(1)[0][1] == 1
    types: dict[str, list[str]] = {}
    for body in bodies:
        types.setdefault(body["data"]["target"], []).append(body["type"])
    assert list(types.values()) == [["user.create", "user.update"]] * USERS
    sent, secret = receiver.sent[-1], made.json()["secret"]
    assert Verifier(secret).verify(sent.body, sent.headers) == bodies[-1]
    asked = {"secrets": [secret, UNUSED], "headers": sent.headers, "body": sent.body.decode()}
    assert run(folder, "standard_webhooks.mjs", asked)["verified"] == [bodies[-1]["type"], "WebhookVerificationError"]
    until(lambda: admin.get(f"/webhooks/{made.json()['id']}").json()["delivered_at"] is not None)
