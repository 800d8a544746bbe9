"""Credentials of every kind in every state, and the clients that may introspect them."""

from collections.abc import Callable
from datetime import timedelta

from app.actions.audit.actor import SERVER
from app.actions.directory.lifetime import AskedLifetime
from app.crypto.confirmation import Confirmation
from app.crypto.opaque import Prefix, mint
from tests.core import ORDERS, STOCK, Core
from tests.oauth.wire import OWN, Wire, serve

Make = Callable[[Core], str]


def pat(name: str, *scopes: str, lifetime: AskedLifetime | None = None, user: str = "alice") -> Make:
    return lambda core: core.pat(user, *(scopes or ("orders:read",)), name=name, lifetime=lifetime)[1]


def _old_secret(core: Core) -> str:
    view, old = core.key()
    core.actions.api_keys.rotate(SERVER, view.id, 3600)
    return old


def _bound_token(core: Core, confirmation: Confirmation) -> str:
    issue, who = core.actions.issue_machine_token, (core.row_id("robot"), "robot")
    return issue.sign(issue.decide(*who, "orders:read", (), confirmation)).token


def _never_seen(core: Core) -> str:
    """A JWT whose signature is another's."""
    head, _, tail = core.m2m("robot", "orders:read").rpartition(".")
    return f"{head}.{tail[::-1]}"


MADE: dict[str, Make] = {
    "pat": pat("pat", "orders:read", "orders:write"),
    "pat for two audiences": pat("two", "orders:read", "stock:read"),
    "pat for ever": pat("ever", lifetime=AskedLifetime(never=True)),
    "pat of a moment": pat("moment", lifetime=AskedLifetime(expires_in=1)),
    "pat revoked": pat("gone"),
    "pat regenerated": pat("old"),
    "pat elsewhere": pat("elsewhere", "stock:read"),
    "pat of one disabled": pat("theirs", user="bob"),
    "pat of one with a name": pat("named", user="Zoë Ø'Neil"),
    "pat without a scope left": pat("bare", user="carol"),
    "pat unknown": lambda core: mint(Prefix.PAT),
    "key": lambda core: core.key()[1],
    "key narrowed": lambda core: core.key(scopes=("orders:list",))[1],
    "key without a scope": lambda core: core.key(scopes=())[1],
    "key with networks": lambda core: core.key(allowed_ips=("192.0.2.0/24", "127.0.0.0/8"))[1],
    "key elsewhere": lambda core: core.key(STOCK)[1],
    "key that ends": lambda core: core.key(expires_at=core.clock() + timedelta(seconds=1))[1],
    "key disabled": lambda core: core.key(enabled=False)[1],
    "key in its overlap": _old_secret,
    "key revoked": lambda core: core.key()[1],
    "key unknown": lambda core: mint(Prefix.API_KEY),
    "m2m": lambda core: core.m2m("robot", "orders:read orders:write"),
    "m2m for two audiences": lambda core: core.m2m("robot", None, ORDERS, STOCK),
    "m2m of ours": lambda core: core.m2m("auditor", "introspect", OWN),
    "m2m bound to a key": lambda core: _bound_token(core, Confirmation(jkt="k" * 43)),
    "m2m bound to a certificate": lambda core: _bound_token(core, Confirmation(x5t_s256="c" * 43)),
    "m2m revoked": lambda core: core.m2m("robot", "orders:read"),
    "m2m forged": _never_seen,
    "exchanged pat": lambda core: core.exchange(core.pat("alice", "orders:read", name="x")[1]),
    "exchanged key": lambda core: core.exchange(core.key()[1]),
    "exchanged by a client": lambda core: core.exchange(core.key()[1], client_id="robot"),
    "exchanged from one revoked": lambda core: core.exchange(core.pat("alice", "orders:read", name="y")[1]),
    "nothing known": lambda core: "nonsense",
    "a client secret": lambda core: mint(Prefix.CLIENT_SECRET),
    "three dots": lambda core: "a.b.c",
    "a wrong check": lambda core: "lk_pat_" + "0" * 38,
    "long": lambda core: "x" * 9_000,
}


def make(wire: Wire) -> dict[str, str]:
    """Make one of each, then revoke or disable the ones whose names say so."""
    core = wire.core
    for name in ("bob", "carol", "Zoë Ø'Neil"):
        core.user(name, "clerk")
    serve(core, "robot", ORDERS)
    tokens = {name: how(core) for name, how in MADE.items()}
    for name in ("pat revoked", "key revoked", "m2m revoked"):
        client = "robot" if name.startswith("m2m") else None
        core.actions.revoke_token(SERVER, tokens[name], client)
    source = core.pat("alice", "orders:read", name="z")[1]
    tokens["exchanged from one revoked"] = core.exchange(source)
    core.actions.revoke_token(SERVER, source, None)
    regenerated = core.verified(tokens["pat regenerated"]).credential_id
    core.actions.personal_access_tokens.regenerate(SERVER, core.row_id("alice"), regenerated)
    core.enable("bob", False)
    core.assign("carol")
    core.clock.advance(seconds=5)
    return tokens
