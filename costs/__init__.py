"""What an application costs before it runs: workload in, pods, usage and money out.

Pure: nothing here reads a clock, a file, a network or a package of ours, so a number can be recomputed by hand and a test needs no
server.
"""
