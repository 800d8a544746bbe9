"""`latchkey mail test` sends a message at once, and `latchkey doctor` tries the mail server without sending one."""

import json
from pathlib import Path

import pytest

from tests.cli.test_serve import run
from tests.mail_server import PASSWORD, WRITTEN, mail_server
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def test_a_test_message_is_sent_and_the_doctor_sends_none(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    assert run(instance, "init").returncode == 0
    with mail_server(tmp_path, authentication=True) as server:
        url = server.url(user=WRITTEN)
        done = run(instance, "doctor", "--json", smtp_url=url)
        [found] = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "mail"]
        assert found["verdict"] == "ok" and server.messages == []
        sent = run(instance, "mail", "test", "ann@example.org", "--language", "sv", smtp_url=url)
        assert sent.returncode == 0, sent.stderr
        assert [message["Content-Language"] for message in server.messages] == ["sv"]
        assert server.recipients == ["ann@example.org"]


def test_a_server_that_is_gone_is_reported_without_the_password(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    assert run(instance, "init").returncode == 0
    url = f"smtp://{WRITTEN}127.0.0.1:{free_port()}"
    doctor = run(instance, "doctor", "--json", smtp_url=url)
    sent = run(instance, "mail", "test", "ann@example.org", smtp_url=url)
    assert sent.returncode == 1 and "cannot be reached" in sent.stderr and "cannot be reached" in doctor.stdout
    assert PASSWORD not in sent.stderr + doctor.stdout and "p%40ss" not in sent.stderr + doctor.stdout


def test_without_a_mail_server_nothing_is_sent(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    assert run(instance, "init").returncode == 0
    done = run(instance, "mail", "test", "ann@example.org")
    assert done.returncode != 0 and "set SMTP_URL" in done.stderr
