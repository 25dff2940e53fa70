"""What pods may ask of the Kubernetes API: nothing."""

from collections.abc import Iterator

from tests.stacks.objects import Objects

RIGHTS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def no_token_is_mounted(objects: Objects) -> Iterator[str]:
    """Nobody of ours talks to the API server, so nobody gets a token for it."""
    for each in objects.workloads():
        if each.pod.get("automountServiceAccountToken") is not False:
            yield f"{each}: a token is mounted into its pods"
    for each in objects.of("ServiceAccount"):
        if each.body.get("automountServiceAccountToken") is not False:
            yield f"{each}: whoever runs under it gets a token"


def no_right_is_given(objects: Objects) -> Iterator[str]:
    """No role and no binding, least of all one for the whole cluster."""
    for each in objects.of(*RIGHTS):
        yield f"{each}: gives rights on the API server"


def every_role_has_its_own_account(objects: Objects) -> Iterator[str]:
    """An account is one workload's, so that a cloud's identity is, too."""
    seen: dict[str, str] = {}
    for each in objects.workloads():
        account = each.pod.get("serviceAccountName", "default")
        if account == "default":
            yield f"{each}: runs under the namespace's own account"
        elif account in seen:
            yield f"{each}: runs under the account of {seen[account]}"
        seen[account] = str(each)


def objects_stay_in_their_namespace(objects: Objects) -> Iterator[str]:
    """Everything of an application is in its namespace, which is made here and in no other."""
    made = [each.name for each in objects.of("Namespace")]
    for each in objects.all:
        if each.namespace and each.namespace not in made:
            yield f"{each}: is in {each.namespace}, which is not the application's"


RULES = (no_token_is_mounted, no_right_is_given, every_role_has_its_own_account, objects_stay_in_their_namespace)
