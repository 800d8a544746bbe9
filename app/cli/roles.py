"""`latchkey role`: bundles of permissions."""

from __future__ import annotations

from typing import Literal

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET
from app.actions.directory.roles import NewRole, RoleChanges
from app.cli.options import many
from app.cli.output import done, json_option, show_all, show_one
from app.cli.session import everything, open_actions, role_named

COLUMNS = ("id", "name", "type", "permissions", "description")
TYPE = click.Choice(["user", "machine"])


@click.group()
def role() -> None:
    """Roles: create, list, show, update, delete."""


@role.command()
@click.option("--name", required=True)
@click.option("--type", "type_", type=TYPE, required=True, help="Whom it can be given to.")
@click.option("--description", default="")
@many("--permission", "permissions", "Name of a permission.")
@json_option
def create(
    name: str, type_: Literal["user", "machine"], description: str, permissions: tuple[str, ...], as_json: bool
) -> None:
    """Create a role."""
    new = NewRole(name=name, type=type_, description=description, permissions=permissions)
    show_one(as_json, open_actions().roles.create(OPERATOR, new))


@role.command("list")
@click.option("--type", "type_", type=TYPE, help="Only roles of this type.")
@json_option
def list_(type_: Literal["user", "machine"] | None, as_json: bool) -> None:
    """List the roles."""
    roles = open_actions().roles
    show_all(as_json, everything(lambda limit, after: roles.page(limit, after, type=type_)), COLUMNS)


@role.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a role, by name or id."""
    show_one(as_json, role_named(open_actions(), name))


@role.command()
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--description")
@many("--permission", "permissions", "Name of a permission; together they replace those that the role gives.")
@click.option("--no-permissions", is_flag=True, help="Take all permissions away.")
@json_option
def update(
    name: str,
    new_name: str | None,
    description: str | None,
    permissions: tuple[str, ...],
    no_permissions: bool,
    as_json: bool,
) -> None:
    """Change a role; what is not named stays. It is felt at once by every credential concerned."""
    actions = open_actions()
    changes = RoleChanges(
        name=UNSET if new_name is None else new_name,
        description=UNSET if description is None else description,
        permissions=() if no_permissions else permissions or UNSET,
    )
    show_one(as_json, actions.roles.change(OPERATOR, role_named(actions, name).id, changes))


@role.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a role; who had it has less at once."""
    actions = open_actions()
    found = role_named(actions, name)
    actions.roles.delete(OPERATOR, found.id)
    done(as_json, f"The role {found.name} is deleted.", id=found.id, deleted=True)
