// Mercurius with its just-in-time compiler from the first request on, and the same resolvers.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { contextOf } from './context.mjs'
import { resolvers, typeDefs } from './schema.mjs'

const app = Fastify()
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  jit: 1,
  context: (request) => contextOf(request.headers.authorization),
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
