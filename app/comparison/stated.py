"""Properties that cannot be measured: definitions, purposes and risks, each row with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PASSWORD, PAT, OAUTH, API_KEY, M2M = "password", "pat", "oauth", "api_key", "m2m"
COLUMNS: Mapping[str, str] = {
    PASSWORD: "Password",
    PAT: "Personal access token",
    OAUTH: "OAuth token (delegated)",
    API_KEY: "API key",
    M2M: "Machine-to-machine token",
}

LOGTO_PAT = "Logto, guide to personal access tokens"
LOGTO_COMPARED = "Logto, API keys, personal access tokens and machine-to-machine compared"
RFC_6749 = "RFC 6749"


@dataclass(frozen=True, slots=True)
class Stated:
    """A stated row: a cell for each column, and their source."""

    key: str
    title: str
    source: str
    cells: Mapping[str, str]


def _row(key: str, title: str, source: str, *cells: str) -> Stated:
    return Stated(key, title, source, dict(zip(COLUMNS, cells, strict=True)))


ROWS: tuple[Stated, ...] = (
    _row(
        "definition",
        "Definition",
        f"{LOGTO_PAT}; {RFC_6749} §1.4, §4.4",
        "The secret by which a person proves to be the account's owner.",
        "A string that a user makes to let a program act for them, within scopes they choose.",
        "What an app holds after a user agreed that it may act for them, without giving it the password.",
        "A string that opens one API to anyone who sends it, and names nobody.",
        "A short-lived token that a registered client gets for its own id and secret, or for a signed assertion.",
    ),
    _row(
        "user_context",
        "User context",
        LOGTO_COMPARED,
        "The account itself: anyone who has it is the user.",
        "The user, by delegation.",
        "The user and the app: both are named.",
        "None: no subject; use is anonymous.",
        "The client, never a person behind it.",
    ),
    _row(
        "permission_granularity",
        "Permission granularity",
        LOGTO_COMPARED,
        "None: all that the user may do.",
        "Single scopes, across several APIs.",
        "Single scopes, as consented to.",
        "One API; at most a subset of what it makes public.",
        "Single scopes, by the client's roles.",
    ),
    _row(
        "scope_restriction",
        "Scope restriction",
        f"{RFC_6749} §3.3; RFC 8707 §2",
        "Cannot be narrowed.",
        "Chosen when it is made, never more than the user's roles give; it shrinks with them.",
        "Asked for by the app, consented to by the user.",
        "The API's public permissions, or a subset chosen by the operator.",
        "Asked for with each token, never more than the client's roles give.",
    ),
    _row(
        "revocation",
        "Revocation",
        "RFC 7009; RFC 7662 §4",
        "Change it, in every place that uses it.",
        "By the user or an operator, one at a time, without touching the account.",
        "By the user, for the app, without touching the password.",
        "By the API's operator: revoke, disable, or rotate with an overlap.",
        "By its client; or disable the client. A resource server that verifies locally notices at exp.",
    ),
    _row(
        "expiry",
        "Expiry",
        LOGTO_PAT,
        "None until it is changed.",
        "Set when it is made, within the server's policy.",
        "Short; a refresh token extends it.",
        "Optional; often long-lived.",
        "Always, and soon.",
    ),
    _row(
        "ease_of_use",
        "Ease of use",
        LOGTO_COMPARED,
        "Remembered by people; nothing a script should hold.",
        "Make it on a page, paste it into the script.",
        "Register an app, send the user through a consent page, keep a refresh token.",
        "Simplest: a header, nothing to register, nothing to exchange.",
        "Register a client, then ask for a token before each run.",
    ),
    _row(
        "token_format",
        "Token format",
        "RFC 9068; Latchkey's contract for lk_ secrets",
        "Whatever a person chose.",
        "Opaque: lk_pat_, 32 random characters and 6 check characters.",
        "Opaque or JWT, as the server likes.",
        "Opaque: lk_key_, 32 random characters and 6 check characters.",
        "JWT, typ: at+jwt, ES256.",
    ),
    _row(
        "authorization_flow",
        "Authorization flow",
        f"{RFC_6749} §4.1, §4.4; RFC 7617",
        "Sent with each request (HTTP Basic), or traded for a session.",
        "None: the token is sent as it is.",
        "Authorization code with consent, then a token request.",
        "None: the key is sent as it is.",
        "Client credentials grant: one token request.",
    ),
    _row(
        "best_for",
        "Best for",
        LOGTO_COMPARED,
        "A person who signs in.",
        "Scripts, CI and third-party tools that act for one person, for a while, within limits.",
        "Apps of other makers that act for many users.",
        "Public APIs: quick starts, metering, anonymous reading.",
        "Backends that call backends, where only known clients may come in.",
    ),
    _row(
        "security_risk",
        "Security risk if stolen",
        "RFC 6750 §5.1; RFC 9700 §2.2",
        "The whole account, and every token that it can make.",
        "The chosen scopes, until it is revoked or expires.",
        "The consented scopes, until it expires.",
        "Calls on that one API, at its limits, until it is rotated.",
        "The client's scopes until exp; with the secret, until that is replaced.",
    ),
)
