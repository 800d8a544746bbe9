"""What a real server sends to a real collector, and that no collector can harm a request or a stop."""

import json
import re
import threading
import time
from collections.abc import Iterator

import pytest

from tests.api import Admin
from tests.conftest import StartServer
from tests.contract.world import KINDS, create_world
from tests.operations.test_health_and_metrics import present_metrics
from tests.otlp_receiver import Receiver, attributes, receiver
from tests.ports import free_port

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FAST = "/oauth/introspect"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as received:
        for name, value in received.environment.items():
            monkeypatch.setenv(name, value)
        yield received


def test_each_request_is_a_span_in_both_lanes(collector: Receiver, fresh_server: StartServer) -> None:
    live = fresh_server()
    world = create_world(Admin(live))
    token = world.issue("pat").token
    for lane in ("fast", "flask"):
        answer = live.http.post(
            FAST if lane == "fast" else f"{FAST}?unusual=query-of-the-caller",
            data={"token": token},
            auth=world.resource_server.basic,
            headers={"X-Request-Id": f"traced-{lane}", "traceparent": f"00-{TRACE}-{CALLER}-01"},
        )
        assert answer.status_code in (200, 400)
    live.http.get("/no/such/place-of-ours", headers={"X-Request-Id": "traced-none", "traceparent": "00-zz-zz-zz"})
    live.stop()
    found = {attributes(span)["latchkey.request_id"]: (span, process) for span, process in collector.spans()}
    fast, process = found["traced-fast"]
    assert (fast.name, fast.trace_id.hex(), fast.parent_span_id.hex()) == (f"POST {FAST}", TRACE, CALLER)
    assert attributes(fast) == {
        "http.request.method": "POST",
        "http.route": FAST,
        "http.response.status_code": 200,
        "latchkey.request_id": "traced-fast",
        "latchkey.credential_kind": "personal_access_token",
    }
    assert 0 <= fast.end_time_unix_nano - fast.start_time_unix_nano < 60e9
    assert abs(fast.end_time_unix_nano / 1e9 - time.time()) < 600
    assert process["service.name"] == "latchkey" and process["service.instance.id"]
    assert attributes(found["traced-flask"][0]).keys() >= {"http.route", "http.response.status_code"}
    unknown = found["traced-none"][0]
    assert (unknown.name, unknown.parent_span_id) == ("GET", b"") and "http.route" not in attributes(unknown)


@pytest.mark.parametrize("sent", ["x" * 5000, f"00-{TRACE}-{CALLER}-01" + "-x" * 300, "00-zz-zz-zz", "ff"])
def test_a_caller_cannot_fill_the_log_by_its_trace_context(
    collector: Receiver, fresh_server: StartServer, sent: str
) -> None:
    """W3C Trace Context §4.3: a header that is not valid is ignored; a line of log for each would be a stranger's."""
    live = fresh_server()
    answer = live.http.get("/no/such/place", headers={"X-Request-Id": "odd", "traceparent": sent, "tracestate": sent})
    assert answer.status_code == 404
    live.stop()
    assert [
        span.parent_span_id for span, _ in collector.spans() if attributes(span)["latchkey.request_id"] == "odd"
    ] == [b""]
    assert [line for line in live.log_records() if line["level"] != "info"] == []


def test_every_request_of_a_burst_is_sent_by_a_clean_stop_of_each_process(
    collector: Receiver, fresh_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    live = fresh_server(workers=2)
    ids = {f"burst-{number}" for number in range(200)}
    for one in ids:
        live.http.get("/healthz", headers={"X-Request-Id": one, "Connection": "close"})
    assert live.stop() == 0
    assert ids <= {attributes(span)["latchkey.request_id"] for span, _ in collector.spans()}
    processes = {process["process.pid"] for _, process in collector.spans()}
    assert processes == {pid for pid, _ in collector.metrics()} and len(processes) == 2


def test_the_exposition_and_the_collector_get_the_same_metrics(collector: Receiver, fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    world = create_world(Admin(live))
    for kind in KINDS:
        assert world.admin.active(world.issue(kind).token, world.resource_server)
    live.http.get("/healthz")
    shown = {line for line in present_metrics(live).splitlines() if line.startswith("latchkey_")}
    live.stop()
    sent: dict[str, float] = {}
    for metric in collector.metrics().values():
        for point in (*metric.sum.data_points, *metric.gauge.data_points):
            _add(sent, metric.name, attributes(point), point.as_double)
        for bar in metric.histogram.data_points:
            labels, so_far = attributes(bar), 0
            for bound, inside in zip((*bar.explicit_bounds, "+Inf"), bar.bucket_counts, strict=True):
                so_far += inside
                _add(sent, f"{metric.name}_bucket", labels | {"le": str(bound)}, so_far)
            _add(sent, f"{metric.name}_count", labels, bar.count)
            assert (bar.HasField("min"), bar.HasField("max")) == (False, False)
    assert {metric.histogram.aggregation_temporality for metric in collector.metrics().values()} <= {0, 2}
    differing = {}
    for line in shown:
        name, value = line.rsplit(" ", 1)
        series = _series(name)
        if not re.search(r"_sum\b|/metrics|healthz", series) and sent.get(series) != float(value):
            differing[series] = (value, sent.get(series))
    assert differing == {} and any(name.startswith("latchkey_introspected_total") for name in sent)


def _add(sums: dict[str, float], name: str, labels: dict[str, str], value: float) -> None:
    series = _series(name + "{" + ",".join(f'{label}="{text}"' for label, text in labels.items()) + "}")
    sums[series] = sums.get(series, 0) + value


def _series(text: str) -> str:
    """Return a series with its labels sorted."""
    name, _, rest = text.partition("{")
    return name + "{" + ",".join(sorted(re.findall(r'\w+="[^"]*"', rest))) + "}"


def test_nothing_secret_and_no_query_is_sent(collector: Receiver, fresh_server: StartServer) -> None:
    live = fresh_server()
    world = create_world(Admin(live))
    secrets = [world.issue(kind).token for kind in KINDS]
    for token in secrets:
        answer = live.http.get(
            f"/oauth/forward-auth?resource={world.identifier}&challenge=a-private-query",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200
        live.http.get(f"/api/v1/users/{token}", headers={"X-Request-Id": token, "tracestate": f"a={token}"})
    live.stop()
    assert all(headers.get("x-api-key") == "for-the-collector" for headers in collector.headers)
    sent = b"".join(collector.raw)
    assert len(collector.spans()) > 6
    kinds = {attributes(span).get("latchkey.credential_kind") for span, _ in collector.spans()}
    assert {"personal_access_token", "api_key", "client_credentials"} <= kinds
    for text in (*secrets, world.resource_server.client_secret, "a-private-query", live.bootstrap["admin_password"]):
        assert text.encode() not in sent


def test_a_collector_that_hangs_delays_neither_a_request_nor_a_stop(
    collector: Receiver, fresh_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    collector.hanging = threading.Event()
    live = fresh_server()
    collector.wait(lambda: collector.raw)
    for _ in range(200):  # more than the queue holds
        assert live.http.get("/healthz").status_code == 200
    began = time.monotonic()
    assert live.stop() == 0
    assert time.monotonic() - began < 10


def test_a_collector_that_is_down_is_logged_once_and_harms_nothing(
    fresh_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    live = fresh_server()
    for _ in range(20):
        assert live.http.get("/healthz").status_code == 200
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and live.log_text().count("no collector accepts") < 2:
        time.sleep(0.02)
    assert live.http.get("/readyz").status_code == 200 and live.stop() == 0
    written = [record["event"] for record in live.log_records() if "collector" in json.dumps(record)]
    assert sorted(written) == ["no collector accepts the metrics", "no collector accepts the traces"]
    assert "Traceback" not in live.log_text() and "urllib3" not in live.log_text()


def test_a_collector_that_comes_back_is_sent_to_and_it_is_logged(
    collector: Receiver, fresh_server: StartServer
) -> None:
    collector.answer = 400  # which is not tried again
    live = fresh_server()
    collector.wait(lambda: collector.spans() and collector.metrics())
    collector.answer = 200
    live.http.get("/healthz", headers={"X-Request-Id": "after-it-came-back"})
    before = len(collector.raw)
    collector.wait(lambda: len(collector.raw) > before + 2)
    live.stop()
    written = [record["event"] for record in live.log_records()]
    for what in ("traces", "metrics"):
        first, second = f"no collector accepts the {what}", f"the collector accepts {what} again"
        assert written.index(first) < written.index(second)


def test_a_bad_variable_is_logged_and_the_server_works(
    fresh_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "often")
    live = fresh_server()
    assert live.http.get("/healthz").status_code == 200
    live.stop()
    assert "telemetry could not be started: check the OTEL_… variables" in [
        record["event"] for record in live.log_records()
    ]
