"""Sec. 3.2: motions to challenging poses in windows."""
