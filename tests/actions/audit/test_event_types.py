"""Every audit event that the code can record has a sentence, and every sentence an event."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import app
from app.actions.audit import checkpoint, redaction_note
from app.actions.audit.event_types import GROUPS, TYPES
from app.credentials.kind import JWT_TARGET

ROOT = Path(app.__file__).parent
ELSEWHERE = {  # where the action is an argument, and what it is then
    ("actions/audit/prune.py", "ACTION"): {checkpoint.ACTION},
    ("actions/audit/redact.py", "ACTION"): {redaction_note.ACTION},
    ("actions/delegation/apps.py", "f'{TARGET}.revoke'"): {"grant.revoke"},
    ("actions/directory/resources.py", "f'permission.{verb}'"): {
        f"permission.{verb}" for verb in ("create", "update", "delete")
    },
    ("actions/directory/webhooks.py", "action"): {
        f"webhook.{verb}" for verb in ("create", "update", "rotate", "delete")
    },
    ("actions/directory/one_time_links.py", "EVENTS[purpose]"): {"user.invite", "user.reset"},
    ("actions/directory/provisioning_groups.py", "f'{TARGET}.delete'"): {"role.delete"},
    ("actions/directory/provisioning_groups.py", "f'{TARGET}.{verb}'"): {"role.create", "role.update"},
    **{
        ("actions/directory/provisioning_users.py", f"f'{{TARGET}}.{verb}'"): {f"user.{verb}"}
        for verb in ("create", "update", "delete")
    },
    ("actions/insight/known_credentials.py", "f'{kind.target}.revoke'"): {
        f"{target}.revoke" for target in ("personal_access_token", "api_key", "client_secret", "grant")
    },
    ("actions/tokens/revoke.py", "f'{kind.target}.revoke'"): {
        f"{target}.revoke" for target in ("personal_access_token", "api_key", "grant", JWT_TARGET)
    },
    ("actions/tokens/reuse.py", "EVENT"): {"credential.reused"},
    ("actions/sign_in/failed_authentications.py", "action"): {"authentication.fail", "authentication.limited"},
    ("actions/sign_in/failed_authentications.py", "kind.action"): {"authentication.fail", "authentication.limited"},
    ("maintenance/bootstrap.py", "f'{kind}.create'"): {
        f"{kind}.create" for kind in ("resource", "user", "client", "role")
    },
}

EARLIER = {"grant.reuse"}  # what earlier versions recorded


def recorded() -> Iterator[tuple[str, str]]:
    """Return the file and the action of each call that records an event; an action in quotes where it is known."""
    for file in sorted(ROOT.rglob("*.py")):
        tree, name = ast.parse(file.read_text()), str(file.relative_to(ROOT))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == "record"
                and len(call.args) > 2
            ):
                yield name, _action(call.args[2], constants)


def _action(node: ast.expr, constants: Mapping[str, object]) -> str:
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.JoinedStr):
        values = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
        texts = [part.value if isinstance(part, ast.Constant) else constants.get(ast.unparse(part)) for part in values]
        return ast.unparse(node) if None in texts else repr("".join(map(str, texts)))
    return ast.unparse(node)


def actions() -> set[str]:
    """Return every action that the code records."""
    found: set[str] = set()
    for file, action in recorded():
        found |= ELSEWHERE.get((file, action)) or {ast.literal_eval(action)}
    return found


def test_every_event_that_the_code_records_has_a_sentence() -> None:
    assert len(list(recorded())) > 40
    assert actions() | EARLIER == set(TYPES)


def test_no_call_is_explained_that_is_gone() -> None:
    assert set(ELSEWHERE) <= set(recorded())


def test_each_label_is_used_once() -> None:
    labels = [type.label for types in GROUPS.values() for type in types.values()]
    assert len(labels) == len(set(labels)) == len(TYPES)
    assert all(type.sentence.count("[") == type.sentence.count("]") for type in TYPES.values())
