// Composes a gateway and a small subgraph by Apollo's federation gateway, and queries across both; prints JSON.
import { createServer } from 'node:http'
import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from '@apollo/gateway'
import { buildSubgraphSchema } from '@apollo/subgraph'
import { graphql, parse } from 'graphql'

const [url, token, esimId, planId] = process.argv.slice(2)

// A subgraph of another team: notes beside eSIMs, and a list that refers to our eSIMs and plans.
const notes = buildSubgraphSchema({
  typeDefs: parse(`
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
    type Query { pinned: [ESIM!]! advertised: DataPlan! }
    type ESIM @key(fields: "id") { id: ID! note: String! }
    type DataPlan @key(fields: "id", resolvable: false) { id: ID! }
  `),
  resolvers: {
    Query: { pinned: () => [{ id: esimId }, { id: esimId }], advertised: () => ({ id: planId }) },
    ESIM: { __resolveReference: ({ id }) => ({ id }), note: ({ id }) => `note on ${id}` },
  },
})
const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const { query, variables } = JSON.parse(Buffer.concat(chunks).toString())
  const result = await graphql({ schema: notes, source: query, variableValues: variables })
  response.setHeader('content-type', 'application/json').end(JSON.stringify(result))
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const notesUrl = `http://127.0.0.1:${server.address().port}/`

class PassingOn extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context?.token) request.http.headers.set('authorization', `Bearer ${context.token}`)
  }
}

const silent = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, () => {}]))
const gateway = new ApolloGateway({
  supergraphSdl: new IntrospectAndCompose({ subgraphs: [{ name: 'esimgo', url }, { name: 'notes', url: notesUrl }] }),
  buildService: ({ url }) => new PassingOn({ url }),
  logger: silent,
})
const { executor, schema } = await gateway.load()

async function ask(query, session) {
  const document = parse(query)
  const { data, errors } = await executor({
    document,
    schema,
    request: { query, variables: {} },
    queryHash: query,
    operationName: null,
    operation: document.definitions[0],
    context: { token: session },
    logger: silent,
    metrics: {},
    source: query,
  })
  return { data, codes: errors?.map(({ extensions }) => extensions?.code) }
}

const pinned = '{ pinned { id note iccid plan { id name } } }'
console.log(
  JSON.stringify({
    outward: await ask('{ myESIMs { iccid note } }', token),
    inward: await ask(pinned, token),
    anonymous: await ask(pinned),
    plan: await ask('{ advertised { name } }'),
  }),
)
await gateway.stop()
server.close()
