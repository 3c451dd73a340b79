"""A question in, hits out, with the piece that was met; filters; what a collection holds."""
