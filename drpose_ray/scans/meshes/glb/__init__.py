"""GLB files."""
