"""The types of messages beside the audit events."""

from __future__ import annotations

ALL_EVENTS = "*"  # what a webhook subscribes to that is sent everything
TEST = "webhook.test"  # sent on demand, whatever the webhook subscribes to
NOTICES = {
    "credential.expiring": "A credential ends soon",
    "credential.unused": "A credential is not used any more",
    "credential.leaked": "A credential was reported as leaked",
    "credential.reused": "A credential was used after it was replaced",
    "second_factor.changed": "A second factor of a user was changed",
    "linked_account.changed": "An account with which a user signs in was linked or unlinked",
    "recovery_code.used": "A user signed in with a recovery code",
    "sign_in.new_place": "A user signed in from a new place",
}
LINK_MAILS = {"invitation": "account.invitation", "reset": "account.reset"}  # mail with a link, by its purpose
