"""What the trainers of neural networks share."""
