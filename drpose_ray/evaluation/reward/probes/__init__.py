"""Each question that the report asks of a reward."""
