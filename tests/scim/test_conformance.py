"""The tools with which others test a service provider find nothing."""

from typing import Any

import pytest
from scim_sanity.probe.runner import run_probe_api

from tests.api import Admin
from tests.core import ISSUER
from tests.scim.provisioner import Provisioner

pytestmark = pytest.mark.both_databases


@pytest.mark.contract("SCIM: scim2-tester and scim-sanity pass")
def test_scim2_tester_finds_nothing(own_scim: Provisioner) -> None:
    from scim2_client.engines.wsgi import WSGISCIMClient  # it costs 3 s, which each process would pay to collect
    from scim2_tester import Status, check_server

    headers = {"Authorization": f"Bearer {own_scim.token}"}
    client = WSGISCIMClient(own_scim.face.app, f"{ISSUER}/scim/v2", headers)
    results = check_server(client)
    failed = [f"{one.title} {one.resource_type}: {one.reason}" for one in results if one.status != Status.SUCCESS]
    assert not failed and len(results) > 100


@pytest.mark.contract("SCIM: scim2-tester and scim-sanity pass")
def test_scim_sanity_finds_nothing(admin: Admin) -> None:
    role = admin.role("machine", ["scim"])
    token = admin.m2m(admin.client([role]), scope="scim", resource=admin.identifier)
    report: dict[str, Any] = run_probe_api(f"{admin.server.url}/scim/v2", token)
    bad = [one for one in report["results"] if one["status"] not in ("pass", "skip")]
    assert not bad and report["exit_code"] == 0 and len(report["results"]) > 25, bad or report
