"""Section 4: leaked credentials can be reported and revoked, and an operator can inspect a secret."""

import pytest

from tests.api import Admin, Client, Json, expect
from tests.contract.refusals import invalid, problem
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Kind, World, create_world

STRANGERS = ["lk_pat_" + "0" * 38, "ghp_something", "", " ", "a.b.c", "ä\x00", "x" * 5000]


def report(admin: Admin, credentials: object) -> int:
    return admin.post("/credentials/revoke", {"credentials": credentials}, auth=False).status_code


def inspect(admin: Admin, credential: str) -> Json:
    answer: Json = expect(200, admin.post("/credentials/inspect", {"credential": credential})).json()
    assert credential not in str(answer)
    return answer


@pytest.mark.asvs("RFC 9700 §4.8–4.9")
@pytest.mark.contract("`/credentials/revoke`")
def test_anybody_can_have_leaked_credentials_revoked_at_once(world: World) -> None:
    held = [world.issue(kind) for kind in KINDS]
    assert report(world.admin, [one.token for one in held]) == 202
    assert not [one.kind for one in held if world.admin.active(one.token)]


@pytest.mark.contract("`/credentials/revoke`")
def test_client_secrets_are_revoked_too_and_the_clients_others_live(world: World) -> None:
    client = world.admin.client([world.machine_role])
    further = world.admin.create(f"/clients/{client.id}/secrets", {"name": "second"})["client_secret"]
    assert report(world.admin, [client.client_secret]) == 202
    form = {"grant_type": "client_credentials"}
    expect(401, world.admin.token_request(form, client))
    expect(200, world.admin.token_request(form, Client(client.id, client.client_id, further)))


@pytest.mark.contract("`/credentials/revoke`")
def test_the_answer_is_202_whatever_they_were(world: World) -> None:
    answers = [
        world.admin.post("/credentials/revoke", {"credentials": credentials}, auth=False)
        for credentials in ([world.issue("pat").token], STRANGERS[:2], [world.issue("pat").token, "x"])
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}


def test_unknown_strings_do_not_stop_the_revocation_of_the_others(world: World) -> None:
    held = world.issue("api_key")
    assert report(world.admin, [*STRANGERS[:2], held.token, held.token, *STRANGERS[3:]]) in (202, 422)
    report(world.admin, [STRANGERS[0], held.token, held.token, STRANGERS[1]])
    assert not world.admin.active(held.token)


@pytest.mark.contract("`/credentials/revoke`")
def test_one_to_a_thousand_at_a_time(admin: Admin) -> None:
    assert report(admin, [f"stranger {n}" for n in range(1000)]) == 202
    wrongs: list[object] = [[], ["x"] * 1001, "x", None, [7], [None], {}]
    for wrong in wrongs:
        problem(admin.post("/credentials/revoke", {"credentials": wrong}, auth=False), 422)


@pytest.mark.contract("`/credentials/revoke`", "owners and operators see that it leaked")
def test_owners_see_why(world: World) -> None:
    held = world.issue("pat")
    report(world.admin, [held.token])
    path = f"/users/{world.user.id}/personal-access-tokens/{held.id}"
    mine = expect(200, world.admin.get(f"/me/personal-access-tokens/{held.id}", auth=world.user.basic)).json()
    assert mine["status"] == "revoked" and "leaked" in str(mine)
    assert "leaked" in str(inspect(world.admin, held.token)), path
    events = world.admin.get("/audit-events", params={"target": held.id}).json()["items"]
    assert "credential.report_leak" in [event["action"] for event in events]


@pytest.mark.contract("owners and operators see that it leaked")
def test_operators_see_why_a_key_and_a_client_secret_ended(world: World) -> None:
    key, client = world.issue("api_key"), world.admin.client()
    report(world.admin, [key.token, client.client_secret])
    assert "leaked" in expect(200, world.admin.get(f"/api-keys/{key.id}")).json()["revoked_reason"]
    (secret,) = expect(200, world.admin.get(f"/clients/{client.id}/secrets")).json()["items"]
    assert secret["status"] == "revoked" and "leaked" in secret["revoked_reason"]


@pytest.mark.contract("`/credentials/inspect`")
@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_which_it_is_whose_and_its_status(world: World, kind: Kind) -> None:
    held = world.issue(kind)
    answer = inspect(world.admin, held.token)
    assert answer["status"] == "active" and answer["credential_type"] == CREDENTIAL_TYPE[kind]
    assert answer["id"] == held.id and answer["reason"] is None
    owner = {"pat": world.user.id, "m2m": world.client.client_id, "api_key": None}[kind]
    assert owner is None or owner in str(answer)


@pytest.mark.contract("`/credentials/inspect`")
def test_inspect_says_why_it_is_inactive(admin: Admin) -> None:
    world = create_world(admin)
    revoked, disabled, rotated = world.issue("pat"), world.issue("api_key"), world.issue("api_key")
    admin.revoke(revoked.token)
    admin.change(f"/api-keys/{disabled.id}", {"enabled": False})
    admin.post(f"/api-keys/{rotated.id}/rotate", {"overlap_seconds": 0})
    answers = [inspect(admin, one.token) for one in (revoked, disabled, rotated)]
    answers += [inspect(admin, STRANGERS[0]), inspect(admin, "ghp_something")]
    assert "active" not in [answer["status"] for answer in answers]
    assert all(answer["reason"] for answer in answers)
    assert [answer["status"] for answer in answers[:2]] == ["revoked", "disabled"]


def test_inspect_knows_a_client_secret(world: World) -> None:
    answer = inspect(world.admin, world.client.client_secret)
    assert answer["status"] == "active" and world.client.client_id in str(answer)
    assert answer["reason"] is None  # it is not inactive, although it calls no API itself


@pytest.mark.contract("`/credentials/inspect`")
def test_inspect_asks_for_tokens_read_and_keeps_nothing(world: World) -> None:
    admin, held = world.admin, world.issue("pat")
    weak = admin.m2m(admin.client([admin.role("machine", ["audit:read"])]))
    right = admin.m2m(admin.client([admin.role("machine", ["tokens:read"])]))
    body = {"credential": held.token}
    problem(admin.post("/credentials/inspect", body, auth=False), 401)
    problem(admin.post("/credentials/inspect", body, auth=weak), 403)
    expect(200, admin.post("/credentials/inspect", body, auth=right))
    assert held.token not in admin.server.log_text()
    invalid(admin.post("/credentials/inspect", {"credential": 7}), "credential")
