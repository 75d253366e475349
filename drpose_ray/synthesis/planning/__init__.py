"""What a dataset will take: shards, bytes, hours, cost."""
