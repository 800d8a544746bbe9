"""Rotation without a gap: while every secret is rotated, no valid request is refused."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.set_up import set_up_instance
from app.crypto.signing import SigningKeys
from app.errors import BadSettings
from app.settings.settings import Settings
from tests.api import Admin, expect
from tests.cluster import program
from tests.contract.world import create_world
from tests.databases import PostgresqlDatabase
from tests.durability.callers import Callers, Load, Targets, until
from tests.live import LiveServer, environment
from tests.machine import lacking
from tests.ports import free_port

OLD, NEW = "the previous secret key: " + "o" * 32, "the current secret key: " + "n" * 32
EVERY, MAX_AGE = 2, 1  # seconds: of the schedule, and that the JWK set may be kept
PUBLISH_AHEAD = 2 * MAX_AGE
ALMOST = PUBLISH_AHEAD - 0.1  # seconds that a verifier keeps the JWK set


class Pair:
    """Two nodes on one PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        program("initdb") or lacking("PostgreSQL server")
        self.database = PostgresqlDatabase(folder / "both")
        settings = self.database.settings | {
            "issuer": f"http://127.0.0.1:{free_port()}",
            "secret_key": OLD,
            "signing_key_rotation": str(EVERY),
            "jwks_max_age": str(MAX_AGE),
        }
        self.nodes = [LiveServer(folder / f"node{number}", settings) for number in range(2)]
        for node in self.nodes:
            node.start()
        self.targets = Targets(*(node.url for node in self.nodes))
        self.admin = Admin(self.nodes[0])

    def callers(self) -> Callers:
        """Return the callers of an organisation of their own."""
        return Callers(create_world(self.admin), self.targets, ALMOST)

    def change(self, number: int, load: Load, **settings: str) -> None:
        """Restart a node with other settings."""
        node = self.nodes[number]
        node.settings |= settings
        with self.targets.drained(node.url):
            node.restart()
        load.go_on()

    def sealed_before(self, *accepted: str) -> int:
        """Count the keys that the first of these does not open alone; raises BadSettings when all do not."""
        with self.database.engine().connect() as connection:
            keys = SigningKeys(lambda: accepted)
            keys.check_seal(connection)
            return keys.sealed_before(connection)

    def rotations(self) -> list[tuple[int, str]]:
        """Return when the signing keys were rotated (in microseconds) and the actor, oldest first."""
        query = "SELECT at, actor_type FROM audit_event WHERE action = 'signing_key.rotate' ORDER BY id"
        return [(int(at), str(who)) for at, who in self.database.execute(query)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("rotation"))
    yield made
    for node in made.nodes:
        node.kill()
    made.database.drop()


@pytest.mark.asvs("11.2.2")
@pytest.mark.contract(
    "signing keys rotate by hand and by schedule under load: no request fails, one of the nodes does it"
)
def test_signing_keys_turn_by_hand_and_by_schedule_under_load(pair: Pair) -> None:
    callers, admin = pair.callers(), pair.admin
    with Load(callers.works).running() as load:
        careful = {"only_when_known": True}
        until(lambda: admin.post("/signing-keys/rotate", careful).status_code == 200, "the next key never became ready")
        expect(409, admin.post("/signing-keys/rotate", careful))
        seen = len(pair.rotations())
        until(lambda: len(pair.rotations()) >= seen + 2, "the schedule did nothing")
        load.go_on()
    rotated = pair.rotations()
    assert [who for _, who in rotated[seen - 1 : seen + 2]] == ["client", "server", "server"]
    assert all(later - sooner >= PUBLISH_AHEAD * 1_000_000 for (sooner, _), (later, _) in itertools.pairwise(rotated))
    assert len(set(callers.kids)) >= 3
    keys = pair.database.execute("SELECT state FROM signing_key WHERE state <> 'retiring' ORDER BY state")
    assert keys == [("active",), ("next",)]


@pytest.mark.contract("client secrets and API keys are replaced under load, and the old ones are refused")
def test_client_secrets_and_api_keys_change_hands_under_load(pair: Pair) -> None:
    callers = pair.callers()
    world = callers.world
    old_basic, old_key = callers.basic, callers.key
    with Load(callers.works).running() as load:
        second = world.admin.create(f"/clients/{world.client.id}/secrets", {"name": "second"})
        callers.basic = (world.client.client_id, second["client_secret"])
        key_id = world.admin.introspect(old_key)["jti"]
        rotated = expect(200, world.admin.post(f"/api-keys/{key_id}/rotate", {"overlap_seconds": 600})).json()
        assert callers.active(old_key), "the old secret works until the overlap ends"
        callers.key = rotated["key"]
        load.go_on()
        [first] = [
            secret
            for secret in world.admin.get(f"/clients/{world.client.id}/secrets").json()["items"]
            if secret["id"] != second["id"]
        ]
        world.admin.remove(f"/clients/{world.client.id}/secrets/{first['id']}")
        again = expect(200, world.admin.post(f"/api-keys/{key_id}/rotate", {"overlap_seconds": 1})).json()
        callers.key = again["key"]
        load.go_on()
        for _ in pair.nodes:
            expect(401, callers.ask_token(old_basic))
        until(lambda: not callers.active(rotated["key"]), "the overlap never ended")


@pytest.mark.asvs("11.1.1")
@pytest.mark.contract("SECRET_KEY is replaced on two nodes in four steps under load; then the old one opens nothing")
def test_a_secret_key_rolls_over_two_nodes_under_load(pair: Pair) -> None:
    callers = pair.callers()
    cookies_of_before = dict(callers.browser.cookies)
    with Load(callers.works).running() as load:
        pair.change(0, load, previous_secret_keys=NEW)  # step 1
        pair.change(1, load, secret_key=NEW, previous_secret_keys=OLD)  # step 2, beside a node of step 1
        pair.change(0, load, secret_key=NEW, previous_secret_keys=OLD)
        callers.browser.first_form = callers.browser.open_form()
        assert run(pair.nodes[0], "secret-key", "reseal") > 0  # step 3
        assert pair.sealed_before(NEW) == 0
        pair.change(1, load, previous_secret_keys="")  # step 4, beside a node of step 2
        pair.targets.only(pair.nodes[1].url)
        load.go_on()
    assert who_is_in(pair.targets, cookies_of_before) == 303
    stranger = Settings(instance_dir=pair.nodes[0].instance, secret_key=OLD, **pair.database.settings)
    with pytest.raises(BadSettings, match="SECRET_KEY does not open the signing keys"):
        set_up_instance(stranger, moving=False)


@pytest.mark.contract("the kept SECRET_KEY is replaced under a running server, and never lost")
def test_the_kept_key_is_replaced_while_the_server_runs(tmp_path: Path) -> None:
    live = LiveServer(tmp_path / "instance", {"jwks_max_age": str(MAX_AGE)}).start()
    targets = Targets(live.url)
    try:
        world = create_world(Admin(live))
        callers = Callers(world, targets, ALMOST)
        with Load(callers.works).running() as load:
            assert run(live, "secret-key", "rotate") == 2
            for _ in range(2):  # the second key to sign was sealed under a key that the server did not start with
                until(lambda: world.admin.post("/signing-keys/rotate", {"only_when_known": True}).status_code == 200)
                load.go_on()
            with targets.drained(live.url):
                live.restart()
            load.go_on()
        assert len(set(callers.kids)) == 3
        with live.database.engine().connect() as connection:
            assert SigningKeys((live.instance / "secret_key").read_text()).sealed_before(connection) == 0
    finally:
        live.kill()


def who_is_in(targets: Targets, cookies: dict[str, str]) -> int:
    """Return the status of the account's page for a browser with these cookies."""
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return targets("GET", "/account", headers={"Cookie": cookie}).status_code


def run(node: LiveServer, *command: str) -> int:
    """Run a `secret-key` command with a node's settings; return how many signing keys were sealed again."""
    ours: dict[str, str | None] = {name: None for name in os.environ if name.startswith("LATCHKEY_")}
    done = CliRunner().invoke(main, [*command, "--json"], env=ours | environment(node.instance, node.settings))
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["sealed"])
