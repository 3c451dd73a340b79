"""What all settings share: unknown names are errors, and each wrong option becomes one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from xqg.errors import SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, /, **values: Any) -> None:
        """:raises SettingsError: names each wrong option."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError("; ".join(_one_problem(dict(problem)) for problem in error.errors())) from None

    # pydantic then still builds settings inside of settings by itself, so that an error names its place among them
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class ConflictError(ValueError):
    """Options that do not go together; ``options`` are their names, as seen from the settings that raise."""

    def __init__(self, message: str, *options: str) -> None:
        super().__init__(message)
        self.options = options


CUSTOM = "custom"
"""The spec of a part that is handed in, and not built from its settings."""


def kind_of(spec: str) -> str:
    """The kind that a spec begins with: "hf" of "hf:MODEL"."""
    return re.split(r"[:+]", spec, maxsplit=1)[0]


def added_kinds(group: str) -> dict[str, EntryPoint]:
    """The kinds that installed packages add by entry points of ``group``: xqg.encoders, xqg.generators, xqg.stores."""
    from importlib.metadata import entry_points  # not before a kind is unknown: it takes a while

    return {point.name: point for point in entry_points(group=group)}


def check_spec(spec: str, words: tuple[str, ...], kinds: tuple[str, ...], group: str = "") -> str:
    """``spec`` if it is one of ``words``, KIND:VALUE with one of ``kinds``, or of a kind that a package adds.

    :param group: of the entry points; "": nobody adds kinds. :raises ValueError: names the choices.
    """
    kind, separator, value = spec.partition(":")
    if spec in (*words, CUSTOM) or (kind in kinds and separator and value):
        return spec
    added = added_kinds(group) if group else {}
    if kind in added and kind not in (*words, *kinds):
        return spec
    choices = [*words, *(f"{kind}:{'PATH' if kind == 'file' else 'MODEL'}" for kind in kinds), *added]
    raise ValueError(f"{spec!r} is not known; choose {', '.join(choices[:-1])} or {choices[-1]}")


def validated(settings: type[Settings], values: Mapping[str, Any]) -> Any:
    """An instance of ``settings`` with ``values``.

    :raises SettingsError: one line that names each wrong option, what was found and what was asked.
    """
    return settings(**values)


def find_conflict(settings: type[Settings], values: Mapping[str, Any]) -> tuple[str, ...]:
    """The options, as ``group.name``, of the first conflict that ``settings`` finds in ``values``; empty: none."""
    try:
        settings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            cause = problem.get("ctx", {}).get("error")
            if isinstance(cause, ConflictError):
                return tuple(".".join([*map(str, problem["loc"]), name]) for name in cause.options)
    return ()


def _one_problem(problem: dict[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error" or not place:
        return message
    found = problem.get("input")
    return f"{place}: {message}" + (f" (found {found!r})" if isinstance(found, str | int | float) else "")
