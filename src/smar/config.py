"""Frozen, checked records read from TOML. Knows how to read and refuse, not what any field means."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from smar.errors import ConfigError
from smar.files import digest


class Config(BaseModel):
    """A frozen record of settings; every module keeps its own beside the code that reads it.

    Each field carries one sentence under it, which becomes its description in the docs.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Read a TOML file and apply `overrides` such as `"pretraining.epochs=2"` (values are TOML, or plain words).

        Raises:
            ConfigError: the file is missing or no TOML, or a field is unknown or out of range.
        """
        path = Path(path)
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}); give the path of a TOML file") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: is no valid TOML ({error})") from error
        for override in overrides:
            _apply(settings, override)
        return cls.check(settings, where=str(path))

    @classmethod
    def check(cls, settings: dict[str, Any], where: str) -> Self:
        """Build the record from plain values, or raise `ConfigError` naming `where`, each field and its value."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            faults = "; ".join(_describe(fault) for fault in error.errors()[:20])
            raise ConfigError(f"{where}: {faults} (fields: docs/configuration.md)") from error

    def fingerprint(self) -> str:
        """A short digest of every value; equal records have equal fingerprints."""
        return digest(self.model_dump_json())


def _apply(settings: dict[str, Any], override: str) -> None:
    name, equals, raw = override.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {override}: expected NAME=VALUE, for example pretraining.epochs=2")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    *sections, field = name.strip().split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section")
    settings[field] = value


def _describe(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "the whole"
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such field"
    if fault["type"] == "missing":
        return f"{name}: is missing"
    return f"{name} = {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
