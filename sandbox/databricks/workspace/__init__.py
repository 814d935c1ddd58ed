"""Workspace objects: notebooks, files and folders, kept as real files so that notebooks can import beside them."""
