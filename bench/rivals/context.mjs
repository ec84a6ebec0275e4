// What one request of a rival knows: its session, and the loaders that batch its nested fields.
import DataLoader from 'dataloader'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { GraphQLError } from 'graphql'
import { catalogue, esims } from './services.mjs'

const issuer = `${process.env.SUPABASE_URL}/auth/v1`
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
// As many sessions as the gateway remembers.
const MOST_SESSIONS = 4096
const sessions = new Map()

// The gateway remembers a token that it verified until the token expires, so the rivals may as well.
async function sessionOf(authorization) {
  if (!authorization) return null
  const known = sessions.get(authorization)
  if (known && known.expires > Date.now()) return known
  const token = authorization.replace(/^Bearer /i, '')
  const { payload } = await jwtVerify(token, keys, { issuer, audience: 'authenticated' }).catch(() => {
    throw new GraphQLError('Not authenticated', { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } })
  })
  const session = { token, expires: payload.exp * 1000 }
  if (sessions.size >= MOST_SESSIONS) sessions.delete(sessions.keys().next().value)
  sessions.set(authorization, session)
  return session
}

const inOrder = (ids, found, key) => {
  const by = new Map(found.map((one) => [one[key], one]))
  return ids.map((id) => by.get(id) ?? null)
}

const grouped = (ids, found, key) => {
  const by = new Map(ids.map((id) => [id, []]))
  for (const one of found) by.get(one[key]).push(one)
  return ids.map((id) => by.get(id))
}

export async function contextOf(authorization) {
  const session = await sessionOf(authorization)
  const token = session?.token
  return {
    token,
    requireSession() {
      if (!session) throw new GraphQLError('Not authenticated', { extensions: { code: 'UNAUTHENTICATED' } })
    },
    plans: new DataLoader(async (ids) => {
      const { plans } = await catalogue('BatchGetPlans', { ids }, token)
      return inOrder(ids, plans, 'id')
    }),
    esimsOfOrder: new DataLoader(async (orderIds) => {
      const { esims: found } = await esims('BatchListOrderESIMs', { orderIds }, token)
      return grouped(orderIds, found, 'orderId')
    }),
    bundles: new DataLoader(async (esimIds) => {
      const { bundles } = await esims('BatchListBundles', { esimIds }, token)
      return grouped(esimIds, bundles, 'esimId')
    }),
    usage: new DataLoader(async (esimIds) => {
      const { usages } = await esims('BatchGetUsage', { esimIds }, token)
      return inOrder(esimIds, usages, 'esimId')
    }),
  }
}
