"""Pictures beside each other, and plots: what every sheet and report is made of."""
