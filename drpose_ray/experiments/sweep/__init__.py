"""KL weight and early stop, chosen on validation poses."""
