"""The emulator and its source database, reached through Airflow connections."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from pinflow.exceptions import Rejected

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from emulator.ledger import Ledger

DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "postgres": "postgresql+psycopg2"}


class EmulatorHook(BaseHook):
    """Where the emulator reads, posts and keeps its ledger.

    :param source_conn_id: the database: an extra ``{"url": <SQLAlchemy URL>}``, or type, host, login, password and
        schema.
    :param gateway_conn_id: the gateway, a connection of type ``http`` without stage.
    """

    conn_name_attr = "source_conn_id"
    default_conn_name = "source_default"

    def __init__(
        self, source_conn_id: str = default_conn_name, gateway_conn_id: str = "gateway_default", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source_conn_id = source_conn_id
        self.gateway_conn_id = gateway_conn_id

    @cached_property
    def source_url(self) -> str:
        """The SQLAlchemy URL of the source database.

        :raises Rejected: the connection names neither a URL nor a database that is supported.
        """
        connection = self.get_connection(self.source_conn_id)
        if url := connection.extra_dejson.get("url"):
            return str(url)
        if connection.conn_type not in DRIVERS:
            raise Rejected(
                f"The connection {self.source_conn_id} does not say where the source database is.",
                f"Its type is {connection.conn_type} and its extra has no url.",
                'Give it the type mysql or postgres, or the extra {"url": "<SQLAlchemy URL>"}, then clear the task.',
            )
        from sqlalchemy import URL

        made = URL.create(
            DRIVERS[connection.conn_type],
            username=connection.login,
            password=connection.password,
            host=connection.host,
            port=connection.port,
            database=connection.schema,
        )
        return made.render_as_string(hide_password=False)

    def gateway_url(self, stage: str) -> str:
        """The gateway's address with its stage.

        :param stage: the stage, as the settings name it.
        """
        connection = self.get_connection(self.gateway_conn_id)
        host = connection.host or ""
        base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
        port = f":{connection.port}" if connection.port else ""
        return f"{base.rstrip('/')}{port}/{stage}"

    @cached_property
    def engine(self) -> Engine:
        """The source database."""
        from emulator.source import engine

        return engine(self.source_url)

    @cached_property
    def ledger(self) -> Ledger:
        """What was posted."""
        from emulator.ledger import Ledger

        return Ledger(self.engine)
