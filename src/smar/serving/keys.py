"""Who may read and who may write: keys of which only a digest is kept. Knows nothing of requests."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field

from smar.config import Config

Role = Literal["read", "write"]


class Key(Config):
    """One client's key."""

    name: str = Field(min_length=1)
    """Whose it is; logs name it."""
    role: Role
    """`read` may search, `write` may change items and roll back too."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the key itself, which is nowhere kept."""


class Keys(Config):
    """A file of keys, one `[[key]]` a client."""

    key: tuple[Key, ...] = ()
    """The clients."""

    @classmethod
    def read(cls, path: Path | None) -> Keys:
        """Read a TOML file; none holds no keys.

        Raises:
            ConfigError: it cannot be read, or is no file of keys.
        """
        return cls() if path is None else cls.load(path)

    def owner(self, key: str) -> Key | None:
        """Whose key it is; every entry is compared, so that the time taken tells nothing."""
        digest = _digest(key)
        found = [known for known in self.key if hmac.compare_digest(known.sha256, digest)]
        return found[0] if found else None


def new_key(name: str, role: Role) -> tuple[str, str]:
    """A new key, and the lines that let it in."""
    key = secrets.token_urlsafe(32)
    return key, f'[[key]]\nname = "{name}"\nrole = "{role}"\nsha256 = "{_digest(key)}"\n'


def _digest(key: str) -> str:
    # Keys are drawn from 256 bits, so nothing slower is needed against guessing.
    return hashlib.sha256(key.encode()).hexdigest()
