"""What a stranger asks of a dataset: is it whole, what is in it, what was rejected."""
