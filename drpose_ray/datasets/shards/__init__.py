"""The bytes of a shard: members, pictures, reading, writing, a shared cache."""
