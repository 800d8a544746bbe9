"""The scripts work on a bare machine: they install once, by hashes, and pass their arguments on."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT

FAKE_PYTHON = """#!/bin/sh
case "$*" in
  *sys.version_info*) exit {fits} ;;
  "-c import ensurepip, venv") exit 0 ;;
  "-m venv --clear .venv") mkdir -p .venv/bin && cp "{here}/good" .venv/bin/python ;;
esac
echo "$*" >>"{here}/asked"
echo "${{TEST_DATABASE:-}}" >>"{here}/databases"
"""
FAKE_LATCHKEY = '#!/bin/sh\necho latchkey "$@"\n'


class Checkout:
    """A copy of the scripts and locks, on a machine whose only Python writes its arguments to a file."""

    def __init__(self, folder: Path) -> None:
        self.here, self.tree, self.path = folder, folder / "tree", folder / "path"
        shutil.copytree(ROOT / "scripts", self.tree / "scripts")
        for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, self.tree / name)
        self.path.mkdir()
        for tool in ("bash", "sh", "env", "cat", "cksum", "cp", "dirname", "echo", "grep", "mkdir", "mv", "rm"):
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        self.python("python3.12")
        self._write(folder / "good", FAKE_PYTHON.format(fits=0, here=folder))

    def python(self, name: str, fits: bool = True) -> None:
        """Put a Python on the path, new enough or not."""
        self._write(self.path / name, FAKE_PYTHON.format(fits=0 if fits else 1, here=self.here))

    def run(self, script: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.tree / "scripts" / script), *arguments]
        env = {"PATH": str(self.path)} | settings
        return subprocess.run(command, env=env, cwd=self.here, capture_output=True, text=True, timeout=30, check=False)

    def commands(self) -> list[str]:
        """Return the arguments of every Python since the last call."""
        return self._read_log("asked")

    def databases(self) -> list[str]:
        """Return the databases of the test runs since the last call."""
        return [database for database in self._read_log("databases") if database]

    def _read_log(self, name: str) -> list[str]:
        file = self.here / name
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def latchkey(self) -> None:
        """Put a command where the installation would have."""
        (self.tree / ".venv/bin").mkdir(parents=True, exist_ok=True)
        self._write(self.tree / ".venv/bin/latchkey", FAKE_LATCHKEY)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A fresh clone on a machine with only Python."""
    return Checkout(tmp_path)


@pytest.mark.contract("`./scripts/serve` on a fresh machine: `.venv`, locked dependencies")
def test_a_fresh_machine_gets_its_environment_from_the_lock_by_hashes(bare: Checkout) -> None:
    done = bare.run("prepare", "requirements.txt")
    assert done.returncode == 0, done.stderr
    asked = "\n".join(bare.commands())
    assert "-m venv --clear .venv" in asked
    assert re.search(r"pip .*install --no-deps --require-hashes --requirement requirements\.txt$", asked, re.M)
    assert re.search(r"pip .*install --no-build-isolation --no-deps --editable \.$", asked, re.M)


def test_it_is_prepared_once_and_again_when_the_lock_changes(bare: Checkout) -> None:
    bare.run("prepare", "requirements.txt")
    assert bare.commands()
    assert bare.run("prepare", "requirements.txt").stderr == "" and bare.commands() == []
    with (bare.tree / "requirements.txt").open("a") as lock:
        lock.write("# newer\n")
    bare.run("prepare", "requirements.txt")
    assert any("--require-hashes" in one for one in bare.commands())


def test_what_the_tests_need_is_all_that_serving_needs(bare: Checkout) -> None:
    bare.run("prepare", "requirements-dev.txt")
    bare.commands()
    bare.run("prepare", "requirements.txt")
    assert bare.commands() == []

    def locked(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.M))

    assert locked("requirements.txt") < locked("requirements-dev.txt")


@pytest.mark.contract("`./scripts/serve` on a fresh machine: `.venv`, locked dependencies")
@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if re.match(r"\S+==", line)]
    assert len(packages) > 20
    assert not [line[:60] for line in packages if "--hash=sha256:" not in line]


@pytest.mark.contract("`./scripts/serve` on a fresh machine: `.venv`, locked dependencies")
def test_without_a_new_enough_python_it_says_so(bare: Checkout) -> None:
    for name in ("python3.12", "python3"):
        bare.python(name, fits=False)
    done = bare.run("serve")
    assert done.returncode == 1 and "Python 3.11" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.contract("the server listens on 127.0.0.1:8080; `--host`, `--port`, `--workers`")
def test_serve_hands_its_options_on_from_wherever_it_is_called(bare: Checkout) -> None:
    bare.run("prepare", "requirements.txt")
    bare.latchkey()
    options = ["--host", "127.0.0.1", "--port", "8081", "--workers", "2", "--demo"]
    done = bare.run("serve", *options)
    assert done.stdout.split() == ["latchkey", "serve", *options], done.stderr


@pytest.mark.contract("`./scripts/test`: all that is needed, then the suite; `.ci/run`")
def test_ci_runs_the_whole_suite_and_promises_every_tool() -> None:
    text = (ROOT / ".ci/run").read_text()
    assert re.search(r'^export CI=true\nexec \./scripts/test --all "\$@"$', text, re.M)
    assert os.access(ROOT / "scripts/test", os.X_OK)


@pytest.mark.contract("`./scripts/test`: all that is needed, then the suite; `.ci/run`")
def test_the_suite_prepares_and_lints_and_hands_its_arguments_on(bare: Checkout) -> None:
    bare._write(bare.tree / "scripts/lint", "#!/bin/sh\necho linted\n")
    done = bare.run("test", "tests/oauth", "-k", "revoke")
    assert done.returncode == 0 and done.stdout == "linted\n", done.stderr
    assert re.search(r"^Took: install \d+ s, lint \d+ s, compile \d+ s, tests \d+ s$", done.stderr, re.M)
    asked = bare.commands()
    assert any("--requirement requirements-dev.txt" in one for one in asked)
    [tested] = [one for one in asked if one.startswith("-m pytest")]
    assert tested.endswith(" tests/oauth -k revoke")
    assert bare.run("test", "--spec").stdout == ""


def test_the_suite_alone_asks_what_is_quick_and_ends_as_pytest_does(bare: Checkout) -> None:
    bare._write(bare.tree / "scripts/lint", "#!/bin/sh\n")
    for arguments, quick in (([], True), (["--all"], False), (["-x"], False)):
        assert bare.run("test", *arguments).returncode == 0
        [tested] = [one for one in bare.commands() if one.startswith("-m pytest") and "--collect-only" not in one]
        assert tested.endswith(" -m smoke or not (live or program or slow)") is quick
    bare._write(bare.tree / ".venv/bin/python", "#!/bin/sh\ncase $* in *pytest*) exit 1 ;; esac\n")
    assert bare.run("test").returncode == 1


def test_the_suite_runs_on_both_databases_and_on_one_if_asked(bare: Checkout) -> None:
    bare._write(bare.tree / "scripts/lint", "#!/bin/sh\n")
    for arguments, expected in (
        ([], "sqlite"),
        (["--all"], "both"),
        (["tests/oauth"], "both"),
        (["--spec"], "sqlite"),
        (["--database", "postgresql", "tests/oauth"], "postgresql"),
        (["--database=sqlite"], "sqlite"),
    ):
        assert bare.run("test", *arguments, CI="true").returncode == 0
        assert bare.databases() == [expected]
        assert not any("--database" in one or "--all" in one for one in bare.commands())
