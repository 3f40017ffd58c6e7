"""What a training leaves behind: runs in MLflow, their source code, the report."""
