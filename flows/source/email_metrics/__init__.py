"""`/metrics/email`: the performance of each email on each day, within the few requests that the endpoint grants."""
