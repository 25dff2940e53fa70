"""What clients see: a GraphQL schema made from an app, live over `graphql-transport-ws`, on a server or on stateless functions.

wire ─▶ callers ─▶ guards ─▶ answers ─▶ rows · commands         one answer
                                └─────▶ a plan ─▶ follow        a subscription: a picture, then what changes

wire       the protocol as tables without I/O; its drivers on a server: WebSocket and HTTP
callers    who asks, what they may see and send, how much they may hold
guards     what a document may ask for, found out before it costs anything
schema     from an app to GraphQL; graphene is met there alone
answers    from a request to its answer, or to the plan of what it follows
follow     fan-out, resume, back-pressure: the hub of a server
functions  the same behind services that hold the sockets, where every message is one call and all state is rows
"""
