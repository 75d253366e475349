"""The reward in a process of its own, for rewards too large to sit beside the trained model."""
