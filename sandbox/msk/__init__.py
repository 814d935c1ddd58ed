"""The MSK and MSK Connect control planes of the sandbox: AWS's interfaces on the real broker and worker."""
