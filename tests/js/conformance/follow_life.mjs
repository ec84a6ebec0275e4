// Two graphql-ws clients, one at each gateway, follow eSIMs while the sandbox installs, uses and deletes them;
// prints what both received at each step as JSON.
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const [urls, control, token, esims] = process.argv.slice(2).map((text) => JSON.parse(text))
const clients = urls.map((url) => createClient({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${token}` },
}))
const STATUS = `subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
  status profileStatus dataUsed dataRemaining deletionDate updatedAt } }`
const DETAILS = `query($id: ID!) { esimDetails(id: $id) {
  status profileStatus installedDate lastCountry deletionDate bundles { state } usage { totalUsed } } }`

async function post(url, body, headers = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

async function details(id) {
  const responses = await Promise.all(urls.map((url) =>
    post(url, { query: DETAILS, variables: { id } }, { Authorization: `Bearer ${token}` })))
  return responses.map(({ data }) => data.esimDetails)
}

// Reads events until one satisfies the condition; the test's time limit ends a step that never arrives.
async function until(events, condition) {
  for (;;) {
    const { value, done } = await events.next()
    if (done || value.errors) throw new Error(`the subscription ended: ${JSON.stringify(value)}`)
    const seen = value.data.esimStatusUpdated
    if (condition(seen)) return seen
  }
}

const scenarios = [
  [
    ['install', {}, (now) => now.profileStatus === 'INSTALLED'],
    ['attach', { country: 'GB' }, (now) => now.status === 'ACTIVE'],
    ...[[10, 10], [490, 500], [300, 800], [200, 1000]].map(([megabytes, used]) =>
      ['use-data', { megabytes, country: 'GB' }, (now) => now.dataUsed === used]),
  ],
  [
    // The eSIM was read a moment ago. The provider is queried for whether it was installed before or after that.
    ['use-data', { megabytes: 10, country: 'GB' },
      (now) => now.dataUsed === 10 && now.profileStatus === 'INSTALLED'],
    ['advance', { days: 8 }, (now) => now.status === 'EXPIRED'],
    ['advance', { days: 175 }, (now) => now.deletionDate !== null],
    ['advance', { days: 8 }, (now) => now.status === 'CANCELLED'],
  ],
]
const seen = []
for (const [index, steps] of scenarios.entries()) {
  const { id, iccid } = esims[index]
  const following = clients.map((client) => client.iterate({ query: STATUS, variables: { id } }))
  await Promise.all(following.map((events) => until(events, (now) => now.profileStatus === 'RELEASED')))
  for (const [act, body, condition] of steps) {
    const path = act === 'advance' ? '/clock/advance' : `/esims/${iccid}/${act}`
    await post(`${control}${path}`, body)
    const received = await Promise.all(following.map((events) => until(events, condition)))
    seen.push({ act, received, details: await details(id) })
  }
}
await Promise.all(clients.map((client) => client.dispose()))
console.log(JSON.stringify(seen))
