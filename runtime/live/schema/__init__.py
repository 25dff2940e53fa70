"""The GraphQL schema of an app: the only place that knows graphene."""
