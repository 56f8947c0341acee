"""Lets `python -m smar` be the `smar` command. Knows nothing else."""

from __future__ import annotations

from smar.cli import main

if __name__ == "__main__":
    main()
