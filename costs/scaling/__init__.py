"""How many projectors there are, and when: KEDA's and the horizontal pod autoscaler's arithmetic, over a workload.

`keda` reads offsets and makes a metric, `executor` wakes from zero and goes back to it, `hpa` does what lies between, `jobs` counts
ScaledJobs, `eventhub` is the scaler of Azure's own checkpoints; `workload` is what one is given, `simulate` runs them all.
Read from KEDA 2.21.0 and Kubernetes 1.36.0; every number has its file in a docstring.
"""
