"""Which drawn frames are kept."""
