"""`latchkey resource`: API resources and their permissions."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET
from app.actions.directory.resources import DEFAULT_TTL, NewPermission, NewResource, PermissionChanges, ResourceChanges
from app.cli.options import Duration, many
from app.cli.output import done, json_option, show_all, show_one
from app.cli.session import everything, open_actions, resource_named

COLUMNS = ("id", "identifier", "name", "access_token_ttl", "permissions")


@click.group()
def resource() -> None:
    """API resources: create, list, show, update, delete; permission add, update, delete."""


@resource.command()
@click.option("--identifier", required=True, help="Its resource indicator: an absolute URI.")
@click.option("--name", required=True)
@click.option("--access-token-ttl", type=Duration(), default=DEFAULT_TTL, show_default=True, help="Of its tokens.")
@many("--permission", "permissions", "Name of a permission.")
@many("--public", "public", "Name of a permission that API keys may have.")
@json_option
def create(
    identifier: str,
    name: str,
    access_token_ttl: int,
    permissions: tuple[str, ...],
    public: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create an API resource."""
    wanted = [NewPermission(scope) for scope in permissions if scope not in public]
    wanted += [NewPermission(scope, public=True) for scope in public]
    new = NewResource(identifier, name, access_token_ttl, tuple(wanted))
    show_one(as_json, open_actions().resources.create(OPERATOR, new))


@resource.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the API resources."""
    resources = open_actions().resources
    show_all(as_json, everything(lambda limit, after: resources.page(limit, after)), COLUMNS)


@resource.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show an API resource, by identifier or id."""
    show_one(as_json, resource_named(open_actions(), name))


@resource.command()
@click.argument("name")
@click.option("--identifier")
@click.option("--name", "new_name", help="A new name.")
@click.option("--access-token-ttl", type=Duration())
@json_option
def update(
    name: str, identifier: str | None, new_name: str | None, access_token_ttl: int | None, as_json: bool
) -> None:
    """Change an API resource; what is not named stays."""
    actions = open_actions()
    changes = ResourceChanges(
        identifier=UNSET if identifier is None else identifier,
        name=UNSET if new_name is None else new_name,
        access_token_ttl=UNSET if access_token_ttl is None else access_token_ttl,
    )
    show_one(as_json, actions.resources.change(OPERATOR, resource_named(actions, name).id, changes))


@resource.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete an API resource with its permissions; its API keys are dead at once."""
    actions = open_actions()
    found = resource_named(actions, name)
    actions.resources.delete(OPERATOR, found.id)
    done(as_json, f"{found.identifier} is deleted.", id=found.id, deleted=True)


@resource.group()
def permission() -> None:
    """Permissions of an API resource: add, update, delete."""


@permission.command()
@click.argument("resource_name", metavar="RESOURCE")
@click.argument("name")
@click.option("--description", default="")
@click.option("--public", is_flag=True, help="API keys may have it.")
@json_option
def add(resource_name: str, name: str, description: str, public: bool, as_json: bool) -> None:
    """Add a permission; its name is the scope."""
    actions = open_actions()
    new = NewPermission(name, description, public)
    show_one(as_json, actions.resources.add_permission(OPERATOR, resource_named(actions, resource_name).id, new))


@permission.command("update")
@click.argument("resource_name", metavar="RESOURCE")
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--description")
@click.option("--public/--not-public", default=None, help="Whether API keys may have it.")
@json_option
def update_permission(
    resource_name: str, name: str, new_name: str | None, description: str | None, public: bool | None, as_json: bool
) -> None:
    """Change a permission; what is not named stays."""
    actions = open_actions()
    changes = PermissionChanges(
        name=UNSET if new_name is None else new_name,
        description=UNSET if description is None else description,
        public=UNSET if public is None else public,
    )
    found = resource_named(actions, resource_name)
    show_one(as_json, actions.resources.change_permission(OPERATOR, found.id, name, changes))


@permission.command("delete")
@click.argument("resource_name", metavar="RESOURCE")
@click.argument("name")
@json_option
def delete_permission(resource_name: str, name: str, as_json: bool) -> None:
    """Delete a permission; every credential concerned shrinks at once."""
    actions = open_actions()
    actions.resources.delete_permission(OPERATOR, resource_named(actions, resource_name).id, name)
    done(as_json, f"{name} is deleted.", name=name, deleted=True)
