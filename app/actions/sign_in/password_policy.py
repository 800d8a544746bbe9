"""Who may sign in with a password: everybody, administrators only, or nobody (the setting PASSWORDS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import MANAGE

Passwords = Literal["on", "administrators", "off"]
OFF = "passwords are off here: sign in at an identity provider"


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The setting, as it applies to a user; administrators are those whose roles give manage."""

    setting: Passwords
    management_identifier: str

    @property
    def off(self) -> bool:
        """Whether nobody signs in with a password."""
        return self.setting == "off"

    def allows(self, connection: Connection | Session, user_id: str) -> bool:
        """Return whether this user may sign in with a password."""
        if self.setting == "administrators":
            return MANAGE in grants_of_user(connection, user_id).on([self.management_identifier]).scopes
        return self.setting == "on"
