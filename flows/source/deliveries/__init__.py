"""Deliveries of webhooks: the spool that keeps them, and what becomes a row of `subscriber_events`."""
