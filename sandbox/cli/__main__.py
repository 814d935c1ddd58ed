"""``python -m sandbox.cli``, which ``./pinflow`` hands over to."""

from __future__ import annotations

from sandbox.cli.app import main

main()
