"""What a sync costs and what it withstands, measured by running the command against the sandbox."""
