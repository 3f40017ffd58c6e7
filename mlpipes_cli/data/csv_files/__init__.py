"""Text files with separators: header, numbers, dates, frames and batches."""
