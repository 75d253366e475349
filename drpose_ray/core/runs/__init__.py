"""Run folders: what a run was started with, who holds it, what it was made from, and its summary."""
