"""When Latchkey does not respond, every request is refused."""

import secrets
from pathlib import Path

import pytest

from tests.api import Admin
from tests.conftest import StartServer
from tests.gateways.conftest import ORDERS, READ
from tests.gateways.programs import IN_FRONT_OF_APIS, Upstream, running


@pytest.mark.asvs("16.5.3")
@pytest.mark.parametrize("name", IN_FRONT_OF_APIS)
def test_every_request_is_refused_while_the_server_is_down(
    name: str, fresh_server: StartServer, upstream: Upstream, tmp_path: Path
) -> None:
    server = fresh_server()
    admin = Admin(server)
    admin.resource(public=[READ], identifier=ORDERS)
    key, client = admin.api_key(ORDERS)["key"], admin.client(serves=[ORDERS])
    values = {"LATCHKEY": server.url.removeprefix("http://"), "UPSTREAM": upstream.address, "RESOURCE": ORDERS}
    values |= {"ID": client.client_id, "SECRET": client.client_secret}
    with running(name, tmp_path / secrets.token_hex(4), values) as gateway:
        headers = {"Authorization": f"Bearer {key}"}
        assert gateway.http.get("/orders", headers=headers).status_code == 200
        server.kill()
        upstream.seen = []
        assert gateway.http.get("/orders", headers=headers).status_code >= 400
        assert upstream.seen == []
        server.start()
        assert gateway.http.get("/orders", headers=headers).status_code == 200
