"""The local platform: everything that runs on this machine only."""
