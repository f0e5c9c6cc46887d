"""Settings from YAML that refuse what they do not know and say what was meant."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from MRNLib.errors import InputError

TAG = "kind"


class Strict(BaseModel):
    """Base of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Settings = TypeVar("Settings", bound=Strict)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-5`` as text; this loader reads it as the number it is."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$"),
    list("-+0123456789."),
)


def read_settings(path: Path | None, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Plain values of a YAML file with some of them replaced.

    Args:
        path: The file, or None for no values.
        overrides: ``group.key=value`` texts, as in ``train.lr_backbone=2e-5``.

    Raises:
        InputError: A missing file, bad YAML, or an override that sets nothing.
    """
    data: Any = {}
    if path is not None:
        try:
            data = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
        except FileNotFoundError as error:
            raise InputError("does not exist", file=path, expected="a YAML file") from error
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("cannot be read", file=path, expected="a YAML file") from error
        except yaml.YAMLError as error:
            raise InputError(f"is not YAML: {error}", file=path) from error
        if not isinstance(data, dict):
            raise InputError("holds no settings", file=path, expected="groups of key: value lines")
    for override in overrides:
        _apply(data, override)
    return data


def _apply(data: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise InputError(
            f"'{override}' sets nothing",
            expected="key=value, or group.key=value as in train.lr_backbone=2e-5",
        )
    place = data
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if not isinstance(below, dict):
            raise InputError(f"'{name}': {key} is a value, not a group")
        place = below
    try:
        place[keys[-1]] = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"'{override}': the value is not YAML") from error


def refuse_unknown(
    data: dict[str, Any], kind: Any, path: Path | None = None, prefix: str = ""
) -> None:
    """Refuses a key that a settings class does not have, at any depth.

    Args:
        data: Plain values.
        kind: A pydantic model, a dataclass, or a union of dataclasses with a ``kind``.
        path: Where the values come from, for the message.
        prefix: Names of the groups around them, for the message.

    Raises:
        InputError: An unknown key or kind; it names the nearest known one.
    """
    fields = _fields_of(kind, data, prefix, path) or {}
    for key, value in data.items():
        if key not in fields:
            raise InputError(
                f"unknown setting {prefix}{key}",
                file=path,
                expected="one of " + ", ".join(sorted(fields)),
                remedy=_nearest(str(key), fields, prefix),
            )
        below = f"{prefix}{key}."
        if isinstance(value, dict) and _fields_of(fields[key], value, below, path) is not None:
            refuse_unknown(value, fields[key], path, below)


def checked(
    data: dict[str, Any],
    kind: type[Settings],
    path: Path | None = None,
    unnamed: Iterable[str] = (),
) -> Settings:
    """Makes settings of plain values.

    Args:
        data: Plain values.
        kind: The settings' class.
        path: Where the values come from, for the message.
        unnamed: What a message leaves out of a setting's name.

    Raises:
        InputError: An unknown key, with the nearest known one, or a bad value.
    """
    refuse_unknown(data, kind, path)
    try:
        return kind.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part not in set(unnamed))
        said = first["msg"].removeprefix("Value error, ")
        # Of several settings together the sentence says what was found; their values are many.
        found = "" if isinstance(first["input"], dict) else f" (found {first['input']!r})"
        raise InputError((f"setting {name}: " if name else "") + said + found, file=path) from error


def _fields_of(
    kind: Any, data: dict[str, Any], prefix: str, path: Path | None
) -> dict[str, Any] | None:
    """Names and types of a settings class; None for a plain value."""
    kind = _bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = [_bare(option) for option in typing.get_args(kind)]
        tagged = {tag: option for option in options if (tag := _tag_of(option))}
        if len(tagged) > 1:
            kind = tagged[_chosen(data, tagged, prefix, path)]
        else:
            kind = next((one for one in options if _is_settings(one)), None)
    if not _is_settings(kind):
        return None
    if issubclass(kind, BaseModel):
        return {name: one.annotation for name, one in kind.model_fields.items()}
    hints = typing.get_type_hints(kind)
    return {one.name: hints[one.name] for one in dataclasses.fields(kind)}


def _chosen(data: dict[str, Any], tagged: dict[str, Any], prefix: str, path: Path | None) -> str:
    """The kind that the values name; the first one if they name none."""
    name = data.get(TAG, next(iter(tagged)))
    if name not in tagged:
        raise InputError(
            f"unknown {prefix}{TAG} {name!r}",
            file=path,
            expected="one of " + ", ".join(tagged),
            remedy=_nearest(str(name), tagged, ""),
        )
    return name


def _nearest(name: str, known: Iterable[str], prefix: str) -> str | None:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean {prefix}{near[0]}?" if near else None


def _bare(kind: Any) -> Any:
    """A type without its ``Annotated``."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and (
        issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)
    )


def _tag_of(kind: Any) -> str | None:
    """The value of a dataclass's ``kind``, which is a literal of one."""
    if not _is_settings(kind) or issubclass(kind, BaseModel):
        return None
    tag = typing.get_type_hints(kind).get(TAG)
    return typing.get_args(tag)[0] if tag is not None else None
