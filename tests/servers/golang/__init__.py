"""Programs in Go that the tests on a cluster run, built once from the Go module proxy into the user's cache, by version.

`binaries()` has etcd, kube-apiserver, the controllers, KEDA and its kafka scaler as a command; `engine()` has Pulumi's; `definitions()` are the
Gateway API's definitions. A folder's name carries a digest of what it was built from, so a changed input is another folder and never a stale program.
`python -m tests.servers.golang` builds all beforehand and tells its progress.
"""

from tests.servers.golang.cluster import binaries
from tests.servers.golang.gateway_api import definitions
from tests.servers.golang.pulumi import engine
from tests.servers.golang.toolchain import Missing, missing

__all__ = ["Missing", "binaries", "definitions", "engine", "missing"]
