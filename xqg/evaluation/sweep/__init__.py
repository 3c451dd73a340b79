"""Many settings of fusion on the same texts, encoded once: a table and plots."""
