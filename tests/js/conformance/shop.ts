// An application's code over the generated types: what the contract promises compiles, what it doesn't does not.
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client'
import { BuyDocument, FrontPageDocument, MyEsiMsDocument, OrderStatus } from './gql/graphql'

const client = new ApolloClient({ link: new HttpLink({ uri: '/graphql' }), cache: new InMemoryCache() })

export async function frontPage(): Promise<{ name: string; price: number }[]> {
  const { data } = await client.query({ query: FrontPageDocument, variables: { first: 3 } })
  return data!.featuredPlans.map(({ name, price }) => ({ name, price }))
}

export async function remaining(): Promise<number | null | undefined> {
  const { data } = await client.query({ query: MyEsiMsDocument })
  return data!.myESIMs[0].bundles?.[0].dataRemaining
}

export async function buy(planId: string): Promise<string> {
  const input = { quantity: 1, idempotencyKey: 'basket-4711' }
  const { data } = await client.mutate({ mutation: BuyDocument, variables: { planId, input } })
  const bought = data!.purchaseESIM
  if (!bought?.order) throw new Error(bought?.error ?? 'refused')
  const { order } = bought
  return order.status === OrderStatus.Completed ? (order.esims?.[0].qrCode ?? '') : ''
}

export function wrong() {
  // @ts-expect-error a number of plans is no text
  void client.query({ query: FrontPageDocument, variables: { first: 'three' } })
  // @ts-expect-error the plan must be named
  void client.mutate({ mutation: BuyDocument, variables: { input: { quantity: 1 } } })
  // @ts-expect-error no such status
  return OrderStatus.Lost
}
