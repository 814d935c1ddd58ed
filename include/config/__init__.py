"""Settings: what differs between the sandbox and AWS."""
