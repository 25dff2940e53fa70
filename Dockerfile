# syntax=docker/dockerfile:1
# One image for every role; which one a container plays is its command (python -m hosts.gateway, hosts.relay, hosts.projector …).
#
#   docker build --build-arg PYTHON=docker.io/library/python:3.13-slim@sha256:… --tag registry.example/trimaran .
#
# The base has no default: name it with the digest that you have looked at, so that the same tree is the same image tomorrow.
ARG PYTHON

FROM ${PYTHON} AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
# what the lock says and no development group, before our own files: a changed module rebuilds no package
COPY pyproject.toml uv.lock .python-version ./
RUN uv sync --locked --no-default-groups --no-install-project
COPY runtime/ runtime/
COPY providers/ providers/
COPY hosts/ hosts/
COPY apps/ apps/
# a missing .pyc costs a process most of its start; checked by no time stamp, since copying changes those
RUN .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash runtime providers hosts apps

FROM ${PYTHON}
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /app/ /app/
# a number, so that `runAsNonRoot` can be checked; the files stay root's, and nobody writes here
USER 10001:10001
CMD ["python", "-m", "hosts.gateway"]
