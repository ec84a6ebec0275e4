// Uses a gateway as an application with Apollo Client does; prints what it saw as JSON.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import ws from 'ws'

const [url, trustingUrl, token, planId, orderId] = process.argv.slice(2)
const operations = new URL('operations/', import.meta.url)
const plans = gql(await readFile(new URL('plans.graphql', operations), 'utf8'))
const fragments = plans.definitions.filter((one) => one.kind === 'FragmentDefinition')
const customer = gql(await readFile(new URL('customer.graphql', operations), 'utf8'))
const follow = gql(await readFile(new URL('follow.graphql', operations), 'utf8'))

// As bundlers' loaders do: each operation with the fragments that stand beside it.
function operation(document, name) {
  const wanted = document.definitions.filter((one) => one.name.value === name)
  const needed = JSON.stringify(wanted).includes('FragmentSpread') ? fragments : []
  return { kind: 'Document', definitions: [...wanted, ...needed] }
}

const sent = []
function client(address, { session, persisted } = {}) {
  const http = new HttpLink({
    uri: address,
    headers: session ? { authorization: `Bearer ${session}` } : {},
    fetch: async (resource, options) => {
      const answer = await fetch(resource, options)
      const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(resource).searchParams)
      const how = [options.method, 'query' in body ? 'text' : 'hash only', answer.status]
      sent.push(how.join(' '))
      return answer
    },
  })
  return new ApolloClient({
    link: persisted ? ApolloLink.from([new PersistedQueryLink(persisted), http]) : http,
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'network-only' } },
  })
}

function socket(address, session) {
  return createClient({
    url: address.replace('http', 'ws'),
    webSocketImpl: ws, // Node 20 has none of its own
    connectionParams: session ? { Authorization: `Bearer ${session}` } : {},
    retryAttempts: 0,
  })
}

// Follows with Apollo Client until an event is the last that is waited for.
function followed(address, session, last) {
  const link = socket(address, session)
  const apollo = new ApolloClient({ link: new GraphQLWsLink(link), cache: new InMemoryCache() })
  const events = []
  return new Promise((resolve, reject) => {
    const subscription = apollo.subscribe({ query: follow, variables: { orderId } }).subscribe({
      next: ({ data, error }) => {
        if (error) return reject(error)
        events.push(data.orderUpdated.status)
        if (events.at(-1) === last) {
          subscription.unsubscribe()
          resolve({ data: events })
        }
      },
      error: reject,
      complete: () => reject(new Error('completed')),
    })
  }).finally(() => link.dispose())
}

async function failure(query) {
  try {
    return { data: (await query).data }
  } catch (error) {
    return { name: error.name, message: error.message, code: error.errors?.[0]?.extensions?.code }
  }
}

function requests() {
  return sent.splice(0)
}

const frontPage = operation(plans, 'FrontPage')
const onePlan = operation(plans, 'OnePlan')
const buy = { mutation: operation(customer, 'Buy'), variables: { planId, input: { quantity: 1 } } }
const sha256 = (text) => createHash('sha256').update(text).digest('hex')
const seen = {}

const shop = client(url)
seen.query = (await shop.query({ query: frontPage, variables: { first: 2 } })).data
seen.cached = shop.readQuery({ query: frontPage, variables: { first: 2 } }) !== null
seen.fieldError = await failure(shop.query({ query: onePlan, variables: { id: 'unknown' } }))
seen.invalid = await failure(shop.query({ query: gql`query Wrong { nothing }` }))
seen.anonymous = await failure(shop.query({ query: operation(customer, 'MyESIMs') }))
seen.expired = await failure(client(url, { session: 'rubbish' }).query({ query: frontPage }))
seen.bought = (await client(url, { session: token }).mutate(buy)).data
requests()

const hashing = client(url, { persisted: { sha256 } })
await hashing.query({ query: frontPage })
await hashing.query({ query: frontPage })
seen.persisted = requests()

const getting = client(url, { persisted: { sha256, useGETForHashedQueries: true } })
await getting.query({ query: onePlan, variables: { id: planId } })
await getting.query({ query: onePlan, variables: { id: planId } })
seen.persistedByGet = requests()

// A gateway that executes trusted documents only takes the texts that Apollo Client makes of them.
const trusted = client(trustingUrl, { session: token })
seen.trusted = [
  (await trusted.query({ query: frontPage })).data.featuredPlans.length,
  (await trusted.mutate(buy)).data.purchaseESIM.success,
]
seen.untrusted = await failure(trusted.query({ query: gql`query FrontPage { featuredPlans { description } }` }))

seen.followed = await followed(url, token, 'COMPLETED')
seen.followedTrusted = await followed(trustingUrl, token, 'COMPLETED')
seen.followedByNobody = await failure(followed(url, undefined, 'COMPLETED'))
const wire = socket(url, token)
seen.bySocket = []
for await (const result of wire.iterate({ query: '{ featuredPlans { id } }' })) seen.bySocket.push(result)
await wire.dispose()

console.log(JSON.stringify(seen))
