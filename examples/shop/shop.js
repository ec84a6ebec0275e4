// A shop on one page: supabase-js signs customers in, urql calls the gateway, graphql-ws follows eSIMs.
import { createClient } from '@supabase/supabase-js'
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core'
import { createClient as createSocket } from 'graphql-ws'

// serve.mjs replaces the three settings.
const supabase = createClient(SUPABASE_URL, SUPABASE_ANON_KEY)

const COUNTRIES = gql`{ countries { country { name iso } } }`
const PLANS = gql`
  query Plans($country: String!) {
    dataPlans(filter: { country: $country }, first: 10, orderBy: PRICE_ASC) { id title price priceExact currency }
  }
`
const BUY = gql`
  mutation Buy($plan: ID!, $maxPrice: Float!, $currency: String!, $key: String!) {
    purchaseESIM(planId: $plan, input: { quantity: 1, maxPrice: $maxPrice, currency: $currency, idempotencyKey: $key }) {
      success
      error
      order { status }
    }
  }
`
const MINE = gql`{ myESIMs { id status qrCode plan { title } } }`
const CHANGES = gql`subscription { myESIMsUpdated { id } }`

const $ = (selector) => document.querySelector(selector)
const say = (text = '') => { $('#message').textContent = text }
const token = async () => (await supabase.auth.getSession()).data.session?.access_token

let client // a new one for each session, so that no customer sees another's cached data
let socket

function connect(session) {
  socket?.dispose()
  socket = createSocket({
    url: GRAPHQL_URL.replace(/^http/, 'ws'),
    connectionParams: async () => ({ Authorization: `Bearer ${await token()}` }),
  })
  client = new Client({
    url: GRAPHQL_URL,
    fetchOptions: session ? { headers: { Authorization: `Bearer ${session.access_token}` } } : {},
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (operation) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query: operation.query, variables: operation.variables }, sink),
          }),
        }),
      }),
    ],
  })
}

async function ask(document, variables = {}) {
  const method = document.definitions[0].operation === 'mutation' ? 'mutation' : 'query'
  const { data, error } = await client[method](document, variables, { requestPolicy: 'network-only' }).toPromise()
  if (error) throw error
  return data
}

function row(text, ...more) {
  const item = document.createElement('li')
  item.append(Object.assign(document.createElement('span'), { textContent: text }), ...more)
  return item
}

async function showCountries() {
  const { countries } = await ask(COUNTRIES)
  $('#countries').replaceChildren(...countries.map(({ country }) => new Option(country.name, country.iso)))
}

async function showPlans() {
  const { dataPlans } = await ask(PLANS, { country: $('#countries').value })
  $('#plans').replaceChildren(
    ...dataPlans.map((plan) => {
      const button = Object.assign(document.createElement('button'), { textContent: 'Buy' })
      button.onclick = () => safely(() => buy(plan, button))
      return row(`${plan.title}: ${plan.priceExact} ${plan.currency}`, button)
    }),
  )
}

async function buy({ id, price, currency }, button) {
  if (!(await token())) return say('Sign in first.')
  // One key for each click: if the answer is lost, the request can be sent again without buying twice.
  button.dataset.key ||= crypto.randomUUID()
  button.disabled = true
  try {
    const { purchaseESIM } = await ask(BUY, { plan: id, maxPrice: price, currency, key: button.dataset.key })
    if (!purchaseESIM.success) say(purchaseESIM.error)
    delete button.dataset.key
  } finally {
    button.disabled = false
  }
  await showESIMs()
}

async function showESIMs() {
  const { myESIMs } = (await token()) ? await ask(MINE) : { myESIMs: [] }
  $('#esims').replaceChildren(
    ...myESIMs.map(({ status, qrCode, plan }) => {
      const image = Object.assign(new Image(140, 140), { src: qrCode ?? 'data:,', alt: 'Scan it to install the eSIM' })
      return row(`${plan?.title ?? 'eSIM'}: ${status}`, image)
    }),
  )
}

async function safely(work) {
  say()
  try {
    await work()
  } catch (error) {
    say(error.message)
  }
}

$('#countries').onchange = () => safely(showPlans)
$('#account button').onclick = () => supabase.auth.signOut()
$('#sign-in').onsubmit = (event) => {
  event.preventDefault()
  const { email, password } = Object.fromEntries(new FormData(event.target))
  const method = event.submitter?.name === 'up' ? 'signUp' : 'signInWithPassword'
  safely(async () => {
    const { error } = await supabase.auth[method]({ email, password })
    if (error) throw error
  })
}

let customer // of the displayed session; supabase-js also reports renewed tokens of the same customer
supabase.auth.onAuthStateChange((_event, session) => {
  connect(session)
  if (session) client.subscription(CHANGES, {}).subscribe(() => safely(showESIMs))
  if (session?.user.id === customer) return
  customer = session?.user.id
  $('#sign-in').hidden = Boolean(session)
  $('#account').hidden = !session
  $('#account span').textContent = session?.user.email ?? ''
  // Calls of supabase-js inside this callback would deadlock.
  setTimeout(() => safely(showESIMs))
})

connect(null)
safely(showCountries).then(() => safely(showPlans))
