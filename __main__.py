"""The program of `pulumi up`: an app's description, handed to the stacks."""

from hosts.deployment import describe
from runtime.errors import Misconfigured
from stacks.program import deploy

deploy(describe, Misconfigured)
