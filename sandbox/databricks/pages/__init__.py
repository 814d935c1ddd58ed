"""What people see in a browser: the list of runs, and each run with its cells and outputs."""
