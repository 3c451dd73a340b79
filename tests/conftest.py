"""What all tests share."""

import os

# as the command line does: without it OpenMP's threads fight over busy cores, and the tests take three times as long
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
