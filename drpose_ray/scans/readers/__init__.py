"""How each scan dataset names its files."""
