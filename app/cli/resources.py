"""`latchkey resource`: API resources and their permissions."""

from __future__ import annotations

from dataclasses import replace

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.resources import NewPermission, NewResource, PermissionChanges, ResourceChanges
from app.cli.actions import find_resource, list_all, open_actions
from app.cli.completion import PERMISSIONS, RESOURCES
from app.cli.options import Duration, many
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of

SECONDS = Duration(seconds=True)  # as the field of the API
COLUMNS = ("id", "identifier", "name", "access_token_ttl", "permissions")


@click.group(cls=Group)
def resource() -> None:
    """API resources: create, list, show, update, delete; permission add, update, delete."""


@resource.command()
@options_of(
    NewResource,
    identifier="Its resource indicator: an absolute URI.",
    access_token_ttl=Option("Lifetime of access tokens for it, in seconds or such as 1h.", type=SECONDS),
    permissions=None,
)
@many("--permission", "permissions", "Name of a permission.")
@many("--public", "public", "Name of a permission that API keys may have.")
@json_option
def create(new: NewResource, permissions: tuple[str, ...], public: tuple[str, ...], as_json: bool) -> None:
    """Create an API resource."""
    wanted = [NewPermission(scope) for scope in permissions if scope not in public]
    wanted += [NewPermission(scope, public=True) for scope in public]
    print_record(as_json, open_actions().resources.create(OPERATOR, replace(new, permissions=tuple(wanted))))


@resource.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the API resources."""
    resources = open_actions().resources
    print_records(as_json, list_all(lambda limit, after: resources.page(limit, after)), COLUMNS)


@resource.command()
@click.argument("name", shell_complete=RESOURCES)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show an API resource, by identifier or id."""
    print_record(as_json, find_resource(open_actions(), name))


@resource.command()
@click.argument("name", shell_complete=RESOURCES)
@options_of(ResourceChanges, name="A new name.", access_token_ttl=Option(type=SECONDS))
@json_option
def update(changes: ResourceChanges, name: str, as_json: bool) -> None:
    """Change an API resource; fields that are not given keep their values."""
    actions = open_actions()
    print_record(as_json, actions.resources.change(OPERATOR, find_resource(actions, name).id, changes))


@resource.command()
@click.argument("name", shell_complete=RESOURCES)
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete an API resource with its permissions; its API keys are invalid at once."""
    actions = open_actions()
    found = find_resource(actions, name)
    actions.resources.delete(OPERATOR, found.id)
    print_done(as_json, f"{found.identifier} is deleted.", id=found.id, deleted=True)


@resource.group()
def permission() -> None:
    """Permissions of an API resource: add, update, delete."""


@permission.command()
@click.argument("resource_name", metavar="RESOURCE", shell_complete=RESOURCES)
@click.argument("name")
@click.option("--description", default="")
@click.option("--public", is_flag=True, help="API keys may have it.")
@json_option
def add(resource_name: str, name: str, description: str, public: bool, as_json: bool) -> None:
    """Add a permission; its name is the scope."""
    actions = open_actions()
    new = NewPermission(name, description, public)
    print_record(as_json, actions.resources.add_permission(OPERATOR, find_resource(actions, resource_name).id, new))


@permission.command("update")
@click.argument("resource_name", metavar="RESOURCE", shell_complete=RESOURCES)
@click.argument("name", shell_complete=PERMISSIONS)
@options_of(
    PermissionChanges, name="A new name.", public=Option("Whether API keys may have it.", "--public/--not-public")
)
@json_option
def update_permission(changes: PermissionChanges, resource_name: str, name: str, as_json: bool) -> None:
    """Change a permission; fields that are not given keep their values."""
    actions = open_actions()
    found = find_resource(actions, resource_name)
    print_record(as_json, actions.resources.change_permission(OPERATOR, found.id, name, changes))


@permission.command("delete")
@click.argument("resource_name", metavar="RESOURCE", shell_complete=RESOURCES)
@click.argument("name", shell_complete=PERMISSIONS)
@json_option
def delete_permission(resource_name: str, name: str, as_json: bool) -> None:
    """Delete a permission; credentials that have it lose it at once."""
    actions = open_actions()
    actions.resources.delete_permission(OPERATOR, find_resource(actions, resource_name).id, name)
    print_done(as_json, f"{name} is deleted.", name=name, deleted=True)
