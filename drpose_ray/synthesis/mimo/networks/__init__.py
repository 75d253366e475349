"""MIMO's networks."""
