"""Where else a run's trials are logged: MLflow, Weights & Biases."""
