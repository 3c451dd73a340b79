"""Training of query generators on a user's own pairs."""
