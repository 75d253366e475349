"""Where a dataset lies: a folder or a bucket; names are created once."""
