"""The types of audit events, by subject: what the console calls each of them, and a sentence about one.

In a sentence, braces name a value of the event, and square brackets a part that is left out without its values.
`{whom}` is the account of a failed authentication, `{owner}` the user of a token unless it is the actor.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    """What one event of a type is called in a list of types, and its sentence."""

    label: str
    sentence: str


GROUPS: dict[str, dict[str, EventType]] = {
    "API keys": {
        "api_key.create": EventType("API key created", "{actor} created the API key {target}[ for {resource}]"),
        "api_key.update": EventType("API key changed", "{actor} changed the API key {target}"),
        "api_key.rotate": EventType(
            "API key rotated", "{actor} rotated the API key {target}[; the old secret works for {overlap} more]"
        ),
        "api_key.withdraw": EventType(
            "API key rotation withdrawn", "{actor} withdrew the new secret of the API key {target}[: {reason}]"
        ),
        "api_key.revoke": EventType(
            "API key revoked", "{actor} revoked the API key {target}[, because {resource} was deleted]"
        ),
    },
    "Personal access tokens": {
        "personal_access_token.create": EventType(
            "Token created", "{actor} created the token {target}[ of {owner}][ with {scopes}]"
        ),
        "personal_access_token.regenerate": EventType(
            "Token regenerated", "{actor} regenerated the token {target}[ of {owner}]"
        ),
        "personal_access_token.update": EventType("Token renamed", "{actor} changed the token {target}[ of {owner}]"),
        "personal_access_token.narrow": EventType(
            "Token lost scopes", "The token {target}[ of {owner}] lost {dropped} by a change of {actor}"
        ),
        "personal_access_token.revoke": EventType("Token revoked", "{actor} revoked the token {target}[ of {owner}]"),
        "personal_access_token.delete": EventType(
            "Token deleted", "{actor} deleted the expired token {target}[ of {owner}]"
        ),
    },
    "Machine clients": {
        "client.create": EventType("Client created", "{actor} created the client {target}[ (roles: {roles})]"),
        "client.update": EventType("Client changed", "{actor} changed the client {target}[: {changed}]"),
        "client.narrow": EventType("Client lost scopes", "The client {target} lost {dropped} by a change of {actor}"),
        "client.delete": EventType("Client deleted", "{actor} deleted the client {target}"),
        "client_secret.create": EventType(
            "Client secret created", "{actor} created the secret {target}[ of the client {client}]"
        ),
        "client_secret.revoke": EventType(
            "Client secret revoked", "{actor} revoked the secret {target}[ of the client {client}]"
        ),
        "federated_credential.create": EventType(
            "Trusted issuer added", "{actor} let the client {client} trust {issuer}[ for {subject}]"
        ),
        "federated_credential.delete": EventType(
            "Trusted issuer removed", "{actor} ended the trust of the client {client} in {issuer}[ for {subject}]"
        ),
        "token.revoke": EventType("JWT revoked", "{actor} revoked the JWT {target}"),
    },
    "Users": {
        "user.create": EventType("User created", "{actor} created the user {target}[ (roles: {roles})]"),
        "user.update": EventType("User changed", "{actor} changed the user {target}[: {changed}]"),
        "user.delete": EventType("User deleted", "{actor} deleted the user {target}"),
        "user_session.begin": EventType("Signed in", "{actor} signed in"),
        "user_session.end": EventType("Signed out", "{actor} ended a sign-in[ of {owner}]"),
    },
    "Roles": {
        "role.create": EventType("Role created", "{actor} created the role {target}[ with {permissions}]"),
        "role.update": EventType("Role changed", "{actor} changed the role {target}[, which gives {permissions}]"),
        "role.delete": EventType("Role deleted", "{actor} deleted the role {target}"),
    },
    "API resources": {
        "resource.create": EventType("API created", "{actor} created the API {target}"),
        "resource.update": EventType("API changed", "{actor} changed the API {target}"),
        "resource.delete": EventType("API deleted", "{actor} deleted the API {target}"),
        "permission.create": EventType("Permission added", "{actor} added the permission {target}[ to {resource}]"),
        "permission.update": EventType("Permission changed", "{actor} changed the permission {target}[ of {resource}]"),
        "permission.delete": EventType("Permission deleted", "{actor} deleted the permission {target}[ of {resource}]"),
    },
    "Security": {
        "authentication.fail": EventType("Authentication failed", "Authentication as {whom} failed[ {merged} times]"),
        "authentication.limited": EventType(
            "Authentication limited", "Authentication as {whom} failed too often and is refused for a while"
        ),
        "credential.report_leak": EventType(
            "Credential reported as leaked", "{actor} reported the {what} {target} as leaked, which ended it"
        ),
        "signing_key.rotate": EventType("Signing key rotated", "{actor} rotated the signing keys: {target} signs now"),
        "signing_key.revoke": EventType("Signing key revoked", "{actor} revoked the signing key {target}"),
        "signing_key.reseal": EventType(
            "Signing keys sealed again", "{actor} sealed the signing keys with the present secret key"
        ),
        "audit.redact": EventType("Audit log redacted", "{actor} removed secrets from events of the audit log"),
    },
}
TYPES = {action: type for types in GROUPS.values() for action, type in types.items()}
UNKNOWN = EventType("", "{actor} did {action}[ to the {what} {target}]")  # of another version
