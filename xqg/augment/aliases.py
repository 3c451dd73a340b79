"""Moving an alias to the new collection and back, and what an alias cannot do."""

from __future__ import annotations

from xqg.errors import SettingsError, StoreError
from xqg.stores.augmented import augmented_from
from xqg.stores.server import Server, require_shape


def check_alias(server: Server, alias: str, source: str, into: str) -> None:
    """Raise where ``alias`` could not be moved from ``source`` to ``into``.

    :raises StoreError: if it is a collection's name, or names a third collection.
    """
    target = server.aliases().get(alias)
    if target is None and server.shape(alias) is not None:
        raise StoreError(
            f"{alias!r} is the name of a collection, and Qdrant lets no alias share it (nor rename a collection)",
            "a name for an alias",
            f"Let the application open {into!r}, or, once, a new alias such as {alias + '-live'!r}; where the name "
            f"cannot change, augment without --alias, check {into!r}, then delete {alias!r} (keep a snapshot) and give "
            "its name to an alias: searches fail for the moment between the two",
        )
    if target not in (None, source, into):
        raise StoreError(
            f"The alias {alias!r} is taken: it names {target!r}",
            f"an alias of {source!r} or {into!r}, or a new one",
            "Choose another --alias, or augment the collection that it names",
        )


def roll_back(server: Server, into: str, alias: str | None) -> dict[str, str]:
    """Make the alias name the source of ``into`` again; both collections stay as they are.

    :returns: the alias, and the collections it named before and names now.
    :raises StoreError: if the alias does not name ``into`` or its source.
    """
    if alias is None:
        raise SettingsError("No alias is named", "the one to move back", "Name it with --alias")
    block = augmented_from(require_shape(server, into).metadata)
    if block is None:
        raise StoreError(f"Collection {into!r} was not made by `xqg augment`", "one that has a source")
    require_shape(server, block.source)
    target = server.aliases().get(alias)
    if target not in (into, block.source):
        found = f"The alias {alias!r} names {target!r}" if target else f"There is no alias {alias!r}"
        raise StoreError(found, f"one of {into!r}, to be moved back to {block.source!r}", "Check --alias and --into")
    if target == into:
        server.point_alias(alias, block.source)
    return {"alias": alias, "was": target, "now": block.source}
