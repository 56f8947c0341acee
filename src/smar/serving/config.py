"""How much the service takes on, and whom it lets in."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from smar.config import Config
from smar.data.images import ImageLimits


class ServeConfig(Config):
    """Limits of a running service."""

    workers: int = Field(default=2, ge=1)
    """Requests answered at once; more than the machine has cores only makes each of them slower."""
    waiting: int = Field(default=64, ge=0)
    """Requests that may wait for their turn; further ones are told at once to come again (503)."""
    deadline: float = Field(default=1.0, gt=0)
    """Seconds from arrival in which a request should be answered: one that still waits then is refused (503), and
    one under way leaves out what it can and says so."""
    retry_after: int = Field(default=1, ge=1)
    """Seconds after which refused clients are asked to come again."""
    max_body: int = Field(default=1_000_000, ge=1)
    """Largest body of a request, in bytes, but for photos."""
    photo: ImageLimits = ImageLimits(max_bytes=10_000_000)
    """Largest photo to search by."""
    keys: Path | None = None
    """A TOML file of keys (`smar make-key`); without one nobody can change anything."""
    reads_need_key: bool = False
    """Whether searching takes a key too."""
    beside: tuple[Path, ...] = ()
    """Further runs to search by their folders' names, to compare them with the first."""
    engine: str | None = None
    """The cluster that holds the runs' indexes, such as `milvus://localhost:19530`; this machine, if not given."""
    online: Path | None = None
    """A TOML file of an online test (docs/online-test.md), whose arms answer users' searches."""
    cache: Path | None = None
    """Where thumbnails are kept; a folder in the run if not given."""
