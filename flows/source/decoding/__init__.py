"""From the bytes of a reply to typed records and Arrow tables."""
