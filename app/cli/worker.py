"""A server process: the application, its clean end, and its end when the parent dies."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from multiprocessing.util import Finalize

from app import MAX_BODY, create_app
from app.compat.granian import answer_by, handle_end_signal_once
from app.compose import Actions
from app.database.leases import Lease
from app.fast_lane.lane import Lane
from app.http.application import Latchkey
from app.http.issuer_path import decoded_path
from app.maintenance.jobs import Jobs
from app.maintenance.retention import Retention
from app.maintenance.rotation_schedule import RotationSchedule
from app.operations import logs, metrics, telemetry
from app.operations.admission import Admission
from app.operations.connections import most_connections
from app.operations.dispatch import Dispatch
from app.operations.health import check_health
from app.operations.reaper import Reaper
from app.operations.thread_limit import most_waiting
from app.operations.watch import Watch
from app.settings.settings import Settings

PR_SET_PDEATHSIG = 1
MALLOPT = {  # glibc: -8 is M_ARENA_MAX, -3 M_MMAP_THRESHOLD
    -8: 2,  # the threads share their pools
    -3: 1024 * 1024,  # bytes; left alone it grows, and then the 19 MiB of a password's hash are kept for ever
}


def application() -> Latchkey:
    """Return the application in a worker process that granian started; called once, before it serves."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _die_with_parent()
    handle_end_signal_once()
    _give_memory_back()
    sending = telemetry.connect()
    app = create_app(trace=sending.trace if sending else None)
    actions = app.actions
    logs.configure_libraries(actions.settings.log_level)
    dispatch, reaper = _start_dispatch(app, actions.settings)
    app.request_log.start()
    Finalize(None, _start_schedule(actions), exitpriority=25)
    Finalize(None, _start_watch(actions), exitpriority=25)
    Finalize(None, _start_jobs(actions), exitpriority=25)
    Finalize(None, _start_deliveries(actions), exitpriority=25)
    Finalize(None, actions.usage.stop, exitpriority=20)  # granian's workers run no atexit handlers
    Finalize(None, actions.failed_authentications.stop, exitpriority=20)
    Finalize(None, app.request_log.flush, exitpriority=15)
    if sending is not None:
        sending.start(app.request_log.flush)
        Finalize(None, sending.stop, exitpriority=12)  # after the flush, which traces the last requests
    Finalize(None, metrics.forget_process, exitpriority=10)
    Finalize(None, reaper.stop, exitpriority=5)
    Finalize(None, dispatch.stop, exitpriority=5)
    return app


def _start_dispatch(app: Latchkey, settings: Settings) -> tuple[Dispatch, Reaper]:
    """Start the dispatch of requests, and the reaper of idle connections."""
    prefix = decoded_path(settings.issuer)
    admission = Admission(MAX_BODY, prefix, most_waiting(settings.workers))
    lane = app.wsgi_app if isinstance(app.wsgi_app, Lane) else None
    dispatch = Dispatch(admission, app.wsgi_app, lane, prefix)
    dispatch.start()
    reaper = Reaper(admission, settings.port, most_connections())
    reaper.start()
    answer_by(dispatch.take)
    return dispatch, reaper


def _start_schedule(actions: Actions) -> Callable[[], None]:
    """Rotate the signing keys when they are due; return what stops it."""
    schedule = RotationSchedule(actions.rotate_signing_key, actions.settings.signing_key_rotation)
    schedule.start()
    return schedule.stop


def _start_watch(actions: Actions) -> Callable[[], None]:
    """Set the metrics of what fails silently; return what ends it."""
    redis_url, storage = actions.settings.redis_url, None
    if redis_url:
        from app.actions.limits.redis_probe import open_storage  # a server without Redis saves its memory

        storage = open_storage(redis_url)
    watch = Watch(lambda: check_health(actions.store, storage), actions.rotate_signing_key.due_at)
    watch.start()
    return watch.stop


def _start_jobs(actions: Actions) -> Callable[[], None]:
    """Do what is due from time to time; return what stops it."""
    jobs = Jobs(Lease(actions.store, actions.clock), Retention(actions).jobs())
    jobs.start()
    return jobs.stop


def _start_deliveries(actions: Actions) -> Callable[[], None]:
    """Send what is in the outbox, by mail only where a server takes it; return what stops that."""
    webhooks, mail = actions.webhook_delivery, actions.mail_delivery
    webhooks.start()
    if mail is None:
        return webhooks.stop
    mail.start()

    def stop() -> None:
        mail.stop()
        webhooks.stop()

    return stop


def _die_with_parent() -> None:
    """Kill this worker when its parent dies (Linux), so that it does not keep the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _give_memory_back() -> None:
    """Make malloc return freed memory to the system."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in MALLOPT.items():
            libc.mallopt(parameter, value)
