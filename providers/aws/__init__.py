"""Amazon Web Services: API Gateway sockets, and connections in DynamoDB."""
