"""/console: the pages of operators, who have the scope `manage`; a file for each kind of thing."""

from __future__ import annotations

from app.web.console import (
    api_keys,
    audit,
    client_grants,
    client_secrets,
    clients,
    credentials,
    federated_credentials,
    holders,
    identity_providers,
    overview,
    resources,
    roles,
    search,
    signing_keys,
    user_apps,
    user_identities,
    user_tokens,
    users,
    webhooks,
)

ROUTES = (
    overview.routes,
    resources.routes,
    roles.routes,
    users.routes,
    user_tokens.routes,
    user_apps.routes,
    user_identities.routes,
    clients.routes,
    client_secrets.routes,
    client_grants.routes,
    federated_credentials.routes,
    credentials.routes,
    api_keys.routes,
    signing_keys.routes,
    audit.routes,
    holders.routes,
    search.routes,
    webhooks.routes,
    identity_providers.routes,
)
