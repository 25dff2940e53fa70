"""Kubernetes' objects as plain data: planners that know no Pulumi, and the components that render what they plan."""
