"""`latchkey role`: named sets of permissions."""

from __future__ import annotations

from typing import get_args

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.roles import NewRole, RoleChanges, RoleType
from app.cli.actions import find_role, list_all, open_actions
from app.cli.completion import PERMISSIONS, ROLES
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of

COLUMNS = ("id", "name", "type", "permissions", "provisioned", "description")


@click.group(cls=Group)
def role() -> None:
    """Roles: create, list, show, update, delete."""


@role.command()
@options_of(
    NewRole,
    type="Who it can be assigned to.",
    permissions=Option("Name of a permission.", complete=PERMISSIONS),
    provisioned="Let SCIM keep it as a group.",
)
@json_option
def create(new: NewRole, as_json: bool) -> None:
    """Create a role."""
    print_record(as_json, open_actions().roles.create(OPERATOR, new))


@role.command("list")
@click.option("--type", "type_", type=click.Choice(get_args(RoleType)), help="Only roles of this type.")
@json_option
def list_(type_: RoleType | None, as_json: bool) -> None:
    """List the roles."""
    roles = open_actions().roles
    print_records(as_json, list_all(lambda limit, after: roles.page(limit, after, type=type_)), COLUMNS)


@role.command()
@click.argument("name", shell_complete=ROLES)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a role, by name or id."""
    print_record(as_json, find_role(open_actions(), name))


@role.command()
@click.argument("name", shell_complete=ROLES)
@options_of(
    RoleChanges,
    name="A new name.",
    permissions=Option(
        "Name of a permission; replaces the current ones.",
        complete=PERMISSIONS,
        clear="--no-permissions",
        clear_help="Remove all permissions.",
    ),
    provisioned=Option("Let SCIM keep it as a group, or keep it here.", "--provisioned/--not-provisioned"),
)
@json_option
def update(changes: RoleChanges, name: str, as_json: bool) -> None:
    """Change a role; fields that are not given keep their values. Applies to credentials at once."""
    actions = open_actions()
    print_record(as_json, actions.roles.change(OPERATOR, find_role(actions, name).id, changes))


@role.command()
@click.argument("name", shell_complete=ROLES)
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a role; its users and clients lose its permissions at once."""
    actions = open_actions()
    found = find_role(actions, name)
    actions.roles.delete(OPERATOR, found.id)
    print_done(as_json, f"The role {found.name} is deleted.", id=found.id, deleted=True)
