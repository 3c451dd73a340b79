"""xqg makes a Qdrant collection answer questions asked in other languages than its texts."""

__version__ = "0.1.0"
