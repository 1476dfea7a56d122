"""Text reports of a sync, and the freshness check."""
