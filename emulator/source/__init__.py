"""The source database: its tables, the generator, the loader."""

from __future__ import annotations

from emulator.source import tables
from emulator.source.database import engine
from emulator.source.rows import rows
from emulator.source.seed import Seeded, seed
from emulator.source.show import show

__all__ = ["Seeded", "engine", "rows", "seed", "show", "tables"]
