"""MLflow, told of a run without ever delaying it."""
