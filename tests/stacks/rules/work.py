"""What is done once, before anything runs: bounded, in order, and not lost."""

from collections.abc import Iterator

from tests.stacks.crossing import closure
from tests.stacks.objects import Objects

TRIES_MAX = 6
STATE = ("Namespace", "Secret")


def a_job_ends(objects: Objects) -> Iterator[str]:
    """A Job has a deadline and a bounded number of tries, and its pods are not restarted for ever."""
    for each in objects.of("Job"):
        if not each.spec.get("activeDeadlineSeconds"):
            yield f"{each}: no activeDeadlineSeconds, so that it may run for ever"
        if each.spec.get("backoffLimit", TRIES_MAX) > TRIES_MAX or each.pod.get("restartPolicy") != "Never":
            yield f"{each}: tried without a bound"


def nothing_runs_before_it_can(objects: Objects) -> Iterator[str]:
    """Tables, topics and first offsets are there before what needs them starts."""
    graph = {each.urn: each for each in objects.resources}
    jobs = [each for each in objects.of("Job") if "hosts.prepare" in each.command]
    if len(jobs) < 2:
        yield f"{len(jobs)} Jobs prepare, and database and bus need one each"
    for each in objects.running():
        for job in jobs:
            if job.resource.urn not in closure(graph, each.resource.urn):
                yield f"{each}: may start before {job} is done"


def a_job_is_named_by_what_it_does(objects: Objects) -> Iterator[str]:
    """A Job cannot be changed: another image or argument needs another name, which ends in a digest of both."""
    for each in objects.of("Job"):
        digest = each.name.rpartition("-")[2]
        if len(digest) != 8 or set(digest) - set("0123456789abcdef"):
            yield f"{each}: its name does not follow from what it does"


def state_is_protected(objects: Objects) -> Iterator[str]:
    """In production the namespace and its secrets outlive a mistaken destroy."""
    production = any(each.env.get("TRIMARAN_PRODUCTION", {}).get("value") == "1" for each in objects.running())
    for each in objects.of(*STATE):
        if production and not each.resource.protect:
            yield f"{each}: is not protected"


RULES = (a_job_ends, nothing_runs_before_it_can, a_job_is_named_by_what_it_does, state_is_protected)
