"""Opens sources of tables: compressed and encoded files, and rows in batches."""
