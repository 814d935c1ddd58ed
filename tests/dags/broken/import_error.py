# Fails to import: a package that does not exist.
from __future__ import annotations

import no_such_package_anywhere  # noqa: F401
from airflow.sdk import DAG  # noqa: F401
