"""The small base model of the same architecture, trained from nothing."""
