"""Jobs: their settings, their runs, and the processes that the runs are."""
