"""The program of a task's process: ``python launch.py FOLDER``; the folder holds ``task.json``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The repository is importable only while this package is imported: a notebook's `import include`
    # must find the workspace's copy, never the repository's.
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    from sandbox.databricks.notebook.task import main

    sys.path.pop(0)
    raise SystemExit(main(Path(sys.argv[1])))
