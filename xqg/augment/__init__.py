"""An existing collection in, a better one beside it out: inspection, catching up, alias and rollback."""
