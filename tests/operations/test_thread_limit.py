"""A process asks for no more threads than the system gives it: granian aborts when it is refused one."""

import resource
from pathlib import Path

import pytest

from app.operations import thread_limit
from app.operations.admission import MOST_WAITING
from app.operations.thread_limit import FEWEST, OTHERS, SPARE, most_waiting


def limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, membership: str, limits: dict[str, str]) -> None:
    """Pretend to be in these control groups, each with its `pids.max`."""
    root = tmp_path / "cgroup"
    for path, limit in limits.items():
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "pids.max").write_text(limit)
    (tmp_path / "membership").write_text(membership)
    monkeypatch.setattr(thread_limit, "CGROUPS", root)
    monkeypatch.setattr(thread_limit, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY,) * 2)


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/\n", {".": "max\n"}, MOST_WAITING),
        ("0::/\n", {}, MOST_WAITING),
        ("0::/\n", {".": "512\n"}, 512 - SPARE - OTHERS),
        ("0::/a.slice/b.service\n", {"a.slice": "400\n", "a.slice/b.service": "max\n"}, 400 - SPARE - OTHERS),
        ("5:memory:/x\n8:pids:/docker/1\n0::/\n", {"pids/docker/1": "300\n"}, 300 - SPARE - OTHERS),
        ("0::/\n", {".": "100\n"}, FEWEST),
        ("nonsense", {}, MOST_WAITING),
    ],
)
def test_the_limit_of_the_control_groups_bounds_the_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, membership: str, limits: dict[str, str], expected: int
) -> None:
    limited(monkeypatch, tmp_path, membership, limits)
    assert most_waiting(1) == expected


def test_the_processes_share_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limited(monkeypatch, tmp_path, "0::/\n", {".": "2000\n"})
    assert most_waiting(4) == 2000 // 4 - SPARE - OTHERS


def test_the_limit_of_the_user_bounds_the_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limited(monkeypatch, tmp_path, "0::/\n", {})
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_000, 1_000))
    assert most_waiting(1) == 1_000 // 2 - SPARE - OTHERS
