"""Textured 3D scans of people with SMPL-X fits, and their free twins."""
