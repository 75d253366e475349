"""Image and pose records in shards: what is stored, where, how it is built, read and inspected."""
