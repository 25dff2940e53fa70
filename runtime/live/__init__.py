"""What clients see: a GraphQL schema made from an app, live over `graphql-transport-ws`, on a server or on stateless functions.

    request ─▶ guards ─▶ engine ─▶ rows · commands            one answer
                           └─────▶ plan ─▶ hub ─▶ updates     a subscription: a snapshot, then what changes

The wire protocol is a machine without I/O (`protocol`) under two drivers (`asgi`, `stateless`); graphene is met in `schema` alone.
"""
