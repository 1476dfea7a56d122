"""The webhook receiver: it keeps deliveries, and registers itself in Drip."""
