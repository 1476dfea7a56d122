"""Jobs other than syncing: forgetting a person, copying to PostgreSQL."""
