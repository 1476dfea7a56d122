"""What is no sync: forgetting a person, copying to PostgreSQL."""
