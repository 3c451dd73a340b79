"""What all tests share."""

from xqg.tuning import tune_process

tune_process()  # as the command line does: without it threads fight over busy cores, and the tests take thrice as long
