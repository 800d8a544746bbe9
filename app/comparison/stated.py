"""Properties that cannot be measured: definitions, purposes and risks, each row with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.texts import mark

PASSWORD, PAT, OAUTH, API_KEY, M2M = "password", "pat", "oauth", "api_key", "m2m"
COLUMNS: Mapping[str, str] = {
    PASSWORD: mark("Password"),
    PAT: mark("Personal access token"),
    OAUTH: mark("OAuth token (delegated)"),
    API_KEY: mark("API key"),
    M2M: mark("Machine-to-machine token"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement can be read."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Stated:
    """A stated row: a cell for each column, and their sources."""

    key: str
    title: str
    sources: Sequence[Source]
    cells: Mapping[str, str]

    @property
    def source(self) -> str:
        """Return the names of the sources."""
        return "; ".join(source.label for source in self.sources)


def _rfc(number: int, section: str = "") -> Source:
    place, anchor = (f" §{section}", f"#section-{section}") if section else ("", "")
    return Source(f"RFC {number}{place}", f"https://www.rfc-editor.org/rfc/rfc{number}{anchor}")


def _row(key: str, title: str, sources: Sequence[Source], *cells: str) -> Stated:
    return Stated(key, title, sources, dict(zip(COLUMNS, cells, strict=True)))


LOGTO_PAT = Source(
    "Logto, guide to personal access tokens", "https://blog.logto.io/api-authentication-with-personal-access-token"
)
LOGTO_COMPARED = Source(
    "Logto, API keys, personal access tokens and machine-to-machine compared",
    "https://blog.logto.io/programmatic-authentication-methods",
)


ROWS: tuple[Stated, ...] = (
    _row(
        "definition",
        mark("Definition"),
        (LOGTO_PAT, _rfc(6749, "1.4"), _rfc(6749, "4.4")),
        mark("The secret by which a person proves to be the account's owner."),
        mark("A string that a user makes to let a program act for them, within scopes they choose."),
        mark("What an app holds after a user agreed that it may act for them, without giving it the password."),
        mark("A string that opens one API to anyone who sends it, and names nobody."),
        mark("A short-lived token that a registered client gets for its own id and secret, or for a signed assertion."),
    ),
    _row(
        "user_context",
        mark("User context"),
        (LOGTO_COMPARED,),
        mark("The account itself: anyone who has it is the user."),
        mark("The user, by delegation."),
        mark("The user and the app: both are named."),
        mark("None: no subject; use is anonymous."),
        mark("The client, never a person behind it."),
    ),
    _row(
        "permission_granularity",
        mark("Permission granularity"),
        (LOGTO_COMPARED,),
        mark("None: all that the user may do."),
        mark("Single scopes, across several APIs."),
        mark("Single scopes, as consented to."),
        mark("One API; at most a subset of what it makes public."),
        mark("Single scopes, by the client's roles."),
    ),
    _row(
        "scope_restriction",
        mark("Scope restriction"),
        (_rfc(6749, "3.3"), _rfc(8707, "2")),
        mark("Cannot be narrowed."),
        mark("Chosen when it is made, never more than the user's roles give; it shrinks with them."),
        mark("Asked for by the app, agreed to by the user, never more than the user's roles give."),
        mark("The API's public permissions, or a subset chosen by the operator."),
        mark("Asked for with each token, never more than the client's roles give."),
    ),
    _row(
        "revocation",
        mark("Revocation"),
        (_rfc(7009), _rfc(7662, "4")),
        mark("Change it, in every place that uses it."),
        mark("By the user or an operator, one at a time, without touching the account."),
        mark("By the user, for the app, without touching the password."),
        mark("By the API's operator: revoke, disable, or rotate with an overlap."),
        mark("By its client; or disable the client. Locally it ends at exp, or by the status list within seconds."),
    ),
    _row(
        "expiry",
        mark("Expiry"),
        (LOGTO_PAT,),
        mark("None until it is changed."),
        mark("Set when it is made, within the server's policy."),
        mark("Short; a refresh token, replaced at each use, gets the next one."),
        mark("Optional; often long-lived."),
        mark("Always, and soon."),
    ),
    _row(
        "ease_of_use",
        mark("Ease of use"),
        (LOGTO_COMPARED,),
        mark("Remembered by people; nothing a script should hold."),
        mark("Make it on a page, paste it into the script."),
        mark("Register an app, send the user through a consent page, keep a refresh token."),
        mark("Simplest: a header, nothing to register, nothing to exchange."),
        mark("Register a client, then ask for a token before each run."),
    ),
    _row(
        "token_format",
        mark("Token format"),
        (_rfc(9068), _rfc(6750, "2.1")),
        mark("Whatever a person chose."),
        mark("Opaque: lk_pat_, 32 random characters and 6 check characters."),
        mark("JWT, typ: at+jwt, ES256; the refresh token is opaque: lk_ref_ and 38 characters."),
        mark("Opaque: lk_key_, 32 random characters and 6 check characters."),
        mark("JWT, typ: at+jwt, ES256."),
    ),
    _row(
        "authorization_flow",
        mark("Authorization flow"),
        (_rfc(6749, "4.1"), _rfc(7636), _rfc(8628), _rfc(6749, "4.4"), _rfc(7617)),
        mark("Sent with each request (HTTP Basic), or traded for a session."),
        mark("None: the token is sent as it is."),
        mark("Authorization code with PKCE and consent, or a code typed on a page for a device; then a token request."),
        mark("None: the key is sent as it is."),
        mark("Client credentials grant: one token request."),
    ),
    _row(
        "best_for",
        mark("Best for"),
        (LOGTO_COMPARED,),
        mark("A person who signs in."),
        mark("Scripts, CI and third-party tools that act for one person, for a while, within limits."),
        mark("Apps of other makers that act for many users."),
        mark("Public APIs: quick starts, metering, anonymous reading."),
        mark("Backends that call backends, where only known clients may come in."),
    ),
    _row(
        "security_risk",
        mark("Security risk if stolen"),
        (_rfc(6750, "5.1"), _rfc(9700, "2.2"), _rfc(9700, "4.14.2")),
        mark("The whole account, and every token that it can make."),
        mark("The chosen scopes, until it is revoked or expires."),
        mark("The consented scopes, until it expires; a stolen refresh token ends when a replaced one is used."),
        mark("Calls on that one API, at its limits, until it is rotated."),
        mark("The client's scopes until exp; with the secret, until that is replaced."),
    ),
)
