// The audit of GraphQL over HTTP that graphql-http brings: every check of the specification, with what the gateway did.
import { auditServer } from "graphql-http";

const results = await auditServer({ url: process.env.URL });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason }))));
