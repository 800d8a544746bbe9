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
        "client.register": EventType("App registered itself", "{actor} registered the app {target}"),
        "client.expire": EventType("Unused apps deleted", "{actor} deleted {count} apps that nobody agreed to"),
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
    "Apps": {
        "consent.give": EventType("App allowed", "{actor} allowed the app {target} to act for them[ with {scopes}]"),
        "consent.refuse": EventType("App refused", "{actor} refused the app {target}"),
        "app.end": EventType("App ended", "{actor} ended the access of the app {target}[ to the account of {owner}]"),
        "grant.create": EventType("App connected", "The app {client} was connected[ for {owner}][ with {scopes}]"),
        "grant.replay": EventType(
            "Authorization code replayed", "A code of the app {target} was used twice, which ended its grant"
        ),
        "grant.reuse": EventType(
            "Refresh token reused",
            "A replaced refresh token of the app {target}[ for {owner}] was used again, which ended its grant",
        ),
        "grant.revoke": EventType("App grant revoked", "{actor} revoked the grant of the app {target}"),
    },
    "Users": {
        "user.create": EventType("User created", "{actor} created the user {target}[ (roles: {roles})]"),
        "user.update": EventType("User changed", "{actor} changed the user {target}[: {changed}]"),
        "user.invite": EventType("User invited", "{actor} invited {target} to set a password"),
        "user.reset": EventType("Password reset asked for", "{actor} had {target} sent a link to set another password"),
        "user.choose_notices": EventType("Notices chosen", "{actor} chose which notices to get by mail"),
        "user.link": EventType("Account linked", "The account {subject} at {issuer} was linked to the user {target}"),
        "user.unlink": EventType(
            "Account unlinked", "{actor} unlinked the account {subject} at {issuer} from the user {target}"
        ),
        "user.delete": EventType("User deleted", "{actor} deleted the user {target}"),
        "user.factor.add": EventType("Second factor added", "{actor} added a second factor[: {factor}]"),
        "user.factor.remove": EventType("Second factor removed", "{actor} removed a second factor[: {factor}]"),
        "user.factor.reset": EventType("Second factors reset", "{actor} reset the second factors of {target}"),
        "user.recovery_codes.create": EventType("Recovery codes made", "{actor} made new recovery codes"),
        "user.recovery_codes.use": EventType(
            "Recovery code used", "{actor} used a recovery code[ and has {left} left]"
        ),
        "user_session.begin": EventType("Signed in", "{actor} signed in[ by {methods}]"),
        "user_session.confirm": EventType("Sign-in confirmed", "{actor} confirmed a sign-in[ by {method}]"),
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
    "Identity providers": {
        "identity_provider.create": EventType(
            "Identity provider added", "{actor} added the identity provider {target}[ of {issuer}]"
        ),
        "identity_provider.update": EventType(
            "Identity provider changed", "{actor} changed the identity provider {target}[: {changed}]"
        ),
        "identity_provider.delete": EventType(
            "Identity provider deleted", "{actor} deleted the identity provider {target}[ of {issuer}]"
        ),
    },
    "Webhooks": {
        "webhook.create": EventType("Webhook created", "{actor} created the webhook {target}[ to {host}]"),
        "webhook.update": EventType("Webhook changed", "{actor} changed the webhook {target}[: {changed}]"),
        "webhook.rotate": EventType(
            "Webhook secret rotated",
            "{actor} rotated the secret of the webhook {target}[; the old one signs for {overlap} more]",
        ),
        "webhook.disabled": EventType("Webhook disabled", "The webhook {target} was disabled[: {reason}]"),
        "webhook.delete": EventType("Webhook deleted", "{actor} deleted the webhook {target}"),
    },
    "Security": {
        "authentication.fail": EventType("Authentication failed", "Authentication as {whom} failed[ {merged} times]"),
        "authentication.limited": EventType(
            "Authentication limited", "Authentication as {whom} failed too often and is refused for a while"
        ),
        "credential.report_leak": EventType(
            "Credential reported as leaked", "{actor} reported the {what} {target} as leaked, which ended it"
        ),
        "credential.reused": EventType(
            "Replaced secret used", "A secret of the {what} {target}[ of {account}] was used after its end[{ended}]"
        ),
        "signing_key.rotate": EventType("Signing key rotated", "{actor} rotated the signing keys: {target} signs now"),
        "signing_key.revoke": EventType("Signing key revoked", "{actor} revoked the signing key {target}"),
        "signing_key.reseal": EventType(
            "Signing keys sealed again", "{actor} sealed the signing keys with the present secret key"
        ),
        "audit.prune": EventType(
            "Audit log pruned", "{actor} deleted the events up to {target}, and signed where it cut"
        ),
        "audit.redact": EventType("Audit log redacted", "{actor} removed secrets from events of the audit log"),
    },
}
TYPES = {action: type for types in GROUPS.values() for action, type in types.items()}
UNKNOWN = EventType("", "{actor} did {action}[ to the {what} {target}]")  # of another version
