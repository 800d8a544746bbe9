"""A process stays within the system's limit of threads: granian aborts when it cannot start one."""

import resource
from pathlib import Path

import pytest

from app.errors import BadSettings
from app.operations import thread_limit
from app.operations.admission import MOST_WAITING
from app.operations.thread_limit import FEWEST_BRINGING, OWN, SPARE, SUPERVISOR, most_bringing, most_waiting

ALL = MOST_WAITING + SPARE
BESIDE = OWN + SUPERVISOR


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
        ("0::/\n", {".": "max\n"}, ALL),
        ("0::/\n", {}, ALL),
        ("0::/\n", {".": "512\n"}, 512 - BESIDE),
        ("0::/a.slice/b.service\n", {"a.slice": "400\n", "a.slice/b.service": "max\n"}, 400 - BESIDE),
        ("5:memory:/x\n8:pids:/docker/1\n0::/\n", {"pids/docker/1": "300\n"}, 300 - BESIDE),
        ("0::/\n", {".": "100\n"}, 100 - BESIDE),
        ("nonsense", {}, ALL),
    ],
)
def test_the_limit_of_the_control_groups_bounds_the_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, membership: str, limits: dict[str, str], expected: int
) -> None:
    limited(monkeypatch, tmp_path, membership, limits)
    assert most_bringing(1) == expected


@pytest.mark.parametrize("limit", [96, 200, 256, 512, 4_096])
@pytest.mark.parametrize("processes", [1, 2, 4, 16])
def test_all_processes_together_stay_within_the_limit_or_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, processes: int
) -> None:
    limited(monkeypatch, tmp_path, "0::/\n", {".": f"{limit}\n"})
    if (limit - SUPERVISOR) // processes < OWN + FEWEST_BRINGING:
        said = f"setting WORKERS: the limit of {limit} processes and threads has room for "
        with pytest.raises(BadSettings, match=said):
            most_bringing(processes)
    else:
        bringing = most_bringing(processes)
        assert processes * (bringing + OWN) + SUPERVISOR <= limit
        assert 0 < most_waiting(processes) < bringing


def test_the_limit_of_the_user_bounds_the_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limited(monkeypatch, tmp_path, "0::/\n", {})
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_000, 1_000))
    assert most_bringing(1) == 1_000 // 2 - BESIDE
