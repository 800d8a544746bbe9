"""Provisioning: what an organisation's directory keeps here of its people and groups, by SCIM (RFC 7643, RFC 7644)."""

from __future__ import annotations

from app.actions.directory.provisioning_groups import ProvisionedGroups
from app.actions.directory.provisioning_users import ProvisionedUsers
from app.clock import Clock
from app.database.store import Store


class Provisioning:
    """The users and the groups as a provisioning client sees them. The interface parses, and prints; this decides."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self.users = ProvisionedUsers(store, management_identifier, clock)
        self.groups = ProvisionedGroups(store, management_identifier, clock)
