"""The time of a credential's last use is stored when the server stops, by each of its processes."""

import httpx

from tests.api import Admin
from tests.conftest import StartServer


def test_a_clean_stop_stores_the_last_uses(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    admin = Admin(live)
    api = admin.resource(public=["used:read"])
    keys = [admin.api_key(api) for _ in range(12)]
    for key in keys:  # a new connection for each, so that both workers get some
        asked = {"resource": api["identifier"]}
        with httpx.Client(
            base_url=live.url, trust_env=False, verify=False, headers={"X-API-Key": key["key"]}
        ) as gateway:
            assert gateway.get("/oauth/forward-auth", params=asked).status_code == 200
    admin.http.close()
    assert live.stop() == 0
    assert live.database.execute("SELECT count(last_used_at) FROM api_key") == [(len(keys),)]
