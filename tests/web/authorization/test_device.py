"""/device: a user compares and enters the code of a device, and answers (RFC 8628 §3.3)."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from app.actions.audit.actor import Actor
from app.actions.delegation.devices import DeviceCodes
from app.actions.sign_in.clients import KnownClient
from app.errors import AccessDenied, AuthorizationPending
from tests.app_grants import register_app
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor, sign_in_at_once

BOTH = "orders:read orders:write"
Begin = Callable[[], DeviceCodes]


@pytest.fixture
def begin(face: Face, app: KnownClient) -> Begin:
    """Begin on a device."""
    return lambda: face.core.actions.devices.begin(Actor("client", app.client_id), app, BOTH, ())


def poll(face: Face, app: KnownClient, codes: DeviceCodes) -> str:
    """Return the scopes that the device gets."""
    tokens = face.core.actions.devices.poll(Actor("client", app.client_id), app, codes.device_code)
    return str(tokens.access.scopes)


@pytest.mark.spec("RFC 8628 §3.3")
@pytest.mark.parametrize("written", ["{0}-{1}", "{0}{1}", " {0} {1} ", "{0}\N{EN DASH}{1}", "lower"])
def test_a_code_in_any_writing_leads_to_the_question(
    face: Face, app: KnownClient, who: Visitor, begin: Begin, written: str
) -> None:
    codes = begin()
    who.get("/device")
    code = codes.user_code.lower() if written == "lower" else written.format(*codes.user_code.split("-"))
    page = who.post("/device", user_code=code)
    assert page.status_code == 200 and "Allow <bdi" in page.text and codes.user_code in page.text
    assert "nobody from us asks for this code" in page.text
    done = who.post("/device/answer", user_code=codes.user_code, decision="allow", scopes=["orders:read"])
    assert done.status_code == 303 and "Go back to your device" in who.get(done.location).text
    assert poll(face, app, codes) == "orders:read"


def test_a_refusal_ends_the_code(face: Face, app: KnownClient, who: Visitor, begin: Begin) -> None:
    codes = begin()
    who.get("/device")
    who.post("/device", user_code=codes.user_code)
    done = who.post("/device/answer", user_code=codes.user_code, decision="deny")
    assert "You refused it" in who.get(done.location).text
    with pytest.raises(AccessDenied):
        poll(face, app, codes)
    assert "is unknown, used or expired" in who.post("/device", user_code=codes.user_code).text


@pytest.mark.spec("RFC 8628 §5.4")
def test_a_code_of_a_link_is_compared_before_anything_is_asked(
    face: Face, app: KnownClient, who: Visitor, begin: Begin
) -> None:
    codes = begin()
    page = who.get(f"/device?user_code={codes.user_code}").text
    assert f'value="{codes.user_code}"' in page and "Compare this code with the screen of your device" in page
    assert "nobody from us asks for this code" in page and "Backup" not in page
    with pytest.raises(AuthorizationPending):
        poll(face, app, codes)


@pytest.mark.parametrize("code", ["", " ", "BCDF-GHJK", "x" * 41, "\N{SNOWMAN}", "AEIO-UAEI"])
def test_a_wrong_code_is_refused_at_its_field(who: Visitor, code: str) -> None:
    who.get("/device")
    page = who.post("/device", user_code=code)
    assert page.status_code in (404, 422) and 'aria-invalid="true"' in page.text and 'id="user_code-help"' in page.text


def test_the_answer_needs_a_scope_a_decision_and_a_form_of_ours(
    face: Face, app: KnownClient, who: Visitor, begin: Begin
) -> None:
    codes = begin()
    who.get("/device")
    fields = {"user_code": codes.user_code}
    page = who.post("/device/answer", decision="allow", **fields)
    assert page.status_code == 422 and "Choose at least one of the permissions" in page.text
    assert who.post("/device/answer", scopes=["orders:read"], **fields).status_code == 422
    assert who.post("/device/answer", decision="allow", scopes=["manage"], **fields).status_code == 422
    forged = who.http.post("/device/answer", data={"decision": "allow", "scopes": "orders:read", **fields})
    assert forged.status_code == 400
    with pytest.raises(AuthorizationPending):
        poll(face, app, codes)


def test_a_user_whose_roles_do_not_give_the_scopes_is_refused_with_a_reason(
    face: Face, app: KnownClient, begin: Begin
) -> None:
    poor = sign_in_at_once(face, face.person())
    poor.get("/device")
    page = poor.post("/device", user_code=begin().user_code)
    assert page.status_code == 400 and "roles give no scope that this app may have" in unescape(page.text)


@pytest.mark.spec("RFC 8628 §5.1")
@pytest.mark.contract("a device is connected by its code, and guessing a code is limited")
def test_guessing_is_limited(tmp_path: Path) -> None:
    face = start_face(tmp_path)
    try:
        register_app(face.core, "Backup")
        who = sign_in_at_once(face, face.person("orders:read"))
        who.get("/device")
        pages = [who.post("/device", user_code=f"BCDF-GH{a}{b}") for a in "BCDFGH" for b in "BCDFGHJK"]
        limited = [page for page in pages if page.status_code == 429]
        assert pages[0].status_code == 404 and limited and pages[-1] is limited[-1]
        assert "Retry-After" in limited[0].headers and "<h1>Too Many Requests" in limited[0].text
    finally:
        stop_face(face)


def test_a_visitor_signs_in_first_and_keeps_the_code(face: Face) -> None:
    page = Visitor(face.app.test_client()).get("/device?user_code=BCDF-GHJK")
    assert page.status_code == 303
    assert re.fullmatch(r"/login\?next=(/|%2F)device(%3F|\?)user_code(%3D|=)BCDF-GHJK", page.location)
