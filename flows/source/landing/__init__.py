"""The landing zone: pages of lists on disk or in a bucket."""
