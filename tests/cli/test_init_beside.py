"""`latchkey init` beside a running server changes nothing that the server uses."""

import subprocess

from tests.api import Admin
from tests.conftest import StartServer
from tests.live import COMMAND, environment


def test_init_with_the_default_issuer_leaves_a_servers_own_alone(fresh_server: StartServer) -> None:
    server = fresh_server()
    admin, issuer = Admin(server), server.issuer
    run = subprocess.run(
        [COMMAND, "init"], env=environment(server.instance), capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert server.issuer == issuer
    assert admin.get("/resources").status_code == 200
