// A shop on one page: supabase-js signs customers in, urql calls the gateway, graphql-ws follows eSIMs. If the platform
// takes payments, customers pay on the payment provider's page, which leads back here.
import { createClient } from '@supabase/supabase-js'
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core'
import { createClient as createSocket } from 'graphql-ws'

// serve.mjs replaces the three settings.
const supabase = createClient(SUPABASE_URL, SUPABASE_ANON_KEY)

const COUNTRIES = gql`{ countries { country { name iso } } }`
const PLANS = gql`query Plans($country: String!) {
  dataPlans(filter: { country: $country }, first: 10, orderBy: PRICE_ASC) {
    id title price priceExact currency fairUse { dailyMB }
  }
}`
const BUY = gql`mutation Buy($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { success error order { status payment { redirectUrl } } }
}`
const RESUME = gql`mutation Resume($id: ID!) { resumePayment(orderId: $id) { error payment { redirectUrl } } }`
const CANCEL = gql`mutation Cancel($id: ID!) { cancelOrder(orderId: $id) { error } }`
const MINE = gql`{
  myESIMs(first: 100) {
    id status qrCode plan { title }
    order { id status payment { refunded refundedExact currency } refundable { amount amountExact currency } }
  }
  myOrders(filter: { status: PROCESSING }) { id soldPlan { title } payment { status failure } }
}`
// Statuses of eSIMs that can't be installed any more.
const ENDED = ['CANCELLED', 'EXPIRED']
const CHANGES = gql`subscription { myESIMsUpdated { id } }`

const $ = (selector) => document.querySelector(selector)
const say = (text = '') => { $('#message').textContent = text }
// The amount as the API returns it, exact, in the format of the customer's browser: 1.3 USD is $1.30.
const money = (amount, currency) => new Intl.NumberFormat([], { style: 'currency', currency }).format(amount)
const token = async () => (await supabase.auth.getSession()).data.session?.access_token

let client, socket // new ones for each session, so that no customer sees another's cached data

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
  const ended = error?.response?.status === 401 // the session is not valid any more: show what needs none
  if (ended && !(await supabase.auth.signOut({ scope: 'local' })).error) return ask(document, variables)
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
  const country = $('#countries').value
  const { dataPlans } = await ask(PLANS, { country })
  if (country !== $('#countries').value) return // the customer has chosen another one meanwhile
  $('#plans').replaceChildren(
    ...dataPlans.map((plan) => {
      const button = action('Buy', () => buy(plan, button))
      const fast = plan.fairUse ? ` (${plan.fairUse.dailyMB} MB a day at full speed)` : ''
      return row(`${plan.title}${fast}: ${money(plan.priceExact, plan.currency)}`, button)
    }),
  )
}

async function buy({ id, price, currency }, button) {
  if (!(await token())) return say('Sign in first.')
  // One key for each click: if the answer is lost, the request can be sent again without buying twice.
  button.dataset.key ||= crypto.randomUUID()
  button.disabled = true
  try {
    const payment = { method: 'CARD', returnUrl: location.origin + location.pathname }
    const input = { quantity: 1, maxPrice: price, currency, idempotencyKey: button.dataset.key, payment }
    const { purchaseESIM } = await ask(BUY, { plan: id, input })
    if (!purchaseESIM.success) say(purchaseESIM.error)
    delete button.dataset.key
    if (purchaseESIM.order?.payment?.redirectUrl) return location.assign(purchaseESIM.order.payment.redirectUrl)
  } finally {
    button.disabled = false
  }
  await showESIMs()
}

async function pay(id) {
  const { error, payment } = (await ask(RESUME, { id })).resumePayment
  if (payment?.redirectUrl) return location.assign(payment.redirectUrl)
  await showESIMs() // it may be paid already
  if (error) say(error)
}

async function cancel(id) {
  const { cancelOrder } = await ask(CANCEL, { id })
  await showESIMs()
  if (cancelOrder.error) say(cancelOrder.error)
}

const action = (text, work) =>
  Object.assign(document.createElement('button'), { textContent: text, onclick: () => safely(work) })

let again, newest = 0 // the newest call, as an answer may arrive after the customer has signed out
async function showESIMs() {
  clearTimeout(again)
  const call = ++newest
  const { myESIMs, myOrders } = (await token()) ? await ask(MINE) : { myESIMs: [], myOrders: [] }
  if (call !== newest) return
  $('#orders').replaceChildren(
    ...myOrders.map(({ id, soldPlan, payment }) => {
      const unpaid = payment?.status === 'REQUIRES_ACTION'
      const text = `${soldPlan?.title ?? 'eSIM'}: ${unpaid ? (payment.failure ?? 'not paid yet') : 'being prepared'}`
      return row(text, ...(unpaid ? [action('Pay', () => pay(id))] : []))
    }),
  )
  $('#esims').replaceChildren(
    ...myESIMs.map(({ status, qrCode, plan, order }) => {
      const { payment: paid, refundable: back } = order ?? {}
      const refunded = paid?.refunded ? `, refunded ${money(paid.refundedExact, paid.currency)}` : ''
      const more = []
      if (back?.amount) {
        more.push(action(`Get ${money(back.amountExact, back.currency)} back`, () => cancel(order.id)))
      }
      if (qrCode && !ENDED.includes(status)) {
        more.push(Object.assign(new Image(140, 140), { src: qrCode, alt: 'Scan it to install the eSIM' }))
      }
      return row(`${plan?.title ?? 'eSIM'}: ${status}${refunded}`, ...more)
    }),
  )
  if (myOrders.length) again = setTimeout(refresh, 2000)
}

const refresh = () => showESIMs().catch((error) => say(error.message)) // leaves the message of the last action

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
    const { data, error } = await supabase.auth[method]({ email, password })
    if (error) throw error
    if (!data.session) say('Open the link in the e-mail that you received, and then sign in.')
  })
}

let customer // of the displayed session; supabase-js also reports renewed tokens of the same customer
let connected = null // the token of `client`; supabase-js reports a session more than once
supabase.auth.onAuthStateChange((_event, session) => {
  if ((session?.access_token ?? null) === connected) return
  connected = session?.access_token ?? null
  connect(session)
  if (session) client.subscription(CHANGES, {}).subscribe(refresh)
  if (session?.user.id === customer) return
  customer = session?.user.id
  $('#sign-in').hidden = Boolean(session)
  $('#account').hidden = !session
  $('#account span').textContent = session?.user.email ?? ''
  // Calls of supabase-js inside this callback would deadlock.
  setTimeout(refresh)
})

connect(null)
safely(showCountries).then(() => safely(showPlans))
