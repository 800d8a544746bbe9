"""A server whose environment has foreign variables, and whose secret comes from a pipe."""

import os
import threading
from pathlib import Path

from tests.conftest import StartServer
from tests.live import LiveServer

LINKS = {
    "port": "tcp://10.0.0.9:8080",
    "port_8080_tcp": "tcp://10.0.0.9:8080",
    "port_8080_tcp_addr": "10.0.0.9",
    "service_host": "10.0.0.9",
    "service_port": "8080",
    "db_service_host": "fd00::9",
}


def test_variables_of_a_kubernetes_service_are_ignored_and_logged_once(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2, **LINKS)
    said = [record for record in live.log_records() if "names" in record]
    assert [record["names"] for record in said] == [sorted(f"LATCHKEY_{name.upper()}" for name in LINKS)]
    assert live.http.get("/readyz").status_code == 200


def test_a_secret_that_comes_down_a_pipe_reaches_every_worker(tmp_path: Path) -> None:
    """Workers, and the ones that replace them, read the settings again, but a pipe can be read only once."""
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=(tmp_path / "pipe").write_text, args=("k" * 40 + "\n",), daemon=True)
    writing.start()
    live = LiveServer(tmp_path / "instance", {"secret_key_file": str(tmp_path / "pipe")}, workers=2)
    try:
        live.start()
        assert live.http.get("/readyz").status_code == 200
        assert not (live.instance / "secret_key").exists()
    finally:
        live.kill()
    writing.join(10)
    assert not writing.is_alive()


def test_the_server_runs_though_its_start_message_cannot_be_printed(tmp_path: Path) -> None:
    live = LiveServer(tmp_path / "instance-日本")
    live.command = ["bash", "-c", 'exec "$@" >/dev/full <&-', "-", *live.command]
    try:
        assert live.start().http.get("/readyz").status_code == 200
        assert live.stop() == 0
    finally:
        live.kill()
    assert "Traceback" not in live.log_text() and "Errno" not in live.log_text()
