"""Farthest-point sampling in pose space, its picks and their diversity."""
