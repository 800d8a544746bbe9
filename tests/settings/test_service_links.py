"""Variables of Kubernetes and Docker links with our prefix are ignored; similar ones are settings."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadSettings
from app.settings.load import load_settings
from app.settings.service_links import is_service_link
from app.settings.settings import Settings
from app.settings.sources import service_links

LABEL = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)  # a DNS label, as a Service's name is
ADDRESS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PORT = st.integers(1, 65_535)
OURS = sorted(name.upper() for name in Settings.model_fields)

pytestmark = pytest.mark.usefixtures("clean")


def injected(service: str, address: str, ports: dict[str, tuple[str, int]]) -> dict[str, str]:
    """Write the variables as the kubelet does (pkg/kubelet/envvars): `ports` are name → protocol and number."""
    name = service.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    (protocol, first), *_ = ports.values()
    made = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(first)}
    made[f"{name}_PORT"] = f"{protocol}://{host}:{first}"
    for called, (protocol, number) in ports.items():
        made[f"{name}_SERVICE_PORT_{called.upper().replace('-', '_')}"] = str(number)
        each = f"{name}_PORT_{number}_{protocol.upper()}"
        made[each] = f"{protocol}://{host}:{number}"
        made |= {f"{each}_PROTO": protocol, f"{each}_PORT": str(number), f"{each}_ADDR": address}
    return made


@pytest.mark.contract("variables that Kubernetes injects for a Service are not settings")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    service=st.one_of(st.just("latchkey"), LABEL.map("latchkey-{}".format)),
    address=ADDRESS,
    ports=st.dictionaries(LABEL, st.tuples(st.sampled_from(["tcp", "udp", "sctp"]), PORT), min_size=1, max_size=3),
)
def test_a_service_of_any_name_changes_no_setting(
    service: str, address: str, ports: dict[str, tuple[str, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        before = load_settings()
        made = injected(service, address, ports)
        for name, value in made.items():
            patched.setenv(name, value)
        assert load_settings() == before
        assert service_links() == sorted(made)


@pytest.mark.contract("variables that Kubernetes injects for a Service are not settings")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.one_of(
        st.sampled_from(
            ["SERVICE_HOST", "SERVICE_PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "REDIS_PORT", "DB_PORT"]
        ),
        LABEL.map(lambda label: label.upper().replace("-", "_")),
    ),
    value=st.one_of(ADDRESS, PORT.map(str), st.text("abc:/. 0189", max_size=20)),
)
def test_what_has_not_both_name_and_value_of_a_link_is_refused(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(f"LATCHKEY_{name}", value)
        if name in OURS or name.removesuffix("_FILE") in OURS or is_service_link(f"LATCHKEY_{name}", value):
            return
        with pytest.raises(BadSettings, match=re.escape(f"unknown setting LATCHKEY_{name}")):
            load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LATCHKEY_SERVICE_HOST", "10.0.0.9.example"),
        ("LATCHKEY_SERVICE_HOST", ""),
        ("LATCHKEY_SERVICE_PORT", "0"),
        ("LATCHKEY_SERVICE_PORT", "http://10.0.0.9:8080"),
        ("LATCHKEY_SERVICE_HOSTS", "10.0.0.9"),
        ("latchkey_service_host", "10.0.0.9"),
        ("LATCHKEY_DB_PORT", "5432"),
        ("LATCHKEY_PORT_8080_TCP", "tcp://10.0.0.9:8081"),
        ("LATCHKEY_PORT_8080_TCP", "udp://10.0.0.9:8080"),
        ("LATCHKEY_PORT_8080_TCP_PORT", "8081"),
        ("LATCHKEY_PORT_8080_TCP_PROTO", "udp"),
        ("LATCHKEY_PORT_8080_TCP_NAME", "x"),
        ("LATCHKEY_PORT_8080_HTTP", "http://10.0.0.9:8080"),
        ("LATCHKEY_ISSUER_PORT", "https://10.0.0.9:8080"),
        ("LATCHKEYS_PORT", "tcp://10.0.0.9:8080"),
    ],
)
def test_near_misses_are_not_links(name: str, value: str) -> None:
    assert not is_service_link(name, value)


def test_the_port_is_a_setting_or_a_link_by_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_PORT", "8081")
    assert load_settings().port == 8081 and service_links() == []
    monkeypatch.setenv("LATCHKEY_PORT", "tcp://10.0.0.9:8080")
    assert load_settings().port == 8080 and service_links() == ["LATCHKEY_PORT"]
    monkeypatch.setenv("LATCHKEY_PORT", "tcp://10.0.0.9")
    with pytest.raises(BadSettings, match="PORT"):
        load_settings()
