"""The landing zone: pages of lists in a local folder or a bucket."""
