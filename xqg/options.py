"""Command-line options made from the settings: one name, type, default, range and help for each, in one place."""

from __future__ import annotations

import logging
import os
import types
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from xqg.settings import (
    EncoderSettings,
    FusionSettings,
    GeneratorSettings,
    IngestSettings,
    ModelSettings,
    ReaderSettings,
    SearchSettings,
    StoreSettings,
    validated,
)
from xqg.validation import Settings, find_conflict

logger = logging.getLogger(__name__)

Command = TypeVar("Command", bound=Callable[..., Any])

GROUPS: dict[str, type[BaseModel]] = {
    "store": StoreSettings,
    "generator": GeneratorSettings,
    "encoder": EncoderSettings,
    "fusion": FusionSettings,
    "reader": ReaderSettings,
    "job": IngestSettings,
}

OWN_FLAGS: dict[str, str] = {
    "store.spec": "--store",
    "store.timeout_seconds": "--store-timeout",
    "generator.spec": "--generator",
    "generator.base": "--generator-base",
    "generator.batch_rows": "--generator-batch",
    "generator.revision": "--generator-revision",
    "generator.device": "--generator-device",
    "generator.concurrency": "--generator-concurrency",
    "generator.base_url": "--generator-url",
    "encoder.spec": "--encoder",
    "encoder.revision": "--encoder-revision",
    "encoder.device": "--encoder-device",
    "encoder.engine": "--encoder-engine",
    "encoder.batch_size": "--encoder-batch",
    "encoder.max_tokens": "--max-passage-tokens",
    "encoder.base_url": "--encoder-url",
    "reader.language": "--passage-language",
}
"""Flags that are not called like their setting."""

WITHOUT_FLAG = ("generator.timeout_seconds", "encoder.timeout_seconds", "encoder.concurrency")
"""Settings of a file and of Python alone; secrets have no flag either, they come from the environment."""


def _flags() -> dict[str, str]:
    paths = [
        f"{group}.{name}"
        for group, model in GROUPS.items()
        for name in sorted(model.model_fields, key=lambda name: name in ModelSettings.model_fields)
        if name not in (*GROUPS, "api_key")
    ]
    usual = {path: f"--{path.partition('.')[2].replace('_', '-')}" for path in paths if path not in WITHOUT_FLAG}
    return usual | OWN_FLAGS


FLAGS = _flags()
"""The flag of every setting that a command takes, as ``group.name``."""

EXTRA_VARIABLES = {
    "store.spec": ["QDRANT_URL"],
    "generator.base_url": ["OPENAI_BASE_URL"],
    "encoder.base_url": ["OPENAI_BASE_URL"],
}
SECRET_VARIABLES = {"store": "QDRANT_API_KEY", "generator": "OPENAI_API_KEY", "encoder": "OPENAI_API_KEY"}


def settings_options(*names: str, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Add the options of the named groups ("store") or settings ("encoder.spec") to a command.

    :param without: settings of these groups that the command takes from elsewhere.
    """
    paths = [path for path in FLAGS if {path, path.partition(".")[0]} & set(names) and path not in without]

    def decorate(command: Command) -> Command:
        for path in reversed(paths):
            command = _option(path)(command)
        return command

    return decorate


def model_options(model: type[BaseModel]) -> Callable[[Command], Command]:
    """Add an option for every field of ``model``, named like it; fields with several values can be given repeatedly."""

    def decorate(command: Command) -> Command:
        for name, field in reversed(model.model_fields.items()):
            many = get_origin(field.annotation) is tuple
            command = _click_option(f"--{name.replace('_', '-')}", name, field, many)(command)
        return command

    return decorate


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `model_options` that were given."""
    return {name: value for name, value in params.items() if value not in (None, ())}


def collect(params: Mapping[str, Any], settings: type[Settings] = IngestSettings) -> dict[str, dict[str, Any]]:
    """The given options as nested values for the settings, with the secrets of the environment.

    :param settings: what they are for: a value of the environment that conflicts there with a flag is left out.
    """
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for path in FLAGS:
        group, _, name = path.partition(".")
        given = params.get(_parameter(path))
        if given not in (None, ()):
            values[group][name] = split_codes(given) if name == "languages" else given
    for group, variable in SECRET_VARIABLES.items():
        secret = os.environ.get(variable)
        if secret:
            values[group]["api_key"] = SecretStr(secret)
    _yield_to_flags(values, settings)
    return values


def _yield_to_flags(values: dict[str, dict[str, Any]], settings: type[Settings]) -> None:
    """Take values of the environment out that do not go together with a flag; conflicts of another kind stay errors."""
    context = click.get_current_context(silent=True)
    if context is None:
        return
    source = {path: context.get_parameter_source(_parameter(path)) for path in FLAGS}
    while True:
        asked = {group: values[group] for group in settings.model_fields if group in values}
        conflict = find_conflict(settings, {**asked, "store": {"collection": "any"}})
        flags = [path for path in conflict if source[path] is ParameterSource.COMMANDLINE]
        named = [path.partition(".") for path in conflict if source[path] is ParameterSource.ENVIRONMENT]
        yielding = [(group, name) for group, _, name in named if name in values[group]]
        if not (flags and yielding):
            return
        for group, name in yielding:
            variable = variable_name(f"{group}.{name}")
            logger.debug("%s does not go with %s and is left out", variable, FLAGS[flags[0]])
            del values[group][name]


def search_settings(
    params: Mapping[str, Any], collection: str | None = None, beside: str | None = None
) -> SearchSettings:
    """What to search, from the options of ``store`` and ``encoder``.

    :param collection: another than the one in the options. :param beside: the one that it is compared with.
    """
    values = collect(params)
    encoder = None
    if params.get("encoder_spec"):
        encoder = validated(EncoderSettings, {**values["encoder"], "spec": params["encoder_spec"]})
    if collection is not None:
        values["store"]["collection"] = collection
    store = validated(StoreSettings, values["store"])
    return SearchSettings(store=store, encoder=encoder, endpoint=values["encoder"], beside=beside)


def variable_name(path: str) -> str:
    """The environment variable of a setting."""
    return "XQG_" + FLAGS[path].removeprefix("--").replace("-", "_").upper()


def default_text(field: FieldInfo) -> str:
    """The default as a reader would write it."""
    if field.default is PydanticUndefined:
        return "required"
    value = field.default.value if isinstance(field.default, Enum) else field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _option(path: str) -> Callable[[Command], Command]:
    group, _, name = path.partition(".")
    field = GROUPS[group].model_fields[name]
    many = get_origin(field.annotation) is tuple and path != "generator.languages"
    variables = [variable_name(path), *EXTRA_VARIABLES.get(path, [])]
    metavar = _metavar(path, _click_type(field.annotation))
    return _click_option(FLAGS[path], _parameter(path), field, many, metavar=metavar, envvar=variables)


def _click_option(flag: str, name: str, field: FieldInfo, many: bool, **others: Any) -> Callable[[Command], Command]:
    kind, default = _click_type(field.annotation), default_text(field)
    note = f"  [default: {default}]" if default not in ("", "required") else ""
    return click.option(
        f"{flag}/--no-{flag.removeprefix('--')}" if kind is bool else flag,
        name,
        type=None if kind is bool else kind,
        default=None,
        multiple=many,
        help=f"{field.description}{note}",
        **others,
    )


def _parameter(path: str) -> str:
    return path.replace(".", "_")


def _metavar(path: str, kind: Any) -> str | None:
    if path == "generator.languages":
        return "CODES"
    return None if kind is bool or isinstance(kind, click.Choice) else {int: "N", float: "X"}.get(kind, "TEXT")


def split_codes(codes: str) -> tuple[str, ...]:
    """The codes in a comma-separated list."""
    return tuple(code.strip() for code in codes.split(",") if code.strip())


def _click_type(annotation: Any) -> Any:
    """The click type of a field: bool, int, float, str, or a choice of the values it may take."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return click.Choice([str(value) for value in get_args(annotation)])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return click.Choice([str(member.value) for member in annotation])
    return annotation if annotation in (bool, int, float) else str
