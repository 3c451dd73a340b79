"""What all settings share: unknown names are errors, and each wrong option becomes one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from xqg.errors import SettingsError


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ConflictError(ValueError):
    """Options that do not go together; ``options`` are their names, as seen from the settings that raise."""

    def __init__(self, message: str, *options: str) -> None:
        super().__init__(message)
        self.options = options


def check_spec(spec: str, words: tuple[str, ...], kinds: tuple[str, ...]) -> str:
    """``spec`` if it is one of ``words`` or KIND:VALUE with one of ``kinds``; else ValueError with the choices."""
    kind, separator, value = spec.partition(":")
    if spec in words or (kind in kinds and separator and value):
        return spec
    choices = [*words, *(f"{kind}:{'PATH' if kind == 'file' else 'MODEL'}" for kind in kinds)]
    raise ValueError(f"{spec!r} is not known; choose {', '.join(choices[:-1])} or {choices[-1]}")


def validated(settings: type[Settings], values: Mapping[str, Any]) -> Any:
    """An instance of ``settings`` with ``values``.

    :raises SettingsError: one line that names each wrong option, what was found and what was asked.
    """
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_one_problem(dict(problem)) for problem in error.errors())) from None


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
