// Apollo Server as a team would run it in production; with RESPONSE_CACHE=1 its response cache plugin.
import { ApolloServer } from '@apollo/server'
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled'
import { startStandaloneServer } from '@apollo/server/standalone'
import responseCache from '@apollo/server-plugin-response-cache'
import { contextOf } from './context.mjs'
import { resolvers, typeDefs } from './schema.mjs'

// Plans are public and good for an hour, as the gateway's are; nothing else is kept.
const CACHE_CONTROL = `
  enum CacheControlScope { PUBLIC PRIVATE }
  directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
  extend type DataPlan @cacheControl(maxAge: 3600)
  extend type Country @cacheControl(inheritMaxAge: true)
`
const caches = process.env.RESPONSE_CACHE === '1'

const server = new ApolloServer({
  typeDefs: caches ? [typeDefs, CACHE_CONTROL] : typeDefs,
  resolvers,
  plugins: [caches ? responseCache() : ApolloServerPluginCacheControlDisabled()],
})
await startStandaloneServer(server, {
  listen: { host: '127.0.0.1', port: Number(process.env.PORT) },
  context: ({ req }) => contextOf(req.headers.authorization),
})
