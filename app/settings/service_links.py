"""The environment variables that Kubernetes injects for a Service, matched by their exact form.

A Service named `latchkey` or `latchkey-db` sets variables with our prefix, which are not settings.
"""

from __future__ import annotations

import ipaddress
import re

SERVICE = r"LATCHKEY(?:_[A-Z0-9_]*[A-Z0-9])?"
PROTOCOLS = "TCP|UDP|SCTP"
HOST = re.compile(rf"{SERVICE}_SERVICE_HOST")
NUMBER = re.compile(rf"{SERVICE}_SERVICE_PORT(?:_[A-Z0-9_]{{1,63}})?")
FIRST = re.compile(rf"{SERVICE}_PORT")
EACH = re.compile(rf"{SERVICE}_PORT_(?P<port>[0-9]{{1,5}})_(?P<protocol>{PROTOCOLS})(?:_(?P<part>PROTO|PORT|ADDR))?")
URL = re.compile(
    rf"(?P<protocol>{PROTOCOLS.lower()})://(?P<host>[0-9A-Fa-f.:]+|\[[0-9A-Fa-f.:]+\]):(?P<port>[0-9]{{1,5}})"
)


def is_service_link(name: str, value: str) -> bool:
    """Return whether name and value belong to a Service: `LATCHKEY_PORT=tcp://10.0.0.9:8080`, never `=8081`."""
    each = EACH.fullmatch(name)
    return (  # one name may match two patterns: LATCHKEY_SERVICE_PORT is of `latchkey` or of `latchkey-service`
        (HOST.fullmatch(name) is not None and _is_address(value))
        or (NUMBER.fullmatch(name) is not None and _is_port(value))
        or (FIRST.fullmatch(name) is not None and _is_url(value))
        or (each is not None and _is_part(each["port"], each["protocol"].lower(), each["part"], value))
    )


def _is_part(port: str, protocol: str, part: str | None, value: str) -> bool:
    if part is None:
        return _is_url(value, protocol, port)
    return {"PROTO": value == protocol, "PORT": value == port and _is_port(value), "ADDR": _is_address(value)}[part]


def _is_url(value: str, protocol: str | None = None, port: str | None = None) -> bool:
    url = URL.fullmatch(value)
    if url is None or not _is_address(url["host"].strip("[]")) or not _is_port(url["port"]):
        return False
    return protocol in (None, url["protocol"]) and port in (None, url["port"])


def _is_port(value: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", value) is not None and 0 < int(value) < 65_536


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
