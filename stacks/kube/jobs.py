"""Jobs that run before what depends on them: a name says what is done, so the same thing is not done twice, and another thing is another Job."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stacks.kube.names import Manifest, Place
from stacks.kube.pods import Pod, template

TRIES = 2  # after the first
MINUTES = {"prepare-database": 10, "prepare-bus": 10, "rebuild": 360, "finish": 30}
FAILED = {"pulumi.com/replaceUnready": "true"}  # a Job that failed is made anew by the next `up`


def deadline_s(task: str) -> int:
    """How long a Job may take in all; the task is the first word of a rebuild's or finish's name."""
    return 60 * (MINUTES.get(task) or MINUTES[task.partition("-")[0]])


def job_name(task: str, does: Mapping[str, Any]) -> str:
    """The task and eight characters of what it does."""
    told = json.dumps(does, sort_keys=True)
    return f"{task}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def job(place: Place, name: Any, task: str, pod: Pod) -> Manifest:
    """The Job. It stays when it has ended: whoever asks what happened finds it, and nothing runs it again."""
    spec = {"backoffLimit": TRIES, "activeDeadlineSeconds": deadline_s(task), "template": template(pod)}
    return place.object("Job", name, pod.labels, FAILED, spec=spec)
