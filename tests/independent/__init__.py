"""A second calculation of what the batch pipeline must give: plain Python, written from the domain reference alone.

It shares no line with ``include``: tests compare the two. Slow and simple on purpose.
``clean(table, records)`` turns landed lines into rows and quarantine; ``gold.<stem>(pins, geos, users, as_of)`` answers
a query.
"""

from __future__ import annotations

from tests.independent import gold
from tests.independent.cleaning import Outcome, Quarantined, Record, clean, landed_record

__all__ = ["Outcome", "Quarantined", "Record", "clean", "gold", "landed_record"]
