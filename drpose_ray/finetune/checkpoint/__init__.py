"""Checkpoints of a fine-tune, and the model folder that becomes of one."""
