"""Data and code that DAGs, notebooks and the emulator share."""
