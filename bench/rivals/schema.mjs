// The gateway's own schema for the rivals, less federation, and resolvers for what is measured.
import { readFileSync } from 'node:fs'
import { Kind, parse, print, visit } from 'graphql'
import { catalogue, esims, orders } from './services.mjs'

const FEDERATION = new Set(['_entities', '_service', '_Any', '_Entity', '_Service'])
const unlessFederation = (node) => (FEDERATION.has(node.name.value) ? null : undefined)

export const typeDefs = print(
  visit(parse(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')), {
    [Kind.FIELD_DEFINITION]: unlessFederation,
    [Kind.SCALAR_TYPE_DEFINITION]: unlessFederation,
    [Kind.UNION_TYPE_DEFINITION]: unlessFederation,
    [Kind.OBJECT_TYPE_DEFINITION]: unlessFederation,
    [Kind.DIRECTIVE]: (node) => (['auth', 'key', 'link', 'shareable'].includes(node.name.value) ? null : undefined),
  }),
)

// The longest page that the catalogue gives.
const PAGE = 10_000

// As the gateway writes money: exact, without needless zeros.
const exact = ({ units, nanos }) => (nanos ? `${units}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}` : `${units}`)

// As the gateway writes moments: always six decimals, in UTC with Z.
const moment = (stamp) => {
  if (!stamp) return null
  const seconds = new Date(stamp.seconds * 1000).toISOString().slice(0, 19)
  const micros = Math.trunc(stamp.nanos / 1000)
  return `${seconds}.${String(micros).padStart(6, '0')}Z`
}

const limit = (price) => {
  if (price == null) return undefined
  const [units, fraction = ''] = String(price).split('.')
  return { units: Number(units), nanos: Number(fraction.padEnd(9, '0')) }
}

const plan = (found) => {
  const priceExact = exact(found.price)
  return {
    ...found,
    duration: found.durationDays,
    price: Number(priceExact),
    priceExact,
    currency: found.price.currencyCode,
    dataMB: found.dataMb ?? null,
    isUnlimited: found.unlimited,
  }
}

const order = (found) => ({
  ...found,
  status: found.status.slice('ORDER_STATUS_'.length),
  statusReason: found.statusReason || null,
  reference: found.reference || null,
  totalPriceExact: exact(found.totalPrice),
  currency: found.totalPrice.currencyCode,
  createdAt: moment(found.createdAt),
  updatedAt: moment(found.updatedAt),
})

const esim = (found) => ({
  ...found,
  status: found.status.slice('ESIM_STATUS_'.length),
  activationCode: found.smdpAddress && found.matchingId ? `LPA:1$${found.smdpAddress}$${found.matchingId}` : null,
})

const bundle = (found) => ({
  ...found,
  state: found.state.slice('BUNDLE_STATE_'.length),
  dataUsed: found.dataUsedMb ?? null,
  dataRemaining: found.dataRemainingMb ?? null,
  startDate: moment(found.startDate),
  endDate: moment(found.endDate),
})

const usage = (found) =>
  found?.asOf
    ? { ...found, totalUsed: found.totalUsedMb ?? null, totalRemaining: found.totalRemainingMb ?? null }
    : null

export const resolvers = {
  Query: {
    async dataPlans(_, { filter, first, orderBy }, { token }) {
      const { duration, minPrice, maxPrice, minData, ...same } = filter ?? {}
      const request = {
        filter: {
          ...Object.fromEntries(Object.entries(same).filter(([, value]) => value !== null)),
          durationDays: duration ?? undefined,
          minPrice: limit(minPrice),
          maxPrice: limit(maxPrice),
          minDataMb: minData ?? undefined,
        },
        orderBy: `PLAN_ORDER_${orderBy}`,
        pageSize: first ?? PAGE,
      }
      const { plans } = await catalogue('ListPlans', request, token)
      return plans.map(plan)
    },
    async featuredPlans(_, { first }, { token }) {
      const { plans } = await catalogue('ListFeaturedPlans', { pageSize: first }, token)
      return plans.map(plan)
    },
    async myESIMs(_, { first }, context) {
      context.requireSession()
      const { esims: found } = await esims('ListESIMs', { pageSize: first }, context.token)
      return found.map(esim)
    },
    async orderDetails(_, { id }, context) {
      context.requireSession()
      const { order: found } = await orders('GetOrder', { orderId: id }, context.token)
      return order(found)
    },
  },
  Order: {
    async dataPlan({ planId }, _, context) {
      const found = await context.plans.load(planId)
      return found && plan(found)
    },
    async esims({ id }, _, context) {
      return (await context.esimsOfOrder.load(id)).map(esim)
    },
  },
  ESIM: {
    async bundles({ id }, _, context) {
      return (await context.bundles.load(id)).map(bundle)
    },
    async usage({ id }, _, context) {
      return usage(await context.usage.load(id))
    },
  },
}
