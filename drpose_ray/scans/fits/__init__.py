"""SMPL-X fits beside scans, read without unpickling."""
