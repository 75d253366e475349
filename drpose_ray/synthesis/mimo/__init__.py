"""MIMO (character video synthesis) from stock parts."""
