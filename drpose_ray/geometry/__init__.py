"""Rotations, orthographic cameras, views, the 23 joints."""
