"""With a database elsewhere and all secrets set, nothing on the disk has to be writable, by any user."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, program
from tests.live import COMMAND, LiveServer
from tests.machine import lacking, require_program

NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"]  # a user without a home folder, perhaps without a name
READ_ONLY = (
    'mount --bind / / && mount -o remount,bind,ro / && if mountpoint -q "$0"; then mount -o remount,bind,ro "$0"; fi'
)
NO_MEMORY = "mount -t tmpfs -o ro tmpfs /dev/shm"
SECRET = "a secret of ours"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if program("initdb") is None:
        lacking("PostgreSQL server")
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    require_program("setpriv")
    running = Cluster()
    Path(running.url("x").partition("host=")[2]).chmod(0o711)  # for the users that connect to its socket
    yield running
    running.stop()


class Confined(LiveServer):
    """A server run by the user nobody; after `prepare`, in its own mount namespace."""

    def __init__(self, instance: Path, settings: dict[str, str], *prepare: str, workers: int = 1) -> None:
        super().__init__(instance, settings, workers)
        as_nobody = ["setpriv", *NOBODY, "--pdeathsig=KILL", str(COMMAND)]
        script = " && ".join([*prepare, 'exec "$@"'])
        confined = ["unshare", "--mount", "sh", "-c", script, "/tmp"]  # noqa: S108 - becomes read-only
        self.command = [*confined, *as_nobody] if prepare else as_nobody

    def works(self) -> None:
        """Check that it is ready and accepts the client of the settings."""
        assert self.http.get("/readyz").status_code == 200
        asked = self.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("first", SECRET))
        assert asked.status_code == 200 and asked.json()["scope"]
        assert b"latchkey_request_seconds" in self.http.get("/metrics").content


@pytest.fixture
def settings(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    name = f"db_{os.getpid()}_{id(request)}"
    cluster.create(name)
    yield {
        "database_url": cluster.url(name),
        "secret_key": "k" * 40,
        "bootstrap_admin_password": "correct horse battery",
        "bootstrap_client_id": "first",
        "bootstrap_client_secret": SECRET,
    }
    cluster.drop(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may read, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="latchkey-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def may_mount() -> None:
    """Return whether mounting is allowed; it seldom is in a container."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a mount namespace")


@pytest.mark.contract("a read-only disk, any user")
def test_an_instance_folder_that_is_read_only_is_enough(settings: dict[str, str], folder: Path) -> None:
    (folder / "instance").mkdir(mode=0o555)
    live = Confined(folder / "instance", settings)
    try:
        live.start()
        live.works()
        assert live.stop() == 0
        assert list((folder / "instance").iterdir()) == []
        live.start()
        live.works()
    finally:
        live.kill()


@pytest.mark.contract("a read-only disk, any user")
@pytest.mark.usefixtures("may_mount")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_read_only_root_and_no_shared_memory_are_enough(settings: dict[str, str], folder: Path, workers: int) -> None:
    (folder / "instance").mkdir()
    live = Confined(folder / "instance", settings, READ_ONLY, NO_MEMORY, workers=workers)
    try:
        live.start()
        live.works()
        assert f"{folder / 'instance' / 'metrics'}, /tmp, /var/tmp, /dev/shm" in live.log_text()
    finally:
        live.kill()
    assert list((folder / "instance").iterdir()) == []


@pytest.mark.contract("a read-only disk, any user")
@pytest.mark.usefixtures("may_mount")
@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("bootstrap_client_id", "BOOTSTRAP_CLIENT_ID"),
        ("secret_key", "secret_key cannot be read or written: Read-only file system"),
        ("database_url", "latchkey.db"),
    ],
)
def test_a_missing_setting_is_named_in_one_line(
    settings: dict[str, str], folder: Path, left_out: str, said: str
) -> None:
    (folder / "instance").mkdir()
    chosen = settings | {"database_url": "sqlite:///latchkey.db"} if left_out == "database_url" else dict(settings)
    if left_out != "database_url":
        del chosen[left_out]
    live = Confined(folder / "instance", chosen, READ_ONLY)
    with pytest.raises(AssertionError, match="did not start") as refused:
        live.start()
    lines = str(refused.value).splitlines()[1:]
    assert len(lines) == 1 and lines[0].startswith("latchkey: ") and said in lines[0]
