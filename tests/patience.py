"""How long a test is patient: a machine that is slow and does other things is no failure.

Waits and upper bounds of time are bounds of safety. That something is quick is shown by order, by counts, by CPU time, or by the bench;
a bound here only has to be shorter than what would happen if it were broken.
"""

PATIENCE_S = 20.0  # for what takes milliseconds on a quiet machine
