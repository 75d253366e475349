"""Sec. 3.2: poses to images."""
