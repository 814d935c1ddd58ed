"""Runs Databricks notebooks: SOURCE files, Jupyter documents and plain Python, each in a process of its own."""
