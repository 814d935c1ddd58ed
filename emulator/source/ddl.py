"""The source tables as SQL text, for those who make them by hand: ``include/sql/source/<dialect>.sql``."""

from __future__ import annotations

from sqlalchemy import Dialect, make_url
from sqlalchemy.schema import CreateTable

from emulator.source.tables import TABLES

DIALECTS = {"sqlite": "sqlite://", "mysql": "mysql+pymysql://", "postgresql": "postgresql+psycopg2://"}


def ddl(name: str) -> str:
    """The statements that make the three tables of posts.

    :param name: ``sqlite``, ``mysql`` (for MariaDB too) or ``postgresql``.
    """
    dialect: Dialect = make_url(DIALECTS[name]).get_dialect()()
    statements = [
        _tidy(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect))) for table in TABLES.values()
    ]
    head = f"-- The source tables for {name}. Made from emulator/source/tables.py, and a test sees that they agree.\n"
    return head + "\n".join(statements)


def _tidy(statement: str) -> str:
    lines = [line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines()]
    return "\n".join(_ordered(line) for line in lines if line) + ";\n"


def _ordered(line: str) -> str:
    """Table options in alphabetical order; SQLAlchemy takes them from a set."""
    return ")" + " ".join(sorted(line[1:].split())) if line.startswith(")") else line
