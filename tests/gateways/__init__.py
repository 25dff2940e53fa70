"""The two services that hold sockets for functions, Amazon's API Gateway and Azure's Web PubSub, as far as a client and a function can tell.

Real WebSocket and HTTP on loopback, so unmodified clients connect. `python -m tests.gateways` serves the shop behind both.
"""
