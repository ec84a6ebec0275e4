// Follows an eSIM with the graphql-ws client over the end of its session; prints what it saw as JSON.
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const [url, auth, email, token, esimId] = process.argv.slice(2)
const seen = { statuses: [], closed: [], root: null, errors: [] }
let connections = 0

const client = createClient({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: async () => {
    connections += 1
    return { Authorization: `Bearer ${connections === 1 ? await shortToken() : token}` }
  },
  on: { closed: (event) => { seen.closed.push([event.code, event.reason]) } },
})

async function shortToken() {
  const body = JSON.stringify({ email, expires_in: 3 })
  const answer = await fetch(`${auth}/_control/auth/session`, { method: 'POST', body })
  return (await answer.json()).access_token
}

async function change(name) {
  const query = `mutation($id: ID!) { ${name}(esimId: $id) { success error } }`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { id: esimId } }),
  })
  const { data } = await answer.json()
  if (!data[name].success) throw new Error(data[name].error)
}

// What goes on after the connection that it began on was closed is one subscription to the client.
const query = 'subscription($id: ID!) { esimStatusUpdated(esimId: $id) { esimId status } }'
const following = client.iterate({ query, variables: { id: esimId } })
for await (const { data } of following) {
  const { status } = data.esimStatusUpdated
  if (seen.statuses.at(-1) !== status) seen.statuses.push(status)
  if (seen.statuses.length === 1 && connections > 1) await change('suspendESIM')
  if (seen.statuses.length === 2) await change('restoreESIM')
  if (seen.statuses.length === 3) break
}

for await (const { data } of client.iterate({ query: '{ __typename }' })) seen.root = data.__typename
for (const text of ['subscription { nothing }', query]) {
  const variables = { id: '00000000-0000-4000-8000-000000000000' }
  try {
    for await (const _ of client.iterate({ query: text, variables })) break
  } catch (errors) {
    seen.errors.push(errors.map((error) => error.extensions.code))
  }
}
await client.dispose()
console.log(JSON.stringify(seen))
