"""`gaal image`: what stands for container images where there are no containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gaal.cli.own_store import complain, own_store
from gaal.cli.store import DatabaseUrl, DataDir
from gaal.errors import GaalError, NotFound

if TYPE_CHECKING:
    from gaal.storage.store import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="The image's name, as start-microservice is told it.")]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A folder with a script, a script, a module or pkg.mod:Class.")
]

image = typer.Typer(name="image", help="What stands for container images here.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(image)


@image.command()
def add(name: Name, target: Target, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Let a target stand for an image. Microservices that have it are replaced."""
    from gaal.gateway.audit import audited
    from gaal.microservices.commands import absolute
    from gaal.storage.records import Image

    with opened(data_dir, database) as store:
        found = Image(name, absolute(target, Path.cwd()))
        store.images.put(found)
        audited(store, "image.add", name, found.target)
        print(f"{name} is {found.target}")


@image.command(name="list")
def list_images(data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Show the images, and what stands for them."""
    with opened(data_dir, database) as store:
        for each in store.images.all():
            print(f"{each.name}  {each.target}")


@image.command()
def remove(name: Name, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Let nothing stand for an image any more."""
    from gaal.gateway.audit import audited

    with opened(data_dir, database) as store:
        if not store.images.remove(name):
            known = ", ".join(each.name for each in store.images.all()) or "none"
            raise NotFound(f'image "{name}": there is no such image (there are: {known})')
        audited(store, "image.remove", name)
        print(f"removed {name}")


@contextmanager
def opened(data_dir: Path | None, database: str | None) -> Iterator[Store]:
    """The store. What goes wrong with it, or inside, ends the command with status 1, told on stderr."""
    try:
        with own_store(data_dir, database) as store:
            yield store
    except GaalError as error:
        complain(error)
        raise typer.Exit(1) from None
