"""What a retraining reads and stores."""
