"""Objects that are copied, and sent to other processes, as what they were made from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Remade")


class Remade:
    """Copies and pickles of a subclass are made anew with the arguments of the original.

    So connections, locks and loaded weights, which cannot travel, are opened and loaded again where they are needed;
    nothing else may change in an object of such a class.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls: type[Self], *args: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        made._arguments = (args, options)
        return made

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        args, options = self._arguments
        return partial(type(self), *args, **options), ()
