"""KEDA's `azure-eventhub` scaler: what it would count, to say why the stacks do not use it.

It reads checkpoints from blobs, which consumers by the Kafka endpoint never write: they commit to Kafka's groups, and for those the
`kafka` trigger is right. Source: KEDA 2.21.0, pkg/scalers/azure_eventhub_scaler.go. Sequence numbers are signed 64-bit and wrap.
"""

from collections.abc import Sequence

from costs.scaling.keda import Metric

LARGEST = 2**63 - 1
THRESHOLD = 64  # unprocessedEventThreshold
STALE = 10_000  # stalePartitionInfoThreshold


def unprocessed(checkpoint: int, last: int, stale: int = STALE) -> int:
    """Events behind the checkpoint (`calculateUnprocessedEvents`); a checkpoint just ahead of a stale answer is none."""
    count = last - checkpoint if last >= checkpoint else LARGEST - checkpoint + last
    return 0 if count > LARGEST - stale else count


def without_checkpoint(begin: int, last: int) -> int:
    """Events of a partition nobody has a checkpoint of (`GetUnprocessedEventCountWithoutCheckpoint`)."""
    return last - begin + 1 if begin == last == 0 or begin != last else 0


def related(count: int, partitions: int, threshold: int = THRESHOLD) -> int:
    """At most the threshold a partition (`getTotalLagRelatedToPartitionAmount`)."""
    return partitions * threshold if count // threshold > partitions else count


def read(counts: Sequence[int], threshold: int = THRESHOLD, activation: int = 0) -> Metric:
    """The metric of a hub's partitions; a sum that does not fit 64 bits is the largest number."""
    total = min(sum(counts), LARGEST)
    return Metric(related(total, len(counts), threshold), total > activation)
