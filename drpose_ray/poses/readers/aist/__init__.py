"""AIST++: its motions, and the translations that Motion-X left out."""
