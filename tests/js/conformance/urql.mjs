// Uses the gateway as a page with urql does; prints what it saw, and every HTTP answer, as JSON.
import { Client, cacheExchange, fetchExchange } from '@urql/core'

const [url, token, orderId] = process.argv.slice(2)
const seen = { answers: [], unhandled: [], query: [], statuses: [] }
process.on('unhandledRejection', (error) => { seen.unhandled.push(String(error)) })

async function recorded(input, init) {
  const answer = await fetch(input, init)
  seen.answers.push([
    init.method,
    answer.status,
    answer.headers.get('content-type'),
    answer.headers.get('cache-control'),
    init.headers.accept ?? init.headers.Accept,
  ])
  return answer
}

function client(options = {}) {
  return new Client({
    url,
    fetch: recorded,
    exchanges: [cacheExchange, fetchExchange],
    requestPolicy: 'network-only',
    preferGetMethod: false,
    ...options,
  })
}

const signedIn = client({
  fetchOptions: { headers: { Authorization: `Bearer ${token}` } },
  fetchSubscriptions: true,
})
const featured = '{ featuredPlans(first: 1) { id } }'
for (let i = 0; i < 10; i++) seen.query.push(await client().query(featured, {}).toPromise())
seen.byGet = await client({ preferGetMethod: true }).query(featured, {}).toPromise()
seen.invalid = await client().query('{ nothing }', {}).toPromise()
seen.query = seen.query.map(({ data, error }) => [data, error?.message])
seen.byGet = seen.byGet.data
seen.invalid = seen.invalid.error.graphQLErrors.map((error) => error.extensions.code)

const cancel = 'mutation($id: ID!) { cancelOrder(orderId: $id) { success code } }'
const cancelled = await signedIn.mutation(cancel, { id: orderId }).toPromise()
seen.mutation = [cancelled.data, cancelled.error?.message]

const follow = 'subscription($id: ID!) { orderUpdated(orderId: $id) { status } }'
await new Promise((resolve) => {
  signedIn.subscription(follow, { id: orderId }).subscribe(({ data, error }) => {
    seen.statuses.push(data?.orderUpdated.status ?? error.message)
    if (error || seen.statuses.at(-1) === 'COMPLETED') resolve()
  })
})
await new Promise((resolve) => setImmediate(resolve))
console.log(JSON.stringify(seen))
// Unsubscribing aborts the request, which urql itself leaves unhandled.
process.exit(0)
