"""Scans to six views, by Blender or by rays."""
