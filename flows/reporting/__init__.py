"""Reports in words, and the freshness check."""
