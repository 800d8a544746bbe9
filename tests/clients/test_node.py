"""The npm packages openid-client and oauth4webapi: discovery, each grant and client authentication, introspection."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Admin, Client, Json
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Kind, World, scopes_of
from tests.live import LiveServer
from tests.machine import require_program
from tests.spec.client_keys import new_key, register

SCRIPTS = ("oauth4webapi_client.mjs", "openid_client.mjs")
METHODS = ("client_secret_basic", "client_secret_post", "ES256", "RS256", "PS256")
PATIENCE = 60  # seconds


def run(folder: Path, script: str, asked: Json) -> Json:
    done = subprocess.run(
        [require_program("node"), script], cwd=folder, input=json.dumps(asked), capture_output=True, text=True,
        timeout=PATIENCE, env={"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer: Json = json.loads(done.stdout)
    return answer


def authentication(world: World, method: str) -> Json:
    """Create a client of that method, with the role, that serves the resource; return the input of the script."""
    roles, serves = [world.machine_role["name"]], [world.identifier]
    if method.startswith("client_secret"):
        made: Client = world.admin.client(roles, serves, token_endpoint_auth_method=method)
        return {"client_id": made.client_id, "method": method, "secret": made.client_secret}
    key = new_key(method)
    keyed = register(world.admin, key, roles=roles, serves=serves)
    private: Any = json.loads(_algorithm(method).to_jwk(key.private))
    private.pop("key_ops", None)
    return {
        "client_id": keyed.client_id,
        "method": "private_key_jwt",
        "jwk": private | {"kid": key.kid},
        "algorithm": method,
    }


def _algorithm(method: str) -> Any:
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    return ECAlgorithm if method == "ES256" else RSAAlgorithm


@pytest.mark.spec("RFC 8414 §3", "RFC 6749 §4.4", "RFC 7662 §2", "RFC 7009 §2", "RFC 8693 §2")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_node_client_does_all_it_can_with_each_authentication(
    world: World, folder: Path, script: str, method: str
) -> None:
    asked = authentication(world, method)
    about = {"issuer": world.admin.issuer, "scope": world.read, "resource": world.identifier}
    result = run(folder, script, asked | about | {"subject_token": world.issue("pat").token})
    assert scopes_of(result["granted"]) == {world.read} and result["granted"]["token_type"].lower() == "bearer"
    introspected = result["introspected"]
    assert introspected["active"] is True and introspected["client_id"] == asked["client_id"]
    assert scopes_of(result["exchanged"]) == {world.read}
    assert result["revoked"] is True and result["afterwards"] == {"active": False}
    if "signed" in result:  # oauth4webapi alone reads signed answers, and verifies access tokens itself
        assert result["signed"] == introspected
        assert result["locally"]["sub"] == asked["client_id"] and result["locally"]["scope"] == world.read


@pytest.fixture(scope="module")
def demanding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """A server that demands its nonce in every proof."""
    live = LiveServer(tmp_path_factory.mktemp("demanding") / "instance", {"dpop_nonce": "required"}).start()
    yield Admin(live)
    live.stop()


@pytest.mark.contract("an independent client library sends DPoP proofs, with the nonce")
@pytest.mark.spec("RFC 9449 §5", "RFC 9449 §7.1", "RFC 9449 §8")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "Ed25519"])
def test_a_node_client_proves_its_key_and_finds_the_nonce(demanding: Admin, folder: Path, algorithm: str) -> None:
    management = f"{demanding.issuer}/api/v1"
    client = demanding.client([demanding.role("machine", ["roles:read"])], [management], dpop_bound_access_tokens=True)
    asked = {"issuer": demanding.issuer, "resource": management, "url": f"{management}/roles?limit=1"}
    asked |= {"client_id": client.client_id, "secret": client.client_secret, "algorithm": algorithm}
    result = run(folder, "dpop_client.mjs", asked)
    assert result["granted"]["token_type"].lower() == "dpop"
    assert result["introspected"]["cnf"] == {"jkt": result["jkt"]}
    assert (result["opened"], result["bearer"]) == (200, 401)


@pytest.mark.contract("a status list is verified by software of others")
@pytest.mark.spec("draft-ietf-oauth-status-list §8.3")
@pytest.mark.parametrize("kind", KINDS)
def test_a_node_server_sees_a_revocation_in_the_status_list(world: World, folder: Path, kind: Kind) -> None:
    source, client = world.issue(kind), world.client if kind == "m2m" else None
    token = source.token
    if kind != "m2m":
        token = str(world.admin.exchange(source.token, CREDENTIAL_TYPE[kind]).json()["access_token"])
    asked = {"issuer": world.admin.issuer, "token": token, "audience": world.identifier}
    valid = {"status": 0, "type": "application/statuslist+jwt", "ttl": 5, "named": True, "unchanged": 304}
    assert run(folder, "status_list_client.mjs", asked) == valid
    assert world.admin.revoke(source.token, client).status_code == 200  # and with it what was exchanged for it
    assert run(folder, "status_list_client.mjs", asked) == valid | {"status": 1}
