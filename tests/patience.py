"""How long a test is patient: a machine that is slow and does other things is no failure.

For waits and joins only. That something is quick is shown by order, by counts, by CPU time, or by the bench; where a bound of time is a
promise, the test says it itself.
"""

PATIENCE_S = 20.0  # for what takes milliseconds on a quiet machine
