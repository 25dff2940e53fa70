"""Technologies and clouds, each keeping the promises of runtime.ports under the same module names."""
