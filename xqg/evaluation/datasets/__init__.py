"""Published data sets in, passages and labelled queries in our own format out."""
