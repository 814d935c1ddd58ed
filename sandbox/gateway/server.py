"""How the application is served."""

from __future__ import annotations

import uvicorn

from sandbox.gateway.app import Gateway


def configuration(gateway: Gateway, port: int = 0) -> uvicorn.Config:
    """The server on the loopback address: no access log, connections kept as long as API Gateway keeps them.

    ``X-Forwarded-For`` is passed on, not believed: the client's address is the peer's.
    """
    return uvicorn.Config(
        gateway,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=10,
    )
