"""One way to train a network: `Fit`, its optimiser, schedule, average and checkpoint."""
