"""`latchkey doctor` names problems and how to fix them; `latchkey demo` and `serve --demo` create an example."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.comparison.user_browser import UserBrowser
from tests.api import Admin, Client
from tests.cli.test_serve import answers, run, until
from tests.conftest import StartServer
from tests.databases import database_in
from tests.live import LiveServer, environment
from tests.machine import require_program
from tests.ports import free_port


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("demo") / "instance")
    live.arguments = ["--demo"]
    yield live.start()
    live.kill()


def verdicts(instance: Path, code: int, **settings: str) -> dict[str, str]:
    """Return the verdict of each check, and assert the exit code."""
    done = run(instance, "doctor", "--json", **settings)
    assert done.returncode == code, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["well"] is (code == 0)
    assert all(finding["mend"] for finding in said["findings"] if finding["verdict"] != "ok")
    return {finding["check"]: finding["verdict"] for finding in said["findings"]}


def test_a_running_server_is_well(fresh_server: StartServer) -> None:
    live = fresh_server()
    found = verdicts(live.instance, 0, port=str(live.port))
    assert set(found.values()) == {"ok"}
    assert {"settings", "database", "signing keys", "administrator", "server", "clock", "issuer"} <= set(found)


@pytest.mark.asvs("13.3.2")
def test_doctor_prints_text_for_a_person(instance: Path) -> None:
    (instance / "secret_key").chmod(0o644)
    done = run(instance, "doctor")
    assert done.returncode == 1
    assert "PROBLEM  mode of secret_key: 0644: others can read it" in done.stdout
    assert f"→ chmod 600 {instance / 'secret_key'}" in done.stdout


def test_a_bad_setting_is_a_finding(instance: Path) -> None:
    assert verdicts(instance, 1, colour="red") == {"settings": "problem"}


def test_an_instance_that_is_not_set_up(tmp_path: Path) -> None:
    found = verdicts(tmp_path / "nothing", 1)
    assert (found["database"], found["secret key"]) == ("problem", "problem")
    assert "first credentials" not in found  # nothing is said of a file that there never was


def test_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "latchkey.db").touch(0o600)
    (tmp_path / "secret_key").write_text("k" * 40)
    found = verdicts(tmp_path, 1)
    assert found["database"] == "problem" and "first credentials" not in found


def test_a_deleted_bootstrap_file_is_as_it_should_be(instance: Path) -> None:
    (instance / "bootstrap.json").unlink()
    assert verdicts(instance, 0)["first credentials"] == "ok"


def test_a_lost_secret_key_is_named_and_not_made_again(instance: Path) -> None:
    (instance / "secret_key").unlink()
    assert verdicts(instance, 1)["secret key"] == "problem"
    assert "secret_key does not exist: restore it" in run(instance, "user", "list").stderr
    assert not (instance / "secret_key").exists()


@pytest.mark.parametrize(
    "command",
    ["doctor", "user list", "audit verify", "backup copy", "secret-key reseal", "secret-key rotate", "scan --check ."],
)
def test_a_command_on_an_empty_folder_makes_nothing_and_says_what_to_do(tmp_path: Path, command: str) -> None:
    done = run(tmp_path / "instance", *command.split())
    assert done.returncode in (1, 2)
    assert "run `latchkey init`" in done.stdout + done.stderr
    assert not (tmp_path / "instance").exists()


def test_a_database_that_cannot_be_reached(instance: Path) -> None:
    done = run(instance, "doctor", database_url="postgresql://u:hush@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "PROBLEM  database: " in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_a_newer_database(instance: Path) -> None:
    database_in(instance).execute("UPDATE alembic_version SET version_num = '9999'")
    assert verdicts(instance, 1)["database"] == "problem"


def test_a_secret_key_that_opens_nothing(instance: Path) -> None:
    assert verdicts(instance, 1, secret_key="another key, of thirty-two characters")["signing keys"] == "problem"


@pytest.mark.contract("`latchkey doctor` reports old seals and overdue keys")
def test_keys_that_are_sealed_by_a_previous_secret_key(instance: Path) -> None:
    old = (instance / "secret_key").read_text()
    changed = {"secret_key": "another key, of thirty-two characters", "previous_secret_keys": old}
    assert verdicts(instance, 0, **changed)["signing keys"] == "warning"
    assert run(instance, "secret-key", "reseal", **changed).returncode == 0
    assert verdicts(instance, 0, **changed)["signing keys"] == "ok"


@pytest.mark.contract("`latchkey doctor` reports old seals and overdue keys")
def test_a_signing_key_that_is_older_than_the_schedule(instance: Path) -> None:
    assert verdicts(instance, 0)["rotation"] == "ok"
    database_in(instance).execute("UPDATE signing_key SET created_at = created_at - :days", days=91 * 86_400 * 10**6)
    assert verdicts(instance, 0)["rotation"] == "warning"
    assert verdicts(instance, 0, signing_key_rotation="0")["rotation"] == "ok"


def test_a_database_without_an_administrator(instance: Path) -> None:
    database_in(instance).execute("DELETE FROM role_permission")
    assert verdicts(instance, 1)["administrator"] == "problem"


@pytest.mark.contract("latchkey doctor names the administrators who could be locked out")
def test_an_administrator_who_could_be_locked_out(instance: Path) -> None:
    assert verdicts(instance, 0)["second factors"] == "ok"
    assert verdicts(instance, 0, require_second_factor="administrators")["second factors"] == "warning"
    admin = "(SELECT id FROM \"user\" WHERE username = 'admin')"
    row = f"{admin}, :sealed, 0, 0, 0"
    insert = "INSERT INTO one_time_code (user_id, sealed_secret, created_at, confirmed_at, last_step)"
    database_in(instance).execute(f"{insert} VALUES ({row})", sealed=b"sealed")
    done = run(instance, "doctor")
    assert "admin would be locked out" in done.stdout and "reset-factors" in done.stdout
    reset = run(instance, "user", "reset-factors", "admin", "--json")
    assert reset.returncode == 0 and json.loads(reset.stdout)["username"] == "admin"
    assert verdicts(instance, 0)["second factors"] == "ok"
    assert run(instance, "user", "reset-factors", "admin").returncode == 1


@pytest.mark.contract("latchkey doctor names the administrators who could be locked out")
def test_an_administrator_who_has_no_way_in_without_passwords(instance: Path) -> None:
    fields = ("--name", "Acme", "--issuer", "https://idp.example", "--client-id", "us", "--private-key-jwt")
    provider = json.loads(run(instance, "identity-provider", "create", *fields, "--json").stdout)["id"]
    for passwords, verdict in (("on", "ok"), ("administrators", "ok"), ("off", "warning")):
        assert verdicts(instance, 0, passwords=passwords)["sign-in"] == verdict
    assert "off, and admin cannot sign in" in run(instance, "doctor", passwords="off").stdout
    linked = run(instance, "user", "identity", "add", "admin", "--provider", provider, "--subject", "s-1")
    assert linked.returncode == 0, linked.stderr
    assert verdicts(instance, 0, passwords="off")["sign-in"] == "ok"
    database_in(instance).execute("UPDATE identity_link SET issuer = 'https://gone.example'")
    assert verdicts(instance, 0, passwords="off")["sign-in"] == "warning"


def test_a_redis_that_does_not_answer(instance: Path) -> None:
    assert verdicts(instance, 1, redis_url="redis://127.0.0.1:1/0")["Redis"] == "problem"


def test_an_issuer_that_is_not_the_servers(instance: Path) -> None:
    found = verdicts(instance, 0, issuer="https://elsewhere.example")
    assert (found["issuer"], found["management API"], found["trusted proxies"]) == ("warning",) * 3


@contextmanager
def caddy_before(live: LiveServer, folder: Path, dropping: str) -> Iterator[None]:
    """Run Caddy at the server's issuer, with these directives for headers."""
    recipe = f"{{\nadmin off\n}}\n{live.settings['issuer']} {{\n{dropping}\nreverse_proxy 127.0.0.1:{live.port}\n}}\n"
    (folder / "Caddyfile").write_text(recipe, encoding="utf-8")
    command = [require_program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caddy:
        try:
            assert until(lambda: answers(live.settings["issuer"]))
            yield
        finally:
            caddy.terminate()


@pytest.mark.asvs("4.1.3")
@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@pytest.mark.parametrize(("dropping", "code"), [("", 1), ("request_header -*_*", 0)])
def test_a_proxy_that_hands_on_names_with_underscores(
    fresh_server: StartServer, tmp_path: Path, dropping: str, code: int
) -> None:
    settings = {"issuer": f"http://127.0.0.1:{free_port()}", "trusted_proxies": "127.0.0.0/8"}
    live = fresh_server(**settings)
    with caddy_before(live, tmp_path, dropping):
        found = verdicts(live.instance, code, port=str(live.port), **settings)
    assert found["server"] == "ok"
    assert found.get("proxy") == ("problem" if code else None)


REFUSING = "@forged header Client-Cert *\nerror @forged 400\n@spelt header Client_Cert *\nerror @spelt 400"
ARRIVING = {
    "": "Client-Cert and Client_Cert",
    "request_header -Client-Cert": "Client_Cert",
    "request_header -*_*": "Client-Cert",
    "request_header -Client-Cert\nrequest_header -*_*": "",
    f"request_header -Latchkey_Probe\n{REFUSING}": "",
}


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@pytest.mark.spec("RFC 9440 §4")
def test_a_proxy_that_hands_on_a_callers_own_certificate(fresh_server: StartServer, tmp_path: Path) -> None:
    settings = {"issuer": f"http://127.0.0.1:{free_port()}", "trusted_proxies": "127.0.0.0/8"}
    settings["client_certificate_proxy"] = "rfc9440"
    live = fresh_server(**settings)
    for dropping, arriving in ARRIVING.items():
        with caddy_before(live, tmp_path, dropping):
            done = run(live.instance, "doctor", "--json", port=str(live.port), **settings)
        assert done.returncode == (1 if arriving else 0), done.stdout
        found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
        assert found["server"]["verdict"] == "ok"
        assert ("client certificates" in found) is bool(arriving), dropping
        if arriving:
            assert f"own {arriving}:" in found["client certificates"]["found"]
            assert "Client-Cert" in found["client certificates"]["mend"]


def test_the_demo_is_created_once_and_says_so(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    made = json.loads(run(instance, "demo", "--json").stdout)
    assert [thing["kind"] for thing in made] == ["user"] * 2 + ["client"] * 4 + ["personal access token", "API key"]
    again = run(instance, "demo")
    assert (again.returncode, again.stdout) == (0, "")
    assert "already" in again.stderr


@pytest.mark.contract("`--demo`")
def test_the_demo_of_a_server_works_with_the_secrets_it_prints(demo_server: LiveServer) -> None:
    printed = demo_server.stdout_file.read_text()
    secret = dict(re.findall(r"#   (?:client|API key|personal access token) +(\S.*?)  +\S+ +(lk_\S+)$", printed, re.M))
    identity = dict(re.findall(r"#   client +(\S.*?)  +(\S+) +lk_\S+$", printed, re.M))
    admin = Admin(demo_server)
    robot = Client("", identity["Warehouse robot"], secret["Warehouse robot"])
    server = Client("", identity["Stock API"], secret["Stock API"])
    token = admin.m2m(robot, scope="stock:write")
    assert [admin.active(t, server) for t in (token, secret["Shop window"], secret["Alice's laptop"])] == [True] * 3
    admin.http.close()


def test_the_app_of_the_demo_gets_tokens_by_the_printed_lines(demo_server: LiveServer) -> None:
    """Walk as the printed lines say, with what a browser does in between."""
    [password] = re.findall(r"#   user +alice +\S+ +(\S+)$", demo_server.stdout_file.read_text(), re.M)
    printed = paste("bash", demo_server, "echo verifier=$V\n").stdout
    [address], [verifier] = (re.findall(p, printed, re.M) for p in (r"^http\S+/oauth/authorize\S+$", "^verifier=(.+)$"))
    client = {"client_id": parse_qs(urlsplit(address).query)["client_id"][0]}
    with httpx.Client(base_url=demo_server.url) as http:
        code = UserBrowser(http, "alice", password).authorize(address, ["stock:read"])
        grant = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        tokens = http.post("/oauth/token", data=client | grant).raise_for_status().json()
        again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert http.post("/oauth/token", data=client | again).raise_for_status().json()["scope"] == "stock:read"


def paste(shell: str, live: LiveServer, more: str = "") -> subprocess.CompletedProcess[str]:
    """Feed the block, without the comments before it, and further lines to an interactive shell's stdin."""
    block = "".join(line for line in live.stdout_file.open() if not line.startswith("#"))
    command = [require_program("zsh"), "-f", "-i", "-s"] if shell == "zsh" else ["bash"]
    settings = environment(live.instance) | {"PROMPT": "", "PS1": ""}
    settings["PATH"] = f"{Path(sys.executable).resolve().parent}:{settings['PATH']}"  # python3 without pyenv's script
    return subprocess.run(
        command, input=block + more, capture_output=True, text=True, timeout=60, check=True, env=settings
    )


@pytest.mark.contract("the first start prints where to look, and commands that work when pasted")
@pytest.mark.parametrize("demo", [False, True], ids=["new objects", "demo"])
def test_the_printed_block_works_when_pasted(request: pytest.FixtureRequest, demo: bool) -> None:
    live = request.getfixturevalue("demo_server") if demo else request.getfixturevalue("fresh_server")()
    for shell in ("zsh", "bash") if demo else ("bash", "zsh"):  # each once as the first, and once where it was pasted
        done = paste(shell, live)
        assert "not found" not in done.stderr and "bad" not in done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"active"')]
        kinds = [answer.get("credential_type") for answer in answers]
        assert kinds == ["personal_access_token", "api_key", "client_credentials", None]
        assert answers[-1] == {"active": False}
        assert ("https://stock.bookshop.example" in answers[0]["aud"]) is demo
        assert len(re.findall(r"^HTTP/1.1 200", done.stdout, re.M | re.I)) == 3


def test_serve_prints_its_urls_as_json(fresh_server: StartServer) -> None:
    live = fresh_server()
    live.stop()
    live.stdout_file.write_text("")
    live.arguments = ["--json"]
    live.start()
    said = json.loads(live.stdout_file.read_text())
    assert (said["issuer"], said["first_start"]) == (live.url, False)
